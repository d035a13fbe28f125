"""The assets of a dbt project: one step for all models, because they share one DuckDB file with one writer."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg

from platform_assets.dbt_outline import Model, mart_spec, staged_models
from platform_assets.factory.checks import check_specs
from platform_assets.factory.red_checks import DBT_MODEL, RedChecks
from platform_assets.factory.specs import attributes
from platform_assets.ingest.tables import table_spec
from platform_core.contracts import Catalog, Dataset
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
    project: Path | None,
    automation: dg.AutomationCondition[Any] | None = None,
) -> list[dg.AssetsDefinition]:
    """Return the assets of a dbt project's models; none where the folder holds no project.

    The project is parsed when it or a contract changed, for a few seconds, and not otherwise.

    Args:
        settings: Which lake the models read and where DuckDB's file lies.
        catalog: The datasets that become dbt's sources.
        project: The folder of dbt_project.yml; None without one.
        automation: When models follow what they read by themselves.

    Raises:
        DbtError: dbt cannot parse the project.
        ContractError: A model has the key of a dataset that is made otherwise, or a dataset's model is not there.
    """
    staged, models = staged_models(settings, catalog, project) if project is not None else (None, [])
    declared = {
        name: dataset
        for name, dataset in catalog.datasets.items()
        if dataset.source is not None and dataset.source.is_dbt
    }
    _refuse_doubles(catalog, models)
    if staged is None or project is None:
        _refuse_without_project(declared, project)
        return []
    _refuse_missing(declared, models, project)
    models = [with_contract(model, declared.get(model.name)) for model in models]

    def staged_for(lake: Lake) -> StagedProject:
        own = lake.settings.branch == settings.branch  # else a tag of the run names a branch of data
        return staged if own else staged_models(lake.settings, catalog, project)[0] or staged

    return [_assets(staged_for, models, catalog, automation)] if models else []


def _refuse_doubles(catalog: Catalog, models: Sequence[Model]) -> None:
    known = catalog.datasets
    doubles = [model.name for model in models if model.name in known and not _is_of_dbt(known[model.name])]
    if doubles:
        fix = "rename one of them, or declare the dataset with source=DbtModel()."
        raise ContractError(Problem(name, "name", "is a dataset and a dbt model.", fix) for name in doubles)


def _is_of_dbt(dataset: Dataset) -> bool:
    return dataset.source is not None and dataset.source.is_dbt


def _refuse_without_project(declared: Iterable[str], project: Path | None) -> None:
    """Return where no dataset needs a dbt project; none is there."""
    where = "no dbt project is given" if project is None else f"there is no {project / 'dbt_project.yml'}"
    fix = "give build_definitions its folder, dbt=Path(...), or lay it beside the package, as `platform init` does."
    problems = [Problem(name, "source DbtModel()", f"stands for nothing: {where}.", fix) for name in sorted(declared)]
    if problems:
        raise ContractError(problems)


def _refuse_missing(declared: Mapping[str, Dataset], models: Sequence[Model], project: Path) -> None:
    missing = sorted(declared.keys() - {model.name for model in models})
    if missing:
        raise ContractError(_missing_problem(name, models, project) for name in missing)


def _missing_problem(name: str, models: Sequence[Model], project: Path) -> Problem:
    domain, _, short = name.partition("/")
    named_alike = [model.name for model in models if model.name.rpartition("/")[2] == short]
    if named_alike:
        where = f"the model {short}.sql in {project} is {' and '.join(named_alike)}, by its schema"
        ways = f"'+schema: {domain}' for its folder in dbt_project.yml, or config(schema='{domain}')"
        fix = f"give it the schema {domain}: {ways}."
    else:
        where = f"{project} has no model of that name in the dataset's domain"
        fix = f"write models/{domain}/{short}.sql, with the schema {domain}."
    return Problem(name, "source DbtModel()", f"stands for nothing: {where}.", fix)


def with_contract(model: Model, dataset: Dataset | None) -> Model:
    """Give the model what its contract says; as it is where there is none."""
    if dataset is None:
        return model
    return replace(model, description=dataset.about, owners=(dataset.owner,), table=table_spec(dataset).path)


def _assets(
    staged_for: Callable[[Lake], StagedProject],
    models: Sequence[Model],
    catalog: Catalog,
    automation: dg.AutomationCondition[Any] | None,
) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name="dbt",
        description="Builds and tests the selected dbt models in DuckDB, then writes the marts to the lake.",
        specs=[_spec(model, catalog, automation) for model in models],
        check_specs=[spec for model in models for spec in _check_specs(model, catalog)],
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

        yield from build_models(context, staged_for(lake), models, catalog, lake, red_checks)

    return build


def _spec(model: Model, catalog: Catalog, automation: dg.AutomationCondition[Any] | None) -> dg.AssetSpec:
    dataset = catalog.datasets.get(model.name)
    referred = [] if dataset is None else catalog.looked_into(dataset)
    above = dict.fromkeys([*model.deps, *(tuple(name.split("/")) for name in referred)])
    spec = dg.AssetSpec(
        dg.AssetKey(model.key),
        deps=[dg.AssetKey(key) for key in above],
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
    if dataset is not None:
        return _with_contract(spec, dataset).with_io_manager_key(IO_MANAGER)
    if model.table is None:
        return spec
    return spec.merge_attributes(metadata=mart_spec(model).to_metadata()).with_io_manager_key(IO_MANAGER)


def _with_contract(spec: dg.AssetSpec, dataset: Dataset) -> dg.AssetSpec:
    """Return what the contract says of the asset, beside what dbt says of the model."""
    contract_attributes = attributes(dataset)
    return spec.replace_attributes(
        code_version=f"{dataset.version} {spec.code_version}",
        kinds={"dbt", "duckdb", dataset.store.format},
        freshness_policy=contract_attributes["freshness_policy"],
    ).merge_attributes(metadata=contract_attributes["metadata"], tags=contract_attributes["tags"])


def _column_schema(model: Model) -> dg.TableSchema:
    return dg.TableSchema(
        [dg.TableColumn(column["name"], column["data_type"], column["description"]) for column in model.columns]
    )


def _check_specs(model: Model, catalog: Catalog) -> Iterator[dg.AssetCheckSpec]:
    if model.name in catalog.datasets:
        yield from check_specs(catalog[model.name])
    for check in model.checks:
        yield dg.AssetCheckSpec(
            check.name,
            asset=dg.AssetKey(model.key),
            description=check.description,
            blocking=check.blocking,
            metadata={"severity": "error" if check.blocking else "warn"},
        )
