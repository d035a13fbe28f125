"""`platform table`: what a stored table was, is, and would be after an operation."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import dagster as dg
import polars as pl

from platform_assets.entrypoints.door import CommandError, Door, UnknownName
from platform_assets.ingest import ingests_spec, quarantine_spec, table_spec
from platform_assets.operations.readers import oldest_reader
from platform_core.privacy.masking import MASK
from platform_resources.errors import UnsupportedOperation
from platform_resources.storage import TableSpec
from platform_resources.storage.operations import TableOperations
from platform_resources.storage.operations.iceberg import IcebergOperations

Which = Literal["table", "quarantine", "ingests"]
_LENGTH = re.compile(r"(\d{1,5})\s*([dh])")
_RAW = ("payload", "fix")
"""Columns of a quarantine that hold whole rows, personal data included."""


@dataclass(frozen=True)
class Named:
    """A table that somebody named: its spec, and the columns whose values are masked."""

    name: str
    spec: TableSpec
    hidden: frozenset[str]


@dataclass(frozen=True)
class Wanted:
    """Which rows somebody wants to see; no columns and no partitions are all of them."""

    version: str | None
    at: datetime | None
    columns: tuple[str, ...]
    partitions: tuple[str, ...]
    limit: int


@dataclass(frozen=True)
class RowsRead:
    """Rows of one version of a table."""

    table: str
    version: str | None
    at: datetime | None
    rows: tuple[dict[str, Any], ...]
    masked: tuple[str, ...]


def named(door: Door, name: str, which: Which = "table") -> Named:
    """The table of a dataset, or one of those beside it; or that of an asset that says in its metadata where it lies.

    Raises:
        UnknownName: There is no such dataset, and no asset of that name with a table.
    """
    dataset = door.catalog.datasets.get(name)
    if dataset is not None:
        spec = {"table": table_spec, "quarantine": quarantine_spec, "ingests": ingests_spec}[which](dataset)
        personal = {column.name for column in dataset.columns if column.pii is not None}
        return Named(name, spec, frozenset({"table": personal, "quarantine": {*_RAW}, "ingests": set()}[which]))
    graph = door.location.defs.resolve_asset_graph()
    made = {
        key.to_user_string(): TableSpec.from_metadata(graph.get(key).metadata) for key in graph.get_all_asset_keys()
    }
    spec_there = made.get(name)
    if spec_there is None or which != "table":
        raise UnknownName("table", name, [*door.catalog.datasets, *(each for each, spec in made.items() if spec)])
    schema = graph.get(dg.AssetKey.from_user_string(name)).metadata.get("dagster/column_schema")
    columns = schema.columns if isinstance(schema, dg.TableSchema) else ()
    return Named(name, spec_there, frozenset(each.name for each in columns if each.tags.get("pii")))


def operations(door: Door, name: str, which: Which) -> TableOperations:
    """What can be done to the table of that name."""
    return door.lake.operations(named(door, name, which).spec)


def read(door: Door, name: str, which: Which, wanted: Wanted, *, unmask: bool) -> RowsRead:
    """The first rows of a version of a table; personal data is masked.

    Raises:
        CommandError: Unmasking is asked for outside of development.
    """
    if unmask and door.settings.environment != "development":
        raise CommandError(
            f"--unmask: personal data is shown in development only, and this is {door.settings.environment}. "
            "Fix: leave --unmask out."
        )
    found, version, moment = named(door, name, which), wanted.version, wanted.at
    if moment is not None:
        version = door.lake.version_at(found.spec, moment)
    frame = door.lake.scan(
        found.spec, version=version, columns=wanted.columns or None, partitions=wanted.partitions or None
    )
    with door.lake.telling(found.spec):
        rows = frame.head(wanted.limit).collect()
    hidden = () if unmask else tuple(each for each in rows.columns if each in found.hidden)
    shown = rows.with_columns(pl.when(pl.col(each).is_not_null()).then(pl.lit(MASK)).alias(each) for each in hidden)
    return RowsRead(
        table=found.spec.path,
        version=version or door.lake.version(found.spec),
        at=moment,
        rows=tuple(shown.to_dicts()),
        masked=hidden,
    )


def register(door: Door, name: str) -> str:
    """The version of an Iceberg table that its catalogue knows from now on."""
    table = operations(door, name, "table")
    if not isinstance(table, IcebergOperations):
        raise UnsupportedOperation(
            table.spec.path, f"{table.spec.format} needs no catalogue", fix="read it: its log lies beside its rows"
        )
    return table.register()


def kept(door: Door, text: str) -> timedelta:
    """How long to keep, such as `7d` or `36h`, once no run that is working started earlier.

    Raises:
        CommandError: It is no such time, or a run has been working for longer.
    """
    match = _LENGTH.fullmatch(text.strip())
    if match is None:
        raise CommandError(f"--keep: {text!r} is no time. Fix: write days or hours, such as 7d or 36h.")
    keep = timedelta(**{"days" if match[2] == "d" else "hours": int(match[1])})
    with door.instance() as instance:
        reader = oldest_reader(instance)
    if reader is not None and reader[1] < datetime.now(UTC) - keep:
        raise CommandError(
            f"--keep: run {reader[0]} has been working since {reader[1]:%Y-%m-%d %H:%M} UTC, longer than {text}, and "
            "may still read what would be deleted. Fix: wait for its end, terminate it, or keep longer."
        )
    return keep


def one_of(version: str | None, at: str | None) -> datetime | None:
    """The instant that is meant, in UTC where it says no zone; None where there is none.

    Raises:
        CommandError: Both are given, or the instant is none.
    """
    if version is not None and at is not None:
        raise CommandError("--version and --at: both are given. Fix: leave one out.")
    if at is None:
        return None
    try:
        moment = datetime.fromisoformat(at)
    except ValueError as error:
        raise CommandError(f"--at: {at!r} is no instant. Fix: write it as 2024-05-31T12:00.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
