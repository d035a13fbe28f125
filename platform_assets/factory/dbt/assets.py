"""The assets of a dbt project: one step for all models, because they share one DuckDB file with one writer."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from platform_assets.dbt_outline import Model, mart_spec, staged_models
from platform_assets.factory.red_checks import DBT_MODEL, RedChecks
from platform_core.contracts import Catalog
from platform_core.errors import ContractError, Problem
from platform_resources.engines.dbt import StagedProject
from platform_resources.settings import Settings
from platform_resources.storage import Lake

POOL = "duckdb"
IO_MANAGER = "io_manager"


def build_dbt_assets(
    settings: Settings,
    catalog: Catalog,
    *,
    project: Path,
    automation: dg.AutomationCondition[Any] | None = None,
) -> list[dg.AssetsDefinition]:
    """The assets of a dbt project's models; none where the folder holds no project.

    The project is parsed when it or a contract changed, for a few seconds, and not otherwise.

    Args:
        settings: Which lake the models read and where DuckDB's file lies.
        catalog: The datasets that become dbt's sources.
        project: The folder of dbt_project.yml.
        automation: When models follow what they read by themselves.

    Raises:
        DbtError: dbt cannot parse the project.
        ContractError: A model has the key of a dataset.
    """
    staged, models = staged_models(settings, catalog, project)
    if staged is None:
        return []
    _refuse_doubles(catalog, models)

    def staged_for(lake: Lake) -> StagedProject:
        own = lake.settings.branch == settings.branch  # else a tag of the run names a branch of data
        return staged if own else staged_models(lake.settings, catalog, project)[0] or staged

    return [_assets(staged_for, models, automation)] if models else []


def _refuse_doubles(catalog: Catalog, models: Sequence[Model]) -> None:
    doubles = [model.name for model in models if model.name in catalog.datasets]
    if doubles:
        raise ContractError(
            Problem(name, "name", "is a dataset and a dbt model.", "rename one of them.") for name in doubles
        )


def _assets(
    staged_for: Callable[[Lake], StagedProject],
    models: Sequence[Model],
    automation: dg.AutomationCondition[Any] | None,
) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name="dbt",
        description="Builds and tests the selected dbt models in DuckDB, then writes the marts to the lake.",
        specs=[_spec(model, automation) for model in models],
        check_specs=[spec for model in models for spec in _check_specs(model)],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
    )
    def build(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        red_checks: dg.ResourceParam[RedChecks],
    ) -> Iterator[dg.Output[Any] | dg.AssetCheckResult]:
        from platform_assets.factory.dbt.build import build_models  # noqa: PLC0415 - imports dbt, for runs alone

        yield from build_models(context, staged_for(lake), models, lake, red_checks)

    return build


def _spec(model: Model, automation: dg.AutomationCondition[Any] | None) -> dg.AssetSpec:
    spec = dg.AssetSpec(
        dg.AssetKey(model.key),
        deps=[dg.AssetKey(key) for key in model.deps],
        description=model.description,
        group_name=model.group,
        owners=list(model.owners),
        tags={"domain": model.group, **dict.fromkeys(model.tags, "")},
        kinds={"dbt", "duckdb", *(["delta"] if model.table else [])},
        code_version=model.code_version,
        automation_condition=automation,
        skippable=True,
        metadata={"dagster/column_schema": _column_schema(model), DBT_MODEL: model.unique_id},
    )
    if model.table is None:
        return spec
    return spec.merge_attributes(metadata=mart_spec(model).to_metadata()).with_io_manager_key(IO_MANAGER)


def _column_schema(model: Model) -> dg.TableSchema:
    return dg.TableSchema(
        [dg.TableColumn(column["name"], column["data_type"], column["description"]) for column in model.columns]
    )


def _check_specs(model: Model) -> Iterator[dg.AssetCheckSpec]:
    for check in model.checks:
        yield dg.AssetCheckSpec(
            check.name,
            asset=dg.AssetKey(model.key),
            description=check.description,
            blocking=check.blocking,
            metadata={"severity": "error" if check.blocking else "warn"},
        )
