"""Between Polars and Delta: columns in types that Delta has, predicates in its SQL, and how a commit is made.

A column whose own type Delta lacks carries that type in its field metadata, and is read back in it.
"""

# ruff: noqa: PLC0415 - deltalake is imported by the steps that use it

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from platform_resources.errors import UnreadableTable
from platform_resources.storage import columns
from platform_resources.storage.table import Rows
from platform_resources.vendor.deltalake_internals import storage_options_of

if TYPE_CHECKING:
    from arro3.core import RecordBatchReader
    from deltalake import CommitProperties, DeltaTable

_DTYPE = "platform.dtype"
_COLUMN_MAPPING = 2  # a reader version that stands for this feature alone
_READABLE = {"timestampNtz", "deletionVectors", "variantType"}
_BATCH_ROWS = 1 << 17
_GROUP_ROWS = 1 << 17
"""Rows that delta-rs holds for each partition of a large write: of its own million, twelve partitions took 1.2 GB."""
_DICTIONARY_BYTES = 1 << 16
"""Where a column has more distinct values in a group, a dictionary costs a third of the write and gains nothing."""


def scanned(table: "DeltaTable") -> pl.LazyFrame:
    """Return the rows as stored; Polars takes the table's own options, but a number where delta-rs has text."""
    refuse_features(table.table_uri, table)
    retries = storage_options_of(table).get("max_retries")
    return pl.scan_delta(table, storage_options={"max_retries": int(retries)} if retries else None)


def refuse_features(name: str, table: "DeltaTable") -> None:
    """Refuse a table that another engine wrote with what Polars cannot read; raises UnreadableTable."""
    protocol = table.protocol()
    features = protocol.reader_features or []
    if protocol.min_reader_version == _COLUMN_MAPPING:
        features = ["columnMapping"]
    if unreadable := sorted(set(features) - _READABLE):
        raise UnreadableTable(name, ", ".join(unreadable))


def restored(table: "DeltaTable") -> pl.LazyFrame:
    """Return the table's rows in their own types; a filter or projection still reaches the files."""
    frame = scanned(table)
    marks = {field.name: field.metadata.get(_DTYPE) for field in table.schema().fields}
    own = {name: columns.decode(json.loads(mark)) for name, mark in marks.items() if mark}
    return frame.cast(own) if own else frame  # type: ignore[arg-type]  # a dict of names is accepted


def stored(frame: pl.DataFrame) -> "pl.DataFrame | RecordBatchReader":
    """Return the frame in the types Delta has, each column marked with its own type where they differ.

    Polars hands it over as one batch, and it stays that: delta-rs shuffles the rows of several. A reader can be read
    once.
    """
    from arro3.core import RecordBatchReader, Schema

    marks = columns.marks(frame.schema)
    if not marks:
        return frame
    reader = RecordBatchReader.from_arrow(columns.cast(frame, {n: columns.physical(frame.schema[n]) for n in marks}))
    fields = [reader.schema.field(name) for name in reader.schema.names]
    schema = Schema(
        [field.with_metadata({_DTYPE: marks[field.name]}) if field.name in marks else field for field in fields]
    )
    return RecordBatchReader.from_batches(schema, (batch.with_schema(schema) for batch in reader))


def streamed(frames: Iterator[pl.DataFrame], schema: pl.Schema) -> "RecordBatchReader":
    """Return a reader, to be read once, of many frames of one schema, in the types Delta has."""
    from arro3.core import RecordBatchReader

    def reader(frame: pl.DataFrame) -> RecordBatchReader:
        return RecordBatchReader.from_arrow(stored(frame))

    parts = (part for frame in frames for part in frame.iter_slices(_BATCH_ROWS))
    return RecordBatchReader.from_batches(
        reader(pl.DataFrame(schema=schema)).schema, (batch for part in parts for batch in reader(part))
    )


def writing(rows: Rows) -> dict[str, Any]:
    """Return how files are written, as arguments of delta-rs; none for rows in memory."""
    from deltalake import WriterProperties

    spooled = WriterProperties(
        max_row_group_size=_GROUP_ROWS, dictionary_page_size_limit=_DICTIONARY_BYTES, compression="SNAPPY"
    )
    return {} if rows.spool is None else {"writer_properties": spooled}


def schema_mode(table: "DeltaTable", frame: pl.DataFrame) -> Literal["merge"] | None:
    """Return "merge" when the frame brings columns that the table does not have yet."""
    stored_names = {field.name for field in table.schema().fields}
    return None if stored_names.issuperset(frame.columns) else "merge"


def within(column: str, partitions: Sequence[str], *, alias: str = "") -> str:
    """Return the predicate that names partitions as literals, which keeps disjoint writers from conflicting."""
    if not partitions:
        return "false"
    literals = ", ".join("'" + partition.replace("'", "''") + "'" for partition in partitions)
    return f"{alias}{quoted(column)} IN ({literals})"


def quoted(name: str) -> str:
    """Return a column's name as an SQL identifier; quotes in it are doubled."""
    return '"' + name.replace('"', '""') + '"'


def properties(rows: Rows, table: "DeltaTable | None", *, retries: int | None = None) -> "CommitProperties":
    """Return what goes into the commit: words, and its transaction, by a number above the last one.

    Args:
        rows: the write.
        table: the snapshot that it is committed on; None for a new table.
        retries: how often delta-rs may move the commit past others by itself; None for its default.
    """
    from deltalake import CommitProperties, Transaction

    transactions, app_id, sequence = [], rows.guard.app_id, rows.guard.sequence
    if app_id is not None and sequence is None:
        last = table.transaction_version(app_id) if table is not None else None
        sequence = (last or 0) + 1
    if app_id is not None and sequence is not None:
        transactions = [Transaction(app_id, sequence)]
    if rows.guard.note is not None:
        transactions.append(Transaction(*rows.guard.note))
    return CommitProperties(
        custom_metadata=dict(rows.commit_metadata or {}),
        app_transactions=transactions,
        max_commit_retries=0 if rows.guard.is_exact else retries,
    )
