"""Incidents: what each dataset's partitions look like, judged against their own past and walked up the lineage."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from platform_assets.ingest import table_spec
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.location import CodeLocation
from platform_assets.operations.errors import RequestError
from platform_assets.operations.lineage import location_lineage
from platform_core.contracts import Dataset, rules_of
from platform_core.contracts.partitions import Partitions
from platform_core.errors import ShapeError
from platform_core.lineage import Lineage
from platform_core.quality import conform
from platform_core.quality.envelope import payloads
from platform_core.quality.fingerprints import fingerprint
from platform_core.quality.incidents import History, Incident, find_incidents
from platform_resources.storage import Lake, TableSpec

MARKS: dict[str, pl.DataType | type[pl.DataType]] = {
    "marked_at": pl.Datetime("us", "UTC"),
    "first": pl.String,
    "last": pl.String,
    "reason": pl.String,
    "is_left_out": pl.Boolean,
}
"""One row a mark: the periods from `first` to `last`, both closed, are left out, or count again."""


@dataclass(frozen=True)
class LineageGraph:
    """The lineage as incidents ask for it."""

    lineage: Lineage

    def upstream(self, name: str) -> Mapping[str, int]:
        """Return what a dataset is made of or looks into, by name."""
        return self.lineage.upstream(name)

    def column_upstream(self, name: str, column: str) -> Mapping[tuple[str, str], int]:
        """Return the columns that reach a column."""
        return self.lineage.column_upstream(name, column)

    def is_readable(self, name: str) -> bool:
        """Return whether the origin of a dataset's columns is known."""
        return name not in {unknown.name for unknown in self.lineage.unknown}


class UnknownPeriod(RequestError):
    """A period that is none of the dataset's."""

    def __init__(self, dataset: str, period: str, known: Sequence[str]) -> None:
        super().__init__(
            f"{dataset}: {period!r} is none of its periods. Fix: use one of {', '.join(known[-6:]) or 'none yet'}."
        )


def incidents_of(location: CodeLocation, name: str | None, now: datetime, *, last: int = 3) -> list[Incident]:
    """Find the incidents of the newest partitions.

    Args:
        location: The datasets and their lake.
        name: Only incidents that concern this dataset: that began there, or reach it; all without.
        now: Partitions that have not ended by then are not judged.
        last: How many of the newest partitions of each dataset are judged.
    """
    lineage = location_lineage(location)
    tables = {name: dataset for name, dataset in location.catalog.datasets.items()
              if location.lake.exists(table_spec(dataset))}  # fmt: skip
    if name is not None:
        near = {name, *lineage.upstream(name), *lineage.downstream(name)}
        tables = {table_name: dataset for table_name, dataset in tables.items() if table_name in near}
    histories = [history_of(location.lake, dataset, now, last=last) for dataset in tables.values()]
    incidents = find_incidents(histories, LineageGraph(lineage))
    return [incident for incident in incidents if name is None or name == incident.dataset or name in incident.reaches]


_PERIODS = 36
"""So many partitions, or versions, are measured at most."""


def history_of(lake: Lake, dataset: Dataset, now: datetime, *, last: int) -> History:
    """Measure the newest partitions of a dataset, or versions of a table without; refused rows count as arrived."""
    parts = dataset.partitions if isinstance(dataset.partitions, Partitions) else None  # a category is no period
    frames = list(_partitions(lake, dataset, parts) if parts else _versions(lake, dataset))
    periods = [period for period, *_ in frames]
    ended = [period for period in periods if parts is None or parts.ends_at(period) <= now]
    measured = [
        fingerprint(dataset, rows, period, refused=refused, by_rule=by_rule)
        for period, rows, refused, by_rule in frames
    ]
    return History(
        name=dataset.name,
        frame=pl.concat(measured) if measured else fingerprint(dataset, dataset_frame(dataset), "").clear(),
        judged=tuple(ended[-(last if parts else 1) :]),
        partition_column=parts.on if parts else None,
        key=dataset.key,
        rule_columns={rule.id: rule.columns for rule in rules_of(dataset)},
        is_whole=parts is None,
        marked=marked_periods(lake, dataset, periods),
    )


def dataset_frame(dataset: Dataset) -> pl.DataFrame:
    """Return a frame without rows."""
    return pl.DataFrame(schema={column.name: column.dtype for column in dataset.columns})


Arrived = tuple[str, pl.DataFrame, int | None, Mapping[str, int]]
"""A period, the rows that arrived, how many of them were refused (None where none can be), and by which rules."""


def _partitions(lake: Lake, dataset: Dataset, parts: Partitions) -> Iterator[Arrived]:
    spec, stored = table_spec(dataset), parts.column
    names = [column.name for column in dataset.columns]
    refused = _refused(lake, dataset, parts)
    keys = {key for key in lake.read(spec, columns=[stored])[stored].unique() if key is not None}
    keys |= set(refused[stored].drop_nulls())
    for key in sorted(keys)[-_PERIODS:]:
        rows = lake.read(spec, partitions=[key], columns=names)
        beside = refused.filter(pl.col(stored) == key)
        by_rule = Counter(rule for rules in beside[_RULES] for rule in rules)
        yield key, pl.concat([rows, beside.select(names)]), beside.height if dataset.quarantine else None, by_rule


def _versions(lake: Lake, dataset: Dataset) -> Iterator[Arrived]:
    spec = table_spec(dataset)
    names = [column.name for column in dataset.columns]
    versions = list(reversed(lake.operations(spec).history()))[-_PERIODS:]
    for version in versions:
        rows = lake.read(spec, version=version.version, columns=names)
        if rows.height:
            yield f"version {version.version}", rows, None, {}


_RULES = "_rules"


def _refused(lake: Lake, dataset: Dataset, parts: Partitions) -> pl.DataFrame:
    """Return the rows in open envelopes as the contract types them, with their rules; what is no row is left out."""
    empty = dataset_frame(dataset)
    none = empty.with_columns(parts.key(), pl.lit(None, pl.List(pl.String)).alias(_RULES))
    if dataset.quarantine is None:
        return none
    envelopes = QuarantineStore(lake, dataset).envelopes(decision="open").filter(pl.col("payload").is_not_null())
    try:
        rows = conform(payloads(envelopes, list(empty.columns)), dataset).frame
    except ShapeError:
        return none
    own = rows.select(empty.columns).with_columns(parts.key(), envelopes["rules"].alias(_RULES))
    # A row whose time cannot be read belongs where most rows of its file lie.
    beside = pl.concat([_ingests(lake, dataset, parts.column), own.select(envelopes["ingest_id"], parts.column)])
    usual = beside.drop_nulls().group_by("ingest_id").agg(pl.col(parts.column).mode().first().alias("usual"))
    guessed = pl.DataFrame(envelopes["ingest_id"]).join(usual, on="ingest_id", how="left", maintain_order="left")
    return own.with_columns(pl.col(parts.column).fill_null(guessed["usual"]))


def _ingests(lake: Lake, dataset: Dataset, column: str) -> pl.DataFrame:
    """Return which ingest brought the stored rows of which partition."""
    stored = lake.read(table_spec(dataset), columns=["_ingest_id", column])
    return stored.select(pl.col("_ingest_id").cast(pl.String).alias("ingest_id"), column)


def marks_spec(dataset: Dataset) -> TableSpec:
    """Return the spec of the dataset's marks; they are only ever added to."""
    return TableSpec(path=f"{dataset.name}/v{dataset.major}__marks", mode="append")


def read_marks(lake: Lake, dataset: Dataset) -> pl.DataFrame:
    """Read the marks of a dataset, oldest first."""
    spec = marks_spec(dataset)
    return lake.read(spec).sort("marked_at", maintain_order=True) if lake.exists(spec) else pl.DataFrame(schema=MARKS)


def marked_periods(lake: Lake, dataset: Dataset, periods: Sequence[str]) -> frozenset[str]:
    """Return which of the periods people left out."""
    marked: set[str] = set()
    for mark in read_marks(lake, dataset).iter_rows(named=True):
        within = {period for period in periods if mark["first"] <= period <= mark["last"]}
        marked = marked | within if mark["is_left_out"] else marked - within
    return frozenset(marked)


def mark_periods(
    lake: Lake, dataset: Dataset, first: str, *, last: str | None, reason: str, at: datetime, left_out: bool = True
) -> None:
    """Leave the periods from `first` to `last`, both closed, out of what is judged and learned, or count them again.

    Raises:
        UnknownPeriod: `first` is no period of the dataset, or `last` lies before it.
    """
    parts = dataset.partitions if isinstance(dataset.partitions, Partitions) else None
    for period in (first, last or first):
        try:
            if parts is not None:
                parts.begins_at(period)
        except ValueError as error:
            raise UnknownPeriod(dataset.name, period, [parts.start if parts else ""]) from error
    row = {"marked_at": at, "first": first, "last": last or first, "reason": reason, "is_left_out": left_out}
    lake.write(marks_spec(dataset), pl.DataFrame([row], schema=MARKS))
