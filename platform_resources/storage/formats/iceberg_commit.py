"""One commit on one snapshot of an Iceberg table: columns, files taken out, rows put in, all or nothing.

pyiceberg would by itself carry a commit over to a table that moved; then a repeated append is there twice. So its
retries are off, and whoever lost decides anew (`conflicts.retried`).
"""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from platform_resources.storage.folder import Folder
from platform_resources.storage.formats.iceberg_frames import iceberg_schema, logical_schema, write_files
from platform_resources.storage.table import Commit
from platform_resources.storage.transactions import WriteGuard
from platform_resources.vendor.pyiceberg_internals import overwriting, set_current_schema

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table, Transaction

TRANSACTION = "platform.transaction"
SAID = "platform.said."
OPERATION = "platform.operation"
POSITION = "platform.position."
"""Begins the table property that holds the position of a stream."""
FORGOTTEN = "platform.transactions"
"""A table property: digests of the transactions whose snapshots were expired."""
PROPERTIES = {
    "commit.retry.num-retries": "0",
    "commit.manifest-merge.enabled": "true",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "100",
    "write.parquet.compression-codec": "zstd",
}
"""Of every table that is made here; other writers heed them too."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What one commit does.

    Attributes:
        remove: data files of the snapshot that go.
        add: logical rows that come, in frames of bounded size.
        files: data files that come back as they are.
        schema: the columns as they will be, where they change.
        schema_id: an earlier schema that becomes the current one again.
        said: words for the snapshot's summary.
        properties: of the table, as they will be; they are set in the same commit.
    """

    remove: Sequence["DataFile"] = ()
    add: Iterable[pl.DataFrame] = ()
    files: Sequence["DataFile"] = ()
    schema: pl.Schema | None = None
    schema_id: int | None = None
    said: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)


def commit(transaction: "Transaction", folder: Folder, change: Change) -> list["DataFile"]:
    """Return the new data files, once the catalogue names the snapshot that holds them."""
    if change.schema is not None:
        change_schema(transaction, change.schema)
    if change.schema_id is not None:
        set_current_schema(transaction, change.schema_id)
    if change.properties:
        transaction.set_properties(dict(change.properties))
    metadata = transaction.table_metadata
    added = list["DataFile"]()
    with discarding(folder, added):
        for frame in change.add:
            added += write_files(metadata, folder, frame)
        appending = transaction.update_snapshot(snapshot_properties=dict(change.said)).merge_append
        with overwriting(transaction, change.said) if change.remove else appending() as snapshot:
            for each in change.remove:
                snapshot.delete_data_file(each)
            for file in [*added, *change.files]:
                snapshot.append_data_file(file)
        transaction.commit_transaction()
    return [*added, *change.files]


@contextlib.contextmanager
def discarding(folder: Folder, files: Sequence["DataFile"]) -> Iterator[None]:
    """Delete the files where the commit has lost for certain; otherwise a vacuum does, if no snapshot names them.

    After any other error, such as a connection that broke, the commit may have arrived and the table may need them.
    """
    from pyiceberg.exceptions import CommitFailedException, TableAlreadyExistsError, ValidationException

    try:
        yield
    except (CommitFailedException, TableAlreadyExistsError, ValidationException):
        root = folder.uri("")
        for file in files:
            with contextlib.suppress(OSError):
                folder.remove(file.file_path.removeprefix(root).lstrip("/"))
        raise


def change_schema(transaction: "Transaction", new_schema: pl.Schema) -> None:
    """Give the transaction's table exactly these columns; one of another type is a new column."""
    schema = logical_schema(transaction.table_metadata.schema())
    dropped = [name for name, kind in schema.items() if new_schema.get(name) != kind]
    new = [name for name, kind in new_schema.items() if schema.get(name) != kind]
    if dropped:
        with transaction.update_schema(allow_incompatible_changes=True) as update:
            for name in dropped:
                update.delete_column((name,))
    if new:
        fields = iceberg_schema(pl.Schema({name: new_schema[name] for name in new}))
        with transaction.update_schema() as update:
            for each in fields.fields:
                update.add_column((each.name,), each.field_type, doc=each.doc)
    if [each.name for each in transaction.table_metadata.schema().fields] != list(new_schema):
        with transaction.update_schema() as update:
            for name in reversed(new_schema):
                update.move_first((name,))


def summary_of(guard: WriteGuard, words: Mapping[str, str] | None) -> dict[str, str]:
    """Return what a write keeps in its snapshot's summary."""
    summary = {f"{SAID}{name}": value for name, value in (words or {}).items()}
    return {TRANSACTION: guard.transaction, **summary} if isinstance(guard.transaction, str) else summary


def properties_of(guard: WriteGuard) -> dict[str, str]:
    """Return the table properties that a write sets: the position of its stream, and its note, where it has them."""
    numbers = {} if guard.sequence is None else {f"{POSITION}{guard.app_id}": str(guard.sequence)}
    return numbers if guard.note is None else {**numbers, f"{POSITION}{guard.note[0]}": str(guard.note[1])}


def position_of(table: "Table", app_id: str) -> int | None:
    """Return the position of a stream, or None where it wrote nothing."""
    value = table.properties.get(f"{POSITION}{app_id}")
    return None if value is None else int(value)


def known_number(table: "Table", guard: WriteGuard) -> int | None:
    """Return the number that the table remembers of a write's transaction; 1 for one that has only a name."""
    if guard.transaction is None:
        return None
    if isinstance(guard.transaction, str):
        return 1 if knows(table, guard.transaction) else None
    return position_of(table, guard.transaction[0])


def knows(table: "Table", transaction: str) -> bool:
    """Return whether a snapshot, expired or not, came by this transaction."""
    if any(transaction_of(snapshot.summary) == transaction for snapshot in table.snapshots()):
        return True
    return digest_of(transaction) in remembered(table)


def remembered(table: "Table") -> list[str]:
    """Return the digests of the transactions whose snapshots were expired."""
    forgotten: list[str] = json.loads(table.properties.get(FORGOTTEN, "[]"))
    return forgotten


def transaction_of(summary: object) -> str | None:
    """Return the transaction of a snapshot, or None."""
    transaction_id = getattr(summary, "additional_properties", {}).get(TRANSACTION)
    return None if transaction_id is None else str(transaction_id)


def digest_of(transaction: str) -> str:
    """Return what a table remembers of a transaction for good."""
    return hashlib.sha256(transaction.encode()).hexdigest()[:16]


def table_parts(schema: "Schema", partition_column: str | None, sort_by: Sequence[str]) -> dict[str, object]:
    """Return the partition spec and the sort order of a new table, as arguments of its creation."""
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.table.sorting import SortField, SortOrder
    from pyiceberg.transforms import IdentityTransform

    parts: dict[str, object] = {}
    if partition_column:
        source = schema.find_field(partition_column).field_id
        only = PartitionField(source_id=source, field_id=1000, transform=IdentityTransform(), name=partition_column)
        parts["partition_spec"] = PartitionSpec(only)
    if sort_by:
        keys = (SortField(schema.find_field(name).field_id, transform=IdentityTransform()) for name in sort_by)
        parts["sort_order"] = SortOrder(*keys)
    return parts


def version_of(table: "Table") -> str | None:
    """Return the id of the current snapshot; None where there is none yet."""
    snapshot = table.current_snapshot()
    return None if snapshot is None else str(snapshot.snapshot_id)


def rows_of(table: "Table") -> int | None:
    """Return how many rows the current snapshot says it has."""
    snapshot = table.current_snapshot()
    records = snapshot.summary.additional_properties.get("total-records") if snapshot and snapshot.summary else None
    return None if records is None else int(records)


def forget_snapshots(table: "Table", ids: set[int]) -> Commit:
    """Take the snapshots out of the metadata, and keep their transactions there as digests."""
    from pyiceberg.table.update.snapshot import ExpireSnapshots

    transactions = [transaction_of(snapshot.summary) for snapshot in table.snapshots() if snapshot.snapshot_id in ids]
    digests = [digest_of(name) for name in transactions if name is not None]
    transaction = table.transaction()
    if digests:
        transaction.set_properties({FORGOTTEN: json.dumps([*remembered(table), *digests])})
    ExpireSnapshots(transaction).by_ids(sorted(ids)).commit()
    transaction.commit_transaction()
    return Commit(version=None)
