"""A micro-batch of a database's changes: judged like messages, then folded to rows to merge and keys to delete.

Each row remembers the position of its change in the database's history in the place of its message's offset, so that
the table itself says which changes are older than what it has.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from platform_assets.ingest.state import IngestState
from platform_assets.ingest.stored import as_declared
from platform_assets.ingest.tables import HASH, INGEST, SOURCE, table_spec
from platform_core.contracts import Changes, Dataset
from platform_core.ingest import row_hash
from platform_core.ingest.changes import PLACE, fold_changes, without_stale
from platform_core.ingest.versions import (
    AT,
    GONE,
    IS_CURRENT,
    IS_READ,
    VALID_FROM,
    VALID_TO,
    VERSION_COLUMNS,
    fold_versions,
    insert_versions,
)
from platform_core.quality.conform import conform_column
from platform_resources.brokers.base import Batch
from platform_resources.brokers.debezium import DecodedChanges, decode_changes
from platform_resources.brokers.decoding import Decoded

_AT = "@"


@dataclass(frozen=True)
class BatchChanges:
    """What a micro-batch does to keys besides the rows that it brings.

    Attributes:
        marks: For each change, its place; the epoch is 0 before a snapshot begins in the batch.
        deletes: Keys that went, typed, with their places.
        truncates: Places at which all rows went.
    """

    marks: pl.DataFrame
    deletes: pl.DataFrame
    truncates: pl.DataFrame = field(default_factory=pl.DataFrame)


def read_changes(dataset: Dataset, batch: Batch, *, times: str, extra: str) -> tuple[DecodedChanges, BatchChanges]:
    """Decode the messages of a batch as changes of the dataset's rows."""
    types = {name: column.dtype for column in dataset.columns if (name := column.name) not in _added(dataset)}
    key = row_key(dataset)
    decoded = decode_changes(batch, types, key=key, extra=extra, times=times)
    marks = decoded.marks.rename(
        {"offset": "_offset", "position": "_position", "epoch": "_epoch", "at": AT, "is_read": IS_READ}
    )
    deletes = decoded.deletes.rename({"offset": "_offset"})
    typed = deletes.with_columns(conform_column(deletes, dataset, name).alias(name) for name in key)
    typed = typed.join(marks, on="_offset", how="left", maintain_order="left")
    truncates = marks.filter(pl.col("_offset").is_in(list(decoded.truncates))).select(PLACE)
    if keeps_history(dataset):
        decoded = replace(decoded, decoded=_as_versions(decoded.decoded, marks))
    return decoded, BatchChanges(marks, typed, truncates)


def keeps_history(dataset: Dataset) -> bool:
    """Tell whether the dataset has a version of a row for each change."""
    return isinstance(dataset.source, Changes) and dataset.source.history


def row_key(dataset: Dataset) -> list[str]:
    """Name the columns that identify a row of the database."""
    return [name for name in dataset.key if name not in _added(dataset)]


def _added(dataset: Dataset) -> Sequence[str]:
    return VERSION_COLUMNS if keeps_history(dataset) else ()


def _as_versions(decoded: Decoded, marks: pl.DataFrame) -> Decoded:
    """Give the rows as versions that hold from their change on; of one without a time nobody knows when it held."""
    at = decoded.rows.select(decoded.offsets.alias("_offset")).join(
        marks, on="_offset", how="left", maintain_order="left"
    )[AT]
    texts = at.dt.to_string("iso:strict")
    rows = decoded.rows.with_columns(
        texts.alias(VALID_FROM), pl.lit(None, pl.String).alias(VALID_TO), pl.lit("true").alias(IS_CURRENT)
    )
    untimed = dict.fromkeys(
        decoded.offsets.filter(at.is_null()), "it does not say when it was committed (source.ts_ms)"
    )
    is_timed = at.is_not_null()
    return replace(
        decoded,
        rows=rows.filter(is_timed),
        offsets=decoded.offsets.filter(is_timed),
        poison={**decoded.poison, **untimed},
    )


def with_positions(rows: pl.DataFrame, changes: BatchChanges) -> pl.DataFrame:
    """Put the position of its change before the offset in each row's ingest id."""
    if INGEST not in rows.columns:
        return rows
    positions = changes.marks.select(pl.col("_offset").cast(pl.String).alias(INGEST), "_position")
    joined = rows.join(positions, on=INGEST, how="left", maintain_order="left")
    return joined.with_columns((pl.col("_position") + _AT + pl.col(INGEST)).alias(INGEST)).drop("_position")


@dataclass(frozen=True)
class FoldedChanges:
    """What is done to the table: rows to merge, keys to delete, and of both the rows that give way."""

    written: pl.DataFrame
    deleted_keys: pl.DataFrame
    given_way: pl.DataFrame


def fold_batch(state: IngestState, valid: pl.DataFrame, changes: BatchChanges) -> FoldedChanges:
    """Decide what the changes come to, beside what the table has; of its rows only keys and places are read."""
    key = list(state.dataset.key)
    parts = pl.col(INGEST).str.split_exact(_AT, 1)
    placed = valid.with_columns(parts.struct[1].cast(pl.Int64).alias("_offset")).join(
        changes.marks, on="_offset", how="left", maintain_order="left"
    )
    standing, deletions = fold_changes(placed, changes.deletes, changes.truncates, key=key)
    stored = _stored(
        state, None if changes.truncates.height else pl.concat([standing.select(key), deletions.select(key)])
    )
    written = without_stale(standing, stored, key=key).select(valid.columns)
    fresh = without_stale(deletions, stored, key=key).select(key)
    deleted = stored.join(fresh, on=key, how="semi")
    if changes.truncates.height:
        epoch, position, _ = changes.truncates.sort(PLACE).select(PLACE).row(-1)
        deleted = stored if epoch else stored.filter(pl.col("_position") <= position)
    deleted = deleted.join(written.select(key), on=key, how="anti")
    given_way = pl.concat([stored.join(written.select(key), on=key, how="semi"), deleted])
    return FoldedChanges(written, deleted.select(key), given_way)


def fold_history(state: IngestState, valid: pl.DataFrame, changes: BatchChanges) -> FoldedChanges:
    """Decide which versions the changes begin and end; of the table only versions of their keys are read."""
    dataset, spec = state.dataset, table_spec(state.dataset)
    key = row_key(dataset)
    names = [column.name for column in dataset.columns]
    rows = _events(valid, changes)
    deletions = changes.deletes.select(*key, *PLACE, AT).with_columns(pl.lit(True).alias(GONE))  # noqa: FBT003 - a value
    stored = _versions(
        state, valid, None if changes.truncates.height else pl.concat([rows.select(key), deletions.select(key)])
    )
    deletions = pl.concat([deletions, _truncated(changes, pl.concat([rows.select(key), stored.select(key)]).unique())])
    place = pl.col("_position") + _AT + pl.col("_offset").cast(pl.String)
    events = pl.concat([rows, deletions.with_columns(place.alias(INGEST))], how="diagonal_relaxed")
    content = [name for name in names if name not in VERSION_COLUMNS]
    versions = fold_versions(events, stored, key=key, content=content)
    versions = versions.with_columns(row_hash(names).alias(HASH)).select(valid.columns)
    if dataset.partitions:
        versions = versions.with_columns(dataset.partitions.key()).select(valid.columns)
    column = [spec.partition_column] if spec.partition_column else []
    rewritten = stored.join(versions, on=[*key, VALID_FROM], how="semi").select(*dataset.key, SOURCE, *column)
    return FoldedChanges(versions, stored.clear().select(dataset.key), rewritten)


def insert_late(state: IngestState, valid: pl.DataFrame) -> pl.DataFrame:
    """Place changes that waited in quarantine among the versions that the table has of their keys."""
    key, names = row_key(state.dataset), [column.name for column in state.dataset.columns]
    stored = _versions(state, valid, valid.select(key)).select(valid.columns)
    return insert_versions(valid, stored, key=key).with_columns(row_hash(names).alias(HASH))


def _events(valid: pl.DataFrame, changes: BatchChanges) -> pl.DataFrame:
    offset = pl.col(INGEST).str.split_exact(_AT, 1).struct[1].cast(pl.Int64).alias("_offset")
    placed = valid.with_columns(offset).join(changes.marks, on="_offset", how="left", maintain_order="left")
    return placed.with_columns(pl.lit(False).alias(GONE))  # noqa: FBT003 - a value of the column


def _truncated(changes: BatchChanges, keys: pl.DataFrame) -> pl.DataFrame:
    """Return a deletion of every key at each truncate."""
    places = changes.truncates.join(changes.marks, on=list(PLACE), how="left").select(*PLACE, AT)
    return keys.join(places, how="cross").with_columns(pl.lit(True).alias(GONE))  # noqa: FBT003 - a value of the column


def _versions(state: IngestState, valid: pl.DataFrame, keys: pl.DataFrame | None) -> pl.DataFrame:
    """Read the versions that the table has of some keys, with their positions; None for those of all that stand."""
    dataset, spec = state.dataset, table_spec(state.dataset)
    if not state.lake.exists(spec):
        return valid.clear().with_columns(_position=pl.lit("")).clear()
    beside = [name for name in valid.columns if name not in {column.name for column in dataset.columns}]
    rows = as_declared(state.lake.scan(spec), dataset, beside=beside).select(valid.columns)
    if keys is not None:
        rows = rows.join(keys.unique().lazy(), on=keys.columns, how="semi")
    return rows.with_columns(pl.col(INGEST).str.split(_AT).list.first().alias("_position")).collect()


def _stored(state: IngestState, keys: pl.DataFrame | None) -> pl.DataFrame:
    """Read key, source, partition and position of the table's rows under some keys; None for all."""
    dataset, spec = state.dataset, table_spec(state.dataset)
    column = [spec.partition_column] if spec.partition_column else []
    names = [*dataset.key, SOURCE, INGEST, *column]
    if not state.lake.exists(spec):
        types = {declared.name: declared.dtype for declared in dataset.columns}
        schema = {name: types.get(name, pl.String()) for name in names}
        return pl.DataFrame(schema=schema).with_columns(_position=pl.lit("")).drop(INGEST)
    rows = as_declared(state.lake.scan(spec), dataset, beside=[SOURCE, INGEST, *column]).select(names)
    if keys is not None:
        rows = rows.join(keys.lazy(), on=list(dataset.key), how="semi")
    position = pl.col(INGEST).str.split(_AT).list.first().alias("_position")
    return rows.with_columns(position).drop(INGEST).collect()
