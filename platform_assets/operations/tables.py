"""Stored tables by the names of datasets: their rows at a version, and what operations may delete."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import polars as pl

from platform_assets.ingest import ingests_spec, quarantine_spec, table_spec
from platform_assets.location import CodeLocation
from platform_assets.operations.errors import RequestError, UnknownName
from platform_assets.operations.instance import open_instance
from platform_core.privacy.masking import MASK
from platform_core.quality.conform import converted
from platform_core.quality.conversions import conversions_of
from platform_resources.errors import UnsupportedOperation
from platform_resources.storage import TableSpec
from platform_resources.storage.formats.iceberg import IcebergFormat
from platform_resources.storage.operations import TableOperations

Which = Literal["table", "quarantine", "ingests"]
_LENGTH = re.compile(r"(\d{1,5})\s*([dh])")
_RAW = ("payload", "fix")
"""Columns of a quarantine that hold whole rows, personal data included."""


@dataclass(frozen=True)
class NamedTable:
    """A table that somebody named: its spec, the columns whose values are masked, and the types that are declared."""

    name: str
    spec: TableSpec
    hidden: frozenset[str]
    types: Mapping[str, pl.DataType] = field(default_factory=dict)


@dataclass(frozen=True)
class RowChoice:
    """Which rows somebody wants to see; no columns and no partitions are all of them."""

    version: str | None
    at: datetime | None
    columns: tuple[str, ...]
    partitions: tuple[str, ...]
    limit: int


@dataclass(frozen=True)
class RowsRead:
    """Rows of one version of a table, in the types that are declared now.

    Attributes:
        conversions: Columns that this version holds in another type, and how many of these rows' values that lost.
    """

    table: str
    version: str | None
    at: datetime | None
    rows: tuple[dict[str, Any], ...]
    masked: tuple[str, ...]
    conversions: tuple[str, ...] = ()


def find_table(location: CodeLocation, name: str, which: Which = "table") -> NamedTable:
    """Return the table of a dataset, or one of those beside it.

    Or that of an asset that says in its metadata where it lies.

    Raises:
        UnknownName: There is no such dataset, and no asset of that name with a table.
    """
    dataset = location.catalog.datasets.get(name)
    if dataset is not None:
        spec = {"table": table_spec, "quarantine": quarantine_spec, "ingests": ingests_spec}[which](dataset)
        personal = {column.name for column in dataset.columns if column.pii is not None}
        hidden = {"table": personal, "quarantine": {*_RAW}, "ingests": set()}[which]
        types = {column.name: column.dtype for column in dataset.columns} if which == "table" else {}
        return NamedTable(name, spec, frozenset(hidden), types)
    from dagster import AssetKey, TableSchema  # noqa: PLC0415 - only assets without a declaration need the graph

    graph = location.defs.resolve_asset_graph()
    specs = {
        key.to_user_string(): TableSpec.from_metadata(graph.get(key).metadata) for key in graph.get_all_asset_keys()
    }
    spec_there = specs.get(name)
    if spec_there is None or which != "table":
        raise UnknownName(
            "table", name, [*location.catalog.datasets, *(asset_name for asset_name, spec in specs.items() if spec)]
        )
    schema = graph.get(AssetKey.from_user_string(name)).metadata.get("dagster/column_schema")
    columns = schema.columns if isinstance(schema, TableSchema) else ()
    return NamedTable(name, spec_there, frozenset(column.name for column in columns if column.tags.get("pii")))


def table_operations(location: CodeLocation, name: str, which: Which) -> TableOperations:
    """Return what can be done to the table of that name."""
    return location.lake.operations(find_table(location, name, which).spec)


def read_rows(location: CodeLocation, name: str, which: Which, choice: RowChoice, *, unmask: bool) -> RowsRead:
    """Return the first rows of a version of a table; personal data is masked.

    Raises:
        RequestError: Unmasking is asked for outside of development.
    """
    if unmask and location.settings.environment != "development":
        raise RequestError(
            f"--unmask: personal data is shown in development only, and this is {location.settings.environment}. "
            "Fix: leave --unmask out."
        )
    named_table, version, moment = find_table(location, name, which), choice.version, choice.at
    if moment is not None:
        version = location.lake.version_at(named_table.spec, moment)
    frame = location.lake.scan(
        named_table.spec, version=version, columns=choice.columns or None, partitions=choice.partitions or None
    )
    with location.lake.telling(named_table.spec):
        stored = frame.head(choice.limit).collect()
    rows = converted(stored.lazy(), named_table.types).collect()
    hidden = () if unmask else tuple(column for column in rows.columns if column in named_table.hidden)
    shown = rows.with_columns(
        pl.when(pl.col(column).is_not_null()).then(pl.lit(MASK)).alias(column) for column in hidden
    )
    return RowsRead(
        table=named_table.spec.path,
        version=version or location.lake.version(named_table.spec),
        at=moment,
        rows=tuple(shown.to_dicts()),
        masked=hidden,
        conversions=tuple(conversion.words for conversion in conversions_of(stored, rows)),
    )


def register_table(location: CodeLocation, name: str) -> str:
    """Return the version of an Iceberg table that its catalogue knows from now on."""
    table = table_operations(location, name, "table")
    if not isinstance(table, IcebergFormat):
        raise UnsupportedOperation(
            table.spec.path, f"{table.spec.format} needs no catalogue", fix="read it: its log lies beside its rows"
        )
    return table.register()


def parse_retention(location: CodeLocation, text: str) -> timedelta:
    """How long to keep, such as `7d` or `36h`, once no run that is working started earlier.

    Raises:
        RequestError: It is no such time, or a run has been working for longer.
    """
    match = _LENGTH.fullmatch(text.strip())
    if match is None:
        raise RequestError(f"--keep: {text!r} is no time. Fix: write days or hours, such as 7d or 36h.")
    keep = timedelta(**{"days" if match[2] == "d" else "hours": int(match[1])})
    from platform_assets.operations.active_runs import oldest_active_run  # noqa: PLC0415 - imports Dagster

    with open_instance(location.settings) as instance:
        reader = oldest_active_run(instance)
    if reader is not None and reader[1] < datetime.now(UTC) - keep:
        raise RequestError(
            f"--keep: run {reader[0]} has been working since {reader[1]:%Y-%m-%d %H:%M} UTC, longer than {text}, and "
            "may still read what would be deleted. Fix: wait for its end, terminate it, or keep longer."
        )
    return keep


def parse_instant(version: str | None, at: str | None) -> datetime | None:
    """Return the instant that is meant, in UTC where it says no zone; None where there is none.

    Raises:
        RequestError: Both are given, or the instant is none.
    """
    if version is not None and at is not None:
        raise RequestError("--version and --at: both are given. Fix: leave one out.")
    if at is None:
        return None
    try:
        moment = datetime.fromisoformat(at)
    except ValueError as error:
        raise RequestError(f"--at: {at!r} is no instant. Fix: write it as 2024-05-31T12:00.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
