"""What the asset page shows of a contract before anything has run: columns, owners, tags, storage, freshness."""

import sys
from collections.abc import Callable
from types import CodeType
from typing import Any

import dagster as dg

from platform_assets.factory.asset_keys import asset_key
from platform_assets.factory.checks import check_specs
from platform_assets.factory.effort import measured
from platform_assets.factory.partitioning import partitions_definition
from platform_assets.factory.tracing import traced
from platform_assets.ingest.tables import PROVENANCE, table_spec
from platform_core.contracts import Column, Dataset, ReferenceRule, RowRule, rules_of

_BEFORE_DBT = {"dagster/priority": "1"}
"""In a run of both, a dataset takes a second and dbt ten: what does not need dbt comes before it."""


def asset_of(
    dataset: Dataset, body: Callable[..., Any], *, engine: str = "polars", code: CodeType | None = None, **own: Any
) -> dg.AssetsDefinition:
    """Return the asset that runs `body`, with what the contract says of it and the body's own arguments of `dg.asset`.

    Args:
        dataset: The contract.
        body: What runs.
        engine: The kind of frames that it works on, as the graph shows it.
        code: The function that a person wrote, to which the asset's page links; None links to the declaration.
        own: Arguments of `dg.asset`.
    """
    about = attributes(dataset)
    about["kinds"] = {dataset.store.format, engine}
    about["metadata"] = {**about["metadata"], "dagster/code_references": _code_references(dataset, code)}
    decorate: Callable[[Callable[..., Any]], dg.AssetsDefinition] = dg.asset(
        **about, check_specs=check_specs(dataset), op_tags=_BEFORE_DBT, **own
    )
    return decorate(traced(dataset.name, measured(body)))


def _code_references(dataset: Dataset, code: CodeType | None) -> dg.CodeReferencesMetadataValue:
    """Where a person wrote the dataset: the transform, or the module of its model."""
    module = sys.modules.get(dataset.model.__module__)
    file = code.co_filename if code is not None else getattr(module, "__file__", None)
    if file is None:
        return dg.CodeReferencesMetadataValue(code_references=[])
    reference = dg.LocalFileCodeReference(
        file_path=file, line_number=code.co_firstlineno if code is not None else 1, label=dataset.name
    )
    return dg.CodeReferencesMetadataValue(code_references=[reference])


def attributes(dataset: Dataset) -> dict[str, Any]:
    """Return the keyword arguments of `dg.asset` that the contract alone decides."""
    return {
        "key": asset_key(dataset.name),
        "description": dataset.about,
        "group_name": dataset.domain,
        "owners": [dataset.owner],
        "tags": {"domain": dataset.domain, **dict.fromkeys(dataset.tags, "")},
        "kinds": {dataset.store.format, "polars"},
        "code_version": dataset.version,
        "metadata": {**table_spec(dataset).to_metadata(), **_metadata(dataset)},
        "partitions_def": partitions_definition(dataset.partitions),
        "backfill_policy": dg.BackfillPolicy.single_run(),
        "freshness_policy": _freshness(dataset),
        "pool": f"table_{dataset.name.replace('/', '_')}",
    }


def _freshness(dataset: Dataset) -> dg.FreshnessPolicy | None:
    return dg.FreshnessPolicy.time_window(fail_window=dataset.freshness) if dataset.freshness else None


def _metadata(dataset: Dataset) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "dagster/column_schema": column_schema(dataset),
        "dagster/table_name": f"{dataset.domain}.{dataset.title}",
        "version": dataset.version,
    }
    if dataset.key:
        shown["key"] = ", ".join(dataset.key)
    if dataset.quarantine:
        shown["quarantine"] = f"kept for {dataset.quarantine.keep.days} days"
    if dataset.retention:
        shown["retention"] = dataset.retention.told
    if dataset.sla:
        shown |= {f"sla_{name}": str(promise) for name, promise in vars(dataset.sla).items() if promise is not None}
    return shown


def column_schema(dataset: Dataset) -> dg.TableSchema:
    """Return the columns with types, units, constraints and PII tags, then the provenance columns of the platform."""
    words: dict[str, list[str]] = {}
    for rule in rules_of(dataset):
        is_computable = isinstance(rule, RowRule) and rule.always_computable
        if isinstance(rule, RowRule | ReferenceRule) and len(rule.columns) == 1 and not is_computable:
            words.setdefault(rule.columns[0], []).append(rule.label.removeprefix(f"{rule.columns[0]} "))
    columns = [_column(column, words.get(column.name, []), dataset) for column in dataset.columns]
    provenance = [dg.TableColumn(name, "String", "where the row came from") for name in PROVENANCE]
    return dg.TableSchema(columns=[*columns, *provenance] if not dataset.is_made else columns)


def _column(column: Column, words: list[str], dataset: Dataset) -> dg.TableColumn:
    unit = f" [{column.unit}]" if column.unit else ""
    tags = {"pii": column.pii} if column.pii else {}
    if column.unit:
        tags["unit"] = column.unit.replace(" ", "_")
    return dg.TableColumn(
        column.name,
        type=type_name(str(column.dtype)),
        description=f"{column.description}{unit}",
        constraints=dg.TableColumnConstraints(
            nullable=column.nullable,
            unique=column.unique or tuple(dataset.key) == (column.name,),
            other=words,
        ),
        tags=tags,
    )


def type_name(dtype: str) -> str:
    """Return a type as pages show it."""
    return {"Datetime(time_unit='us', time_zone='UTC')": "Timestamp (UTC, µs)"}.get(dtype, dtype)
