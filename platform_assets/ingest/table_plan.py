"""What a run's valid rows change in the table: decided on the rows of its keys alone, before anything is written."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from platform_assets.ingest.changes import BatchChanges, fold_batch, fold_history, keeps_history
from platform_assets.ingest.large import RowFiles
from platform_assets.ingest.state import IngestState
from platform_assets.ingest.stored import as_declared
from platform_assets.ingest.superseded import SupersededRows
from platform_assets.ingest.tables import HASH, INGEST, INGESTED_AT, SOURCE, table_spec
from platform_core.contracts import Dataset, Partitions
from platform_core.ingest import plan_rows
from platform_resources.storage.batches import SpooledRows

_STORED = "\0stored"


@dataclass(frozen=True, kw_only=True)
class TablePlan:
    """The change of a table and of the rows that are kept beside it.

    Attributes:
        written: Rows to write; of a large input the first few.
        deleted: Keys of rows that go; None for none.
        rest: Of a large input all rows to write, in files or in pieces.
        partition_counts: Of a large input, how many rows lie in each partition.
        replaced: The sources whose rows go unless they are written again.
        overtaken: Valid rows that do not stand; they are kept aside first.
        dropped: Ids of rows kept aside that stand again, or that their source has no more; they go last.
        given_way: The source of each row of the table that gives way to one of the run's.
        restored: The source of each row that stands again.
        partitions: Those whose rows change, where this is known; a run may be about others.
        is_changed: Whether the table will be another.
    """

    written: pl.DataFrame
    deleted: pl.DataFrame | None = None
    rest: Callable[[], Iterator[pl.DataFrame] | SpooledRows] | None = None
    partition_counts: Mapping[str, int] = field(default_factory=dict)
    replaced: tuple[str, ...] = ()
    overtaken: pl.DataFrame = field(default_factory=pl.DataFrame)
    dropped: tuple[str, ...] = ()
    given_way: pl.Series = field(default_factory=lambda: pl.Series(dtype=pl.String))
    restored: pl.Series = field(default_factory=lambda: pl.Series(dtype=pl.String))
    partitions: frozenset[str] = frozenset()
    is_changed: bool = True

    @property
    def frames(self) -> pl.DataFrame | Iterator[pl.DataFrame] | SpooledRows:
        """All rows to write, in one piece, in many or in files."""
        return self.written if self.rest is None else self.rest()


def plan_large_table(
    state: IngestState, rows: RowFiles, first_rows: pl.DataFrame, *, source: str, arrivals: Mapping[str, int]
) -> tuple[TablePlan, int]:
    """Decide the same for one large input, and count its rows that are written.

    Of the table and of the rows kept aside only those are read whose keys meet.

    Args:
        state: The dataset's quarantine and log.
        rows: Its valid rows.
        first_rows: The first few of them.
        source: The input.
        arrivals: The place of its content in the order of arrival.
    """
    dataset, spec, key = state.dataset, table_spec(state.dataset), list(state.dataset.key)
    keys = rows.lazy().select(key)
    names = list(rows.schema)
    others, gone_keys, vanished = first_rows.clear(), first_rows.clear().select(key), frozenset[str]()
    if state.lake.exists(spec):
        stored = as_declared(state.lake.scan(spec), dataset, beside=names[len(dataset.columns) :])
        mine, theirs = stored.filter(pl.col(SOURCE) == source), stored.filter(pl.col(SOURCE) != source)
        if _any(theirs):
            others = theirs.join(keys, on=key, how="semi").select(names).collect(engine="streaming")
        if _any(mine):
            gone_keys = mine.join(keys, on=key, how="anti").select(key).collect(engine="streaming")
            column = dataset.partitions.column if dataset.partitions else SOURCE
            places = mine.select(column).unique().collect(engine="streaming")
            vanished = _partitions(dataset, places)
    superseded = SupersededRows(state.lake, dataset) if spec.replaces else None
    numbers = {source: number for source, (_, number) in state.logged.items()} | dict(arrivals)
    aside = first_rows.clear()
    may_give_way = dataset.newest_column is not None or _is_outrun(arrivals, numbers)
    if superseded is not None and superseded.exist() and (gone_keys.height or may_give_way):
        mine_keys = keys.collect(engine="streaming") if may_give_way else gone_keys
        aside = superseded.under(pl.concat([gone_keys, mine_keys]).unique(), besides=[source]).select(names)
    contested = pl.concat([others.select(key), aside.select(key)]).unique()
    met = (
        rows.lazy().join(contested.lazy(), on=key, how="semi").collect(engine="streaming")
        if contested.height
        else first_rows.clear()
    )
    plan = plan_rows(met, others, aside, key=key, arrivals=numbers, newest=dataset.newest_column)
    given_way = plan.overtaken.join(others, on=[SOURCE, *key], how="semi")
    counts = _partition_counts(dataset, rows)
    standing = rows.height - met.height + plan.written.filter(pl.col(SOURCE) == source).height

    def pieces() -> Iterator[pl.DataFrame]:
        yield from rows.without(contested)
        if plan.written.height:
            yield plan.written

    def everything() -> Iterator[pl.DataFrame] | SpooledRows:
        whole = None if contested.height else rows.spooled()
        return pieces() if whole is None else whole

    return TablePlan(
        written=first_rows,
        rest=everything,
        partition_counts=counts,
        replaced=(source,) if spec.replaces else (),
        overtaken=plan.overtaken,
        dropped=() if superseded is None else _dropped(state, superseded, plan.overtaken, plan.restored, [source]),
        given_way=given_way[SOURCE],
        restored=plan.restored[SOURCE],
        partitions=frozenset(counts) | vanished | _partitions(dataset, plan.written, given_way),
    ), standing  # fmt: skip


def _any(rows: pl.LazyFrame) -> bool:
    return bool(rows.select(SOURCE).head(1).collect().height)


def _partition_counts(dataset: Dataset, rows: RowFiles) -> dict[str, int]:
    if dataset.partitions is None:
        return {}
    counts = rows.lazy().group_by(dataset.partitions.column).agg(pl.len()).collect(engine="streaming")
    return dict(counts.sort(dataset.partitions.column).iter_rows())


def without_dropped_rows(state: IngestState, valid: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """Leave out rows that upkeep dropped by `keep`, so that a revision of their file does not bring them back.

    Those are rows of a source that was taken in before, in a partition that retention is over for and that the table
    has no row of. A file that comes for the first time is taken in whole, whatever its age.

    Args:
        state: The dataset's quarantine and log.
        valid: The run's rows with provenance and partition.
        at: The instant of the run, in UTC.
    """
    dataset, spec = state.dataset, table_spec(state.dataset)
    partitions, keep = dataset.partitions, dataset.retention.keep if dataset.retention else None
    if keep is None or not isinstance(partitions, Partitions) or not state.lake.exists(spec):
        return valid
    column = partitions.column
    is_known = pl.col(SOURCE).is_in(list(state.logged))
    is_over = pl.col(column) < partitions.key_at(at - keep)
    over = valid.filter(is_known, is_over)[column].unique().to_list()
    if not over:
        return valid
    standing = state.lake.scan(spec, partitions=over).select(column).unique().collect()[column].to_list()
    return valid.filter(~(is_known & is_over) | pl.col(column).is_in(standing))


def plan_table(
    state: IngestState, valid: pl.DataFrame, *, replaced: Sequence[str], arrivals: Mapping[str, int]
) -> TablePlan:
    """Decide which of the run's rows are written, and what becomes of those that are there.

    Args:
        state: The dataset's quarantine and log.
        valid: The run's rows with provenance and partition, in the order of arrival of their sources.
        replaced: The sources that were read as a whole, so that these rows take the place of their earlier ones.
        arrivals: By source of the run, the place of its content in the order of arrival.
    """
    dataset, spec = state.dataset, table_spec(state.dataset)
    if spec.mode == "append" and dataset.source is not None and dataset.source.is_stream:
        return TablePlan(written=valid)
    if not dataset.key or spec.mode != "merge" or dataset.source is None:
        rows = dataset.newest_rows(valid)
        return TablePlan(written=rows)
    key = list(dataset.key)
    superseded = SupersededRows(state.lake, dataset) if spec.replaces else None
    mine = _rows_of(state, replaced) if replaced else _nothing(dataset, valid)
    gone_keys = mine.join(valid, on=key, how="anti").select(key)
    numbers = {source: number for source, (_, number) in state.logged.items()} | dict(arrivals)
    others = _others(state, valid, replaced)
    aside = valid.clear()
    may_give_way = dataset.newest_column is not None or _is_outrun(arrivals, numbers)
    if superseded is not None and (gone_keys.height or may_give_way) and superseded.exist():
        aside = superseded.under(pl.concat([gone_keys, valid.select(key)]).unique(), besides=replaced).select(
            valid.columns
        )
    plan = plan_rows(valid, others, aside, key=key, arrivals=numbers, newest=dataset.newest_column)
    same = [*key, HASH, SOURCE]
    changed, vanished = plan.written.join(mine, on=same, how="anti"), mine.join(plan.written, on=same, how="anti")
    given_way = plan.overtaken.join(others, on=[SOURCE, *key], how="semi")
    return TablePlan(
        written=plan.written,
        replaced=tuple(replaced) if spec.replaces else (),
        overtaken=plan.overtaken,
        dropped=() if superseded is None else _dropped(state, superseded, plan.overtaken, plan.restored, replaced),
        given_way=given_way[SOURCE],
        restored=plan.restored[SOURCE],
        partitions=_partitions(dataset, changed, vanished, given_way),
        is_changed=bool(changed.height or mine.join(plan.written, on=key, how="anti").height)
        or not state.lake.exists(spec),  # what lies below reads a table without rows, but not one that is not there
    )


def plan_messages(state: IngestState, valid: pl.DataFrame) -> TablePlan:
    """Decide the same for a micro-batch: where the table merges, the newest message of a key stands, else each.

    The table changes in any case, for it remembers the offset. Of its rows only keys and sources are read.
    """
    dataset, spec = state.dataset, table_spec(state.dataset)
    if spec.mode != "merge":
        return TablePlan(written=valid, partitions=_partitions(dataset, valid))
    newest = dataset.newest_column
    written = dataset.newest_rows(valid)
    names = [*dataset.key, SOURCE, *([spec.partition_column] if spec.partition_column else [])]
    names += [newest] if newest and newest not in names else []
    given_way = written.clear().select(names)
    if written.height and state.lake.exists(spec):
        partitions = written[spec.partition_column].unique().to_list() if spec.partition_from_key else None  # type: ignore[index]
        beside = [name for name in names if dataset.column(name) is None]
        rows = as_declared(state.lake.scan(spec, partitions=partitions), dataset, beside=beside).select(names)
        given_way = rows.join(written.lazy().select(dataset.key), on=list(dataset.key), how="semi").collect()
    if newest and given_way.height:
        stored = given_way.select(*dataset.key, pl.col(newest).alias(_STORED))
        met = written.join(stored, on=list(dataset.key), how="left", maintain_order="left")
        written = met.filter((pl.col(newest) >= pl.col(_STORED)).fill_null(value=True)).drop(_STORED)
        given_way = given_way.join(written, on=list(dataset.key), how="semi")
    return TablePlan(written=written, given_way=given_way[SOURCE], partitions=_partitions(dataset, written, given_way))


def plan_changes(state: IngestState, valid: pl.DataFrame, changes: BatchChanges) -> TablePlan:
    """Decide the same for a micro-batch of a database's changes, which delete rows as well."""
    folded = (fold_history if keeps_history(state.dataset) else fold_batch)(state, valid, changes)
    return TablePlan(
        written=folded.written,
        deleted=folded.deleted_keys if folded.deleted_keys.height else None,
        given_way=folded.given_way[SOURCE],
        partitions=_partitions(state.dataset, folded.written, folded.given_way),
    )


def _is_outrun(arrivals: Mapping[str, int], numbers: Mapping[str, int]) -> bool:
    """Whether another source may be newer than one of the run's."""
    others = [number for source, number in numbers.items() if source not in arrivals]
    return bool(arrivals) and bool(others) and min(arrivals.values()) < max(others)


def _rows_of(state: IngestState, sources: Sequence[str]) -> pl.DataFrame:
    """Read keys, hashes and partitions of the rows that some sources brought before."""
    dataset, spec = state.dataset, table_spec(state.dataset)
    names = [*dataset.key, HASH, SOURCE, *([spec.partition_column] if spec.partition_column else [])]
    if not state.lake.exists(spec):
        types = {column.name: column.dtype for column in dataset.columns}
        return pl.DataFrame(schema={name: types.get(name, pl.String()) for name in names})
    rows = as_declared(state.lake.scan(spec), dataset, beside=[name for name in names if name not in dataset.key])
    return rows.filter(pl.col(SOURCE).is_in(list(sources))).select(names).collect()


def _nothing(dataset: Dataset, valid: pl.DataFrame) -> pl.DataFrame:
    spec = table_spec(dataset)
    return valid.clear().select(*dataset.key, HASH, SOURCE, *([spec.partition_column] if spec.partition_column else []))


def _others(state: IngestState, valid: pl.DataFrame, replaced: Sequence[str]) -> pl.DataFrame:
    """Read the table's rows under the keys of the run's, except those of sources that are replaced."""
    dataset, spec = state.dataset, table_spec(state.dataset)
    if valid.is_empty() or not state.lake.exists(spec):
        return valid.clear()
    column = spec.partition_column
    partitions = valid[column].unique().to_list() if column and spec.partition_from_key else None
    beside = [SOURCE, INGEST, HASH, INGESTED_AT, *([column] if column else [])]
    rows = as_declared(state.lake.scan(spec, partitions=partitions), dataset, beside=beside)
    others = rows.filter(~pl.col(SOURCE).is_in(list(replaced)))
    return others.join(valid.lazy().select(dataset.key), on=list(dataset.key), how="semi").collect()


def _dropped(
    state: IngestState,
    superseded: SupersededRows,
    overtaken: pl.DataFrame,
    restored: pl.DataFrame,
    replaced: Sequence[str],
) -> tuple[str, ...]:
    """List the rows kept aside that are no longer to be: those that stand again, and what replaced sources had.

    After a run that died before the table had its rows, or before it took such rows away, all that stand in the table
    are among them.
    """
    if not superseded.exist():
        return ()
    stale = set(superseded.ids_of(replaced)) | set(superseded.identify(restored))
    if state.has_rows_twice and state.lake.exists(table_spec(state.dataset)):
        stale |= set(superseded.also_standing())
    return tuple(sorted(stale - set(superseded.identify(overtaken))))


def _partitions(dataset: Dataset, *frames: pl.DataFrame) -> frozenset[str]:
    if dataset.partitions is None:
        return frozenset()
    column = dataset.partitions.column
    return frozenset[str]().union(*(frame[column].unique().to_list() for frame in frames))
