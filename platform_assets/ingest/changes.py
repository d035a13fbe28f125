"""A micro-batch of a database's changes: judged like messages, then folded to rows to merge and keys to delete.

Each row remembers the position of its change in the database's history in the place of its message's offset, so that
the table itself says which changes are older than what it has.
"""

from dataclasses import dataclass, field

import polars as pl

from platform_assets.ingest.state import IngestState
from platform_assets.ingest.stored import as_declared
from platform_assets.ingest.tables import INGEST, SOURCE, table_spec
from platform_core.contracts import Dataset
from platform_core.ingest.changes import PLACE, fold_changes, without_stale
from platform_core.quality.conform import conform_column
from platform_resources.brokers.base import Batch
from platform_resources.brokers.debezium import DecodedChanges, decode_changes

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
    types = {column.name: column.dtype for column in dataset.columns}
    decoded = decode_changes(batch, types, key=dataset.key, extra=extra, times=times)
    marks = decoded.marks.rename({"offset": "_offset", "position": "_position", "epoch": "_epoch"})
    deletes = decoded.deletes.rename({"offset": "_offset"})
    typed = deletes.with_columns(conform_column(deletes, dataset, name).alias(name) for name in dataset.key)
    typed = typed.join(marks, on="_offset", how="left", maintain_order="left")
    truncates = marks.filter(pl.col("_offset").is_in(list(decoded.truncates))).select(PLACE)
    return decoded, BatchChanges(marks, typed, truncates)


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
    standing, gone = fold_changes(placed, changes.deletes, changes.truncates, key=key)
    stored = _stored(state, None if changes.truncates.height else pl.concat([standing.select(key), gone.select(key)]))
    written = without_stale(standing, stored, key=key).select(valid.columns)
    fresh = without_stale(gone, stored, key=key).select(key)
    deleted = stored.join(fresh, on=key, how="semi")
    if changes.truncates.height:
        epoch, position, _ = changes.truncates.sort(PLACE).select(PLACE).row(-1)
        deleted = stored if epoch else stored.filter(pl.col("_position") <= position)
    deleted = deleted.join(written.select(key), on=key, how="anti")
    given_way = pl.concat([stored.join(written.select(key), on=key, how="semi"), deleted])
    return FoldedChanges(written, deleted.select(key), given_way)


def _stored(state: IngestState, keys: pl.DataFrame | None) -> pl.DataFrame:
    """Read key, source, partition and position of the table's rows under some keys; None for all."""
    dataset, spec = state.dataset, table_spec(state.dataset)
    column = [spec.partition_column] if spec.partition_column else []
    names = [*dataset.key, SOURCE, INGEST, *column]
    if not state.lake.exists(spec):
        types = {each.name: each.dtype for each in dataset.columns}
        schema = {name: types.get(name, pl.String()) for name in names}
        return pl.DataFrame(schema=schema).with_columns(_position=pl.lit("")).drop(INGEST)
    rows = as_declared(state.lake.scan(spec), dataset, beside=[SOURCE, INGEST, *column]).select(names)
    if keys is not None:
        rows = rows.join(keys.lazy(), on=list(dataset.key), how="semi")
    position = pl.col(INGEST).str.split(_AT).list.first().alias("_position")
    return rows.with_columns(position).drop(INGEST).collect()
