"""Tables in Delta Lake, through delta-rs: every write is one commit, and two writers lose nothing.

Every commit is made on the DeltaTable object whose snapshot was read, because delta-rs detects a repeated transaction
id and a conflict only from the version that this object has seen.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from platform_resources.errors import TableDamaged, VersionNotFound
from platform_resources.storage import columns
from platform_resources.storage.caches import Cache
from platform_resources.storage.caches.snapshot import Snapshot, Source
from platform_resources.storage.conflicts import retried
from platform_resources.storage.folder import Folder, folder_at
from platform_resources.storage.formats.base import TableFormat
from platform_resources.storage.formats.delta_damage import damage, refuse_empty, refuse_empty_object
from platform_resources.storage.formats.delta_frames import (
    properties,
    refuse_features,
    restored,
    schema_mode,
    stored,
    streamed,
    within,
)
from platform_resources.storage.formats.delta_limits import (
    refuse_case,
    refuse_columnless,
    refuse_other_partitioning,
    refuse_unfit,
)
from platform_resources.storage.formats.delta_merge import DeltaMerge, SpooledDeltaMerge, change_rows
from platform_resources.storage.formats.delta_snapshot import last_commit, taken
from platform_resources.storage.table import Commit, Rows

if TYPE_CHECKING:
    from arro3.core import RecordBatchReader
    from deltalake import DeltaTable

_GROUP_ROWS = 1 << 17
"""Rows that delta-rs holds for each partition of a large write: of its own million, twelve partitions took 1.2 GB."""


class DeltaFormat(TableFormat):
    """A Delta table on disk or S3."""

    def exists(self) -> bool:
        """Returns whether the table has a log."""
        from deltalake import DeltaTable

        return DeltaTable.is_deltatable(self.location, self.options)

    def version(self) -> str | None:
        """Returns the number of the latest commit."""
        table = self.opened()
        return None if table is None else str(table.version())

    def position(self, app_id: str) -> int | None:
        """Return the number of a stream's last write; None where it wrote nothing."""
        table = self.opened()
        return None if table is None else table.transaction_version(app_id)

    def write(self, rows: Rows) -> Commit:
        """Returns the commit; on a conflict the write starts again from a fresh snapshot."""
        for frame in rows.frames():
            refuse_unfit(self.spec, frame)
        return self._retried(lambda table: self._write(table, rows))

    def update(self, column: str, values: Sequence[Any], changes: Mapping[str, Any]) -> Commit:
        """Returns the commit that set columns of some rows."""
        return self._retried(lambda table: self._update(table, column, values, changes))

    def delete(self, column: str, values: Sequence[Any]) -> Commit:
        """Returns the commit that removed some rows."""
        return self._retried(lambda table: self._update(table, column, values, None))

    def _retried(self, attempt: "Callable[[DeltaTable | None], Commit]") -> Commit:
        from deltalake.exceptions import DeltaError

        return retried(
            attempt,
            table=self.spec.path,
            snapshot=self.opened,
            version=lambda table: None if table is None else table.version(),
            errors=(DeltaError,),
        )

    def opened(self) -> "DeltaTable | None":
        """Returns the latest snapshot, or None; asking whether there is one first would cost S3 another listing."""
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        try:
            table = DeltaTable(self.location, storage_options=self.options)
        except TableNotFoundError:
            return None
        refuse_features(self.spec.path, table)
        if not self.location.startswith("s3://"):
            refuse_empty(self.spec, self._folder, table)
        return table

    def damage(self) -> TableDamaged | None:
        """Returns which file the latest version lacks, or None."""
        from deltalake.exceptions import DeltaError

        try:
            table = self.opened()
        except DeltaError:
            table = None
        return damage(self.spec, self._folder, table)

    @property
    def _folder(self) -> Folder:
        return folder_at(self.location, self.s3)

    @property
    def options(self) -> dict[str, str] | None:
        """The storage options of delta-rs; None on disk."""
        return self.s3.delta_options() if self.location.startswith("s3://") else None

    def _scan(self, partitions: Sequence[str] | None, version: str | int | None) -> pl.LazyFrame:
        table = self.opened()
        if table is None:
            raise self._not_found()
        if version is not None:
            self.travel(table, str(version))
        return self._only(restored(table), partitions)

    def _snapshot(self, cache: Cache, partitions: Sequence[str] | None) -> Source | None:
        column = str(self.spec.partition_column)
        found = self._latest(cache)
        if found is None or (partitions is not None and found.schema.get(column) != pl.String):
            return None
        version = found.version
        if partitions is not None:
            found = found.only(column, list(map(str, partitions)))
        return Source(found, lambda: self._scan(partitions, version))

    def _latest(self, cache: Cache) -> Snapshot | None:
        """Returns the latest snapshot: the one remembered, if its commit is still the last, or else as the log says."""
        known = cache.recall(self.location)
        last = last_commit(cache, self.location, known)
        if known is not None and last == (known.version, known.proof):
            return known
        if last is not None:
            refuse_empty_object(self.spec, self._folder, *last)
        table = self.opened()
        found = taken(table, self.location, last[1]) if table is not None and last is not None else None
        if found is not None and last_commit(cache, self.location, found) == last == (found.version, found.proof):
            cache.remember(self.location, found)  # the commit was the last before and after the log was read
        return found

    def travel(self, table: "DeltaTable", version: str) -> None:
        """Returns when the snapshot is that of an earlier version; raises VersionNotFound."""
        from deltalake.exceptions import DeltaError

        try:
            if not (version.isascii() and version.isdigit()) or int(version) > table.version():
                raise self._lacks(version)
            table.load_as_version(int(version))
        except DeltaError as error:
            raise self._lacks(version) from error

    def _lacks(self, version: str) -> VersionNotFound:
        table = self.opened()  # one that failed to load a version is of no use any more
        known = [] if table is None else [str(each["version"]) for each in table.history()]
        return VersionNotFound(self.spec.path, version, known=(known[-1], known[0]) if known else None)

    def _write(self, table: "DeltaTable | None", rows: Rows) -> Commit:
        if table is None:
            rows.guard.check(self.spec.path, version=None, position=None)
            return self._create(rows)
        refuse_other_partitioning(self.spec, table.metadata().partition_columns)
        position = None if rows.guard.app_id is None else table.transaction_version(rows.guard.app_id)
        if rows.guard.is_repeated(position):
            return self._unchanged(table)
        rows.guard.check(self.spec.path, version=str(table.version()), position=position)
        if rows.partitions == ():
            return self._noted(table, rows)
        return {"overwrite": self._overwrite, "append": self._append, "merge": self._merge}[self.spec.mode](table, rows)

    def _create(self, rows: Rows) -> Commit:
        """Returns the commit that made the table and put the rows in, in one.

        Without retries of its own: delta-rs 1.6.6 moves a creation that came second to version 1, checking neither
        transaction nor rows, and a file written by two processes would be there twice.
        """
        from deltalake import DeltaTable, write_deltalake

        refuse_columnless(self.spec, rows.frame)
        self._refuse_other_format()
        self._refuse_unsafe()
        by = [self.spec.partition_column] if self.spec.partition_column else None
        frame = columns.fit(self.spec.path, rows.frame, None, "refuse")
        write_deltalake(
            self.location,
            self._source(rows, frame),
            mode="error",
            partition_by=by,
            storage_options=self.options,
            **_writing(rows),
            commit_properties=properties(rows, None, retries=0),
        )
        table = DeltaTable(self.location, version=0, storage_options=self.options)
        return self._commit(table, rows_written=rows.height)

    def _refuse_unsafe(self) -> None:
        """Raises UnsafeBucket where the doctor found that commits to the lake's bucket get lost."""
        if self.location.startswith("s3://"):
            from platform_resources.storage.objects.safety import refuse_unsafe  # noqa: PLC0415 - on S3 only

            environment = self.location.removesuffix(f"/{self.spec.path}")
            refuse_unsafe(self.spec.path, environment.rpartition("/")[0], self.s3)

    def _append(self, table: "DeltaTable", rows: Rows) -> Commit:
        from deltalake import write_deltalake

        frame = self._fitted(table, rows.frame)
        write_deltalake(
            table,
            self._source(rows, frame),
            mode="append",
            schema_mode=schema_mode(table, frame),
            **_writing(rows),
            commit_properties=properties(rows, table),
        )
        return self._commit(table, rows_written=rows.height)

    def _overwrite(self, table: "DeltaTable", rows: Rows) -> Commit:
        """Returns the commit that replaced the partitions, or the whole table when none are named."""
        from deltalake import write_deltalake

        whole = rows.partitions is None
        renewed = whole and self.spec.schema_evolution == "add"
        frame = columns.fit(self.spec.path, rows.frame, None, "add") if renewed else self._fitted(table, rows.frame)
        write_deltalake(
            table,
            self._source(rows, frame),
            mode="overwrite",
            schema_mode="overwrite" if renewed else schema_mode(table, frame),
            predicate=None if rows.partitions is None else within(str(self.spec.partition_column), rows.partitions),
            **_writing(rows),
            commit_properties=properties(rows, table),
        )
        return self._commit(table, rows_written=rows.height)

    def _merge(self, table: "DeltaTable", rows: Rows) -> Commit:
        """Returns the commit of the rows that differ, or no commit when none do."""
        fitted = self._fitted(table, rows.frame)
        done = (DeltaMerge if rows.spool is None else SpooledDeltaMerge)(self.spec, table, fitted, rows).run()
        if done.is_empty:
            return self._noted(table, rows)
        return self._commit(table, rows_written=done.upserts.height, rows_deleted=done.deletes.height)

    def _update(
        self, table: "DeltaTable | None", column: str, values: Sequence[Any], changes: Mapping[str, Any] | None
    ) -> Commit:
        """Returns the commit that changed the rows, or deleted them where there are no changes."""
        if table is None:
            return Commit(version=None, changed=False)
        self._checked([column, *(changes or {})], restored(table).collect_schema().names())
        updated, deleted = change_rows(table, column, values, changes)
        if not updated + deleted:
            return self._unchanged(table)
        return self._commit(table, rows_written=updated, rows_deleted=deleted)

    def _source(self, rows: Rows, fitted: pl.DataFrame) -> "pl.DataFrame | RecordBatchReader":
        """Return what delta-rs writes: the fitted frame, or a reader of the spooled rows in its columns."""
        if rows.spool is None:
            return stored(fitted)
        return streamed(rows.spool.fitted(fitted.schema), fitted.schema)

    def _fitted(self, table: "DeltaTable", frame: pl.DataFrame) -> pl.DataFrame:
        there = restored(table).collect_schema()
        fitted = columns.fit(self.spec.path, frame, there, self.spec.schema_evolution)
        refuse_case(self.spec, fitted)  # a new column beside one that the table has
        return fitted

    def _noted(self, table: "DeltaTable", rows: Rows) -> Commit:
        """Commit nothing but the transaction of a write without rows; where it has none, nothing at all."""
        if rows.guard.transaction is not None:
            labels = table.metadata().partition_columns
            table.create_write_transaction(
                [], "append", table.schema(), labels, commit_properties=properties(rows, table, retries=0)
            )
            table.update_incremental()
        return self._unchanged(table)

    def _unchanged(self, table: "DeltaTable") -> Commit:
        return Commit(version=str(table.version()), changed=False, rows_total=table.count())

    def _commit(self, table: "DeltaTable", *, rows_written: int, rows_deleted: int = 0) -> Commit:
        """Returns the record of the table's own last commit, read from its log."""
        log = self._folder.read(f"_delta_log/{table.version():020}.json")
        actions = [json.loads(line) for line in log.splitlines() if line.strip()]
        added = [action["add"] for action in actions if "add" in action]
        column = self.spec.partition_column
        values = {each["partitionValues"].get(column) for each in added} if column else set()
        return Commit(
            version=str(table.version()),
            rows_written=rows_written,
            rows_deleted=rows_deleted,
            rows_total=table.count(),
            size_bytes=sum(each["size"] for each in added),
            files=len(added),
            partitions=tuple(sorted(value for value in values if value is not None)),
        )


def _writing(rows: Rows) -> dict[str, Any]:
    """Return how files are written, as arguments of delta-rs; none for rows in memory."""
    from deltalake import WriterProperties

    spooled = WriterProperties(max_row_group_size=_GROUP_ROWS, compression="SNAPPY")
    return {} if rows.spool is None else {"writer_properties": spooled}
