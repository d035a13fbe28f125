"""dbt's view of the contracts: every dataset as a source, every rule that SQL can judge as a test of it.

Nothing here is written by hand in a dbt project, so a contract and its dbt source cannot drift apart. A rule that SQL
cannot judge (a polars expression, a Python check) is named in the source's `meta`, never dropped in silence.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import polars as pl

from platform_core.contracts.columns import Column
from platform_core.contracts.dataset import Dataset
from platform_core.contracts.ruleset import rules_of
from platform_core.rules import Rule

DATABASE = "lake"
"""The DuckDB catalog in which the sources appear; it is attached for a run and holds views on Arrow, no data."""

PLUGIN = "lake"
"""The dbt-duckdb plugin that hands a source's rows to DuckDB."""

INGESTED_AT = "_ingested_at"

Test = dict[str, Any]

_DTYPES: Mapping[type[pl.DataType], str] = {
    pl.Int8: "TINYINT", pl.Int16: "SMALLINT", pl.Int32: "INTEGER", pl.Int64: "BIGINT", pl.UInt8: "UTINYINT",
    pl.UInt16: "USMALLINT", pl.UInt32: "UINTEGER", pl.UInt64: "UBIGINT", pl.Float32: "FLOAT", pl.Float64: "DOUBLE",
    pl.String: "VARCHAR", pl.Boolean: "BOOLEAN", pl.Date: "DATE", pl.Time: "TIME", pl.Binary: "BLOB",
    pl.Duration: "INTERVAL", pl.Enum: "VARCHAR", pl.Categorical: "VARCHAR",
}  # fmt: skip


def dbt_sources(datasets: Iterable[Dataset]) -> dict[str, Any]:
    """Return a dbt properties file (`version: 2`) that declares every dataset as a table of its domain's source.

    A dataset of another domain may be referenced, so give all datasets together.
    """
    by_domain: dict[str, list[Dataset]] = {}
    for dataset in sorted(datasets, key=lambda table: table.name):
        by_domain.setdefault(dataset.domain, []).append(dataset)
    return {"version": 2, "sources": [_source(domain, tables) for domain, tables in by_domain.items()]}


def data_type(dtype: pl.DataType) -> str:
    """Return the DuckDB type that a column of this polars type arrives as."""
    if isinstance(dtype, pl.Datetime):
        return "TIMESTAMP" if dtype.time_zone is None else "TIMESTAMP WITH TIME ZONE"
    if isinstance(dtype, pl.Decimal):
        return f"DECIMAL({dtype.precision or 38}, {dtype.scale})"
    if isinstance(dtype, pl.List | pl.Array):
        return f"{data_type(_instance(dtype.inner))}[]"
    if isinstance(dtype, pl.Struct):
        fields = ", ".join(f"{field.name} {data_type(_instance(field.dtype))}" for field in dtype.fields)
        return f"STRUCT({fields})"
    return _DTYPES.get(type(dtype), "VARCHAR")


def _instance(dtype: Any) -> pl.DataType:
    """Return the data type itself where polars hands out its class."""
    instance: pl.DataType = dtype() if isinstance(dtype, type) else dtype
    return instance


def _source(domain: str, datasets: Sequence[Dataset]) -> dict[str, Any]:
    return {
        "name": domain,
        "database": DATABASE,
        "schema": "main",
        "description": f"Datasets of the domain {domain}, as their contracts declare them.",
        "config": {"meta": {"plugin": PLUGIN, "save_mode": "ignore"}},
        "tables": [_table(dataset) for dataset in datasets],
    }


def _table(dataset: Dataset) -> dict[str, Any]:
    rules = rules_of(dataset)
    tests = {rule.id: _test(dataset, rule) for rule in rules}
    left_out = [rule.id for rule in rules if tests[rule.id] is None]
    table = {
        "name": dataset.title,
        "identifier": dataset.name.replace("/", "__"),
        "description": plain(dataset.about),
        "config": {"meta": _meta(dataset, left_out), **_freshness(dataset)},
        "columns": [_column(column, _tests_of(rules, tests, column)) for column in dataset.columns],
        "data_tests": [test for rule in rules if not _lone(rule) and (test := tests[rule.id])],
    }
    return {name: value for name, value in table.items() if value != []}


def _meta(dataset: Dataset, left_out: Sequence[str]) -> dict[str, Any]:
    partitioned = {"partition_column": dataset.partitions.column} if dataset.partitions else {}
    return {
        "table": {"path": f"{dataset.name}/v{dataset.major}", "format": dataset.store.format, **partitioned},
        "dagster": {"asset_key": dataset.name.split("/"), "group": dataset.domain},
        "owner": dataset.owner,
        "contract_version": dataset.version,
        "rules_without_a_dbt_test": list(left_out),
    }


def _freshness(dataset: Dataset) -> dict[str, Any]:
    """Source freshness; only ingested rows say when they arrived."""
    if dataset.freshness is None or dataset.source is None:
        return {}
    return {"loaded_at_field": INGESTED_AT, "freshness": {"warn_after": _period(dataset.freshness)}}


def _period(age: timedelta) -> dict[str, Any]:
    hours, rest = divmod(age, timedelta(hours=1))
    if not rest:
        return {"count": hours, "period": "hour"}
    return {"count": max(1, round(age / timedelta(minutes=1))), "period": "minute"}


def _column(column: Column, tests: list[Test]) -> dict[str, Any]:
    meta = {"unit": plain(column.unit) if column.unit else None, "pii": column.pii, "nullable": column.nullable}
    properties = {
        "name": column.name,
        "quote": True,
        "description": plain(column.description),
        "data_type": data_type(column.dtype),
        "config": {"meta": {name: value for name, value in meta.items() if value is not None}},
        "data_tests": tests,
    }
    return {name: value for name, value in properties.items() if value != []}


def _lone(rule: Rule) -> bool:
    """Whether the rule is about one column, so that its test stands at the column."""
    return len(rule.columns) == 1


def _tests_of(rules: Sequence[Rule], tests: Mapping[str, Test | None], column: Column) -> list[Test]:
    return [test for rule in rules if rule.columns == (column.name,) and (test := tests[rule.id])]


def _test(dataset: Dataset, rule: Rule) -> Test | None:
    """Return the dbt test of a rule, or None where SQL cannot judge it."""
    judged = rule.dbt_test(dataset.partitions.column if dataset.partitions else None)
    if judged is None:
        return None
    kind, arguments = judged
    name = f"{dataset.domain}_{dataset.title}_{rule.id}"
    meta = {"dataset": dataset.name, "rule": rule.id}
    config = {"severity": rule.severity, "meta": meta}
    test: Test = {"name": name, "description": plain(rule.label), "config": config}
    arguments = {word: plain(value) if isinstance(value, str) else value for word, value in arguments.items()}
    return {kind: {**test, **({"arguments": arguments} if arguments else {})}}


def plain(text: str) -> str:
    """Return a text as it must stand in a properties file, whose values Jinja reads.

    `{{ 1 }}` is one, and not the number.
    """
    return text.replace("{", "{{ '{' }}")
