"""Tables in Delta Lake, through delta-rs: every write is one commit, and two writers lose nothing.

Every commit is made on the DeltaTable object whose snapshot was read, because delta-rs detects a repeated transaction
id and a conflict only from the version that this object has seen.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import polars as pl

from platform_resources.errors import PositionMoved, TableDamaged, VersionNotFound
from platform_resources.storage import columns
from platform_resources.storage.caches import Cache
from platform_resources.storage.caches.snapshot import Snapshot, Source
from platform_resources.storage.conflicts import retried
from platform_resources.storage.folder import Folder, folder_at
from platform_resources.storage.formats.base import TableFormat
from platform_resources.storage.formats.delta_branch import lend_version, promoted_from, take_commits
from platform_resources.storage.formats.delta_damage import damage, refuse_empty, refuse_empty_object
from platform_resources.storage.formats.delta_frames import (
    properties,
    refuse_features,
    restored,
    schema_mode,
    stored,
    streamed,
    within,
    writing,
)
from platform_resources.storage.formats.delta_merge import DeltaMerge, SpooledDeltaMerge, change_rows
from platform_resources.storage.formats.delta_snapshot import last_commit, snapshot_of
from platform_resources.storage.formats.limits import (
    refuse_case,
    refuse_columnless,
    refuse_other_partitioning,
    refuse_unfit,
)
from platform_resources.storage.operations.layout import LiveFile, Packing, pack_in_order, packed
from platform_resources.storage.operations.records import (
    DEFAULT_KEEP,
    TARGET_BYTES,
    ZORDER,
    OperationName,
    OperationResult,
    TableVersion,
)
from platform_resources.storage.statistics import FileStatistics, trusted_bounds
from platform_resources.storage.table import Commit, Rows

if TYPE_CHECKING:
    from arro3.core import RecordBatchReader
    from deltalake import CommitProperties, DeltaTable

_HOUR = timedelta(hours=1)
_LOG = "_delta_log"
_RETENTION = "delta.logRetentionDuration"
_ROWS_ADDED = ("num_added_rows", "num_target_rows_inserted", "numOutputRows")
_ROWS_UPDATED = "num_target_rows_updated"
_ROWS_DELETED = ("num_target_rows_deleted", "num_deleted_rows")
_FILES_ADDED = ("num_added_files", "num_target_files_added", "numFilesAdded", "num_restored_file")
_FILES_REMOVED = ("num_removed_files", "num_target_files_removed", "numFilesRemoved", "num_removed_file")
_OWN = {"timestamp", "operation", "operationParameters", "readVersion", "engineInfo", "operationMetrics",
        "clientVersion", "version", "isolationLevel", "isBlindAppend", "userId", "userName", "inCommitTimestamp",
        "txnId", "userMetadata"}  # fmt: skip


class DeltaFormat(TableFormat):
    """A Delta table on disk or S3: its rows, history, files and upkeep."""

    marker = _LOG
    packing = staticmethod(pack_in_order)

    def exists(self) -> bool:
        """Ask whether the table has a log."""
        from deltalake import DeltaTable

        return DeltaTable.is_deltatable(self.location, self._options)

    def version(self) -> str | None:
        """Read the number of the latest commit."""
        table = self._opened()
        return None if table is None else str(table.version())

    def position(self, app_id: str) -> int | None:
        """Return the number of a stream's last write; None where it wrote nothing."""
        table = self._opened()
        return None if table is None else table.transaction_version(app_id)

    def refuse_unfit(self, frame: pl.DataFrame) -> None:
        """Refuse what delta-rs cannot write."""
        refuse_unfit(self.spec, frame)

    def write(self, rows: Rows) -> Commit:
        """Write the rows in one commit; on a conflict start again from a fresh snapshot."""
        return self._retried(lambda table: self._write(table, rows))

    def update(self, column: str, values: Sequence[Any], changes: Mapping[str, Any]) -> Commit:
        """Set columns of some rows in one commit."""
        return self._retried(lambda table: self._update(table, column, values, changes))

    def delete(self, column: str, values: Sequence[Any]) -> Commit:
        """Remove some rows in one commit."""
        return self._retried(lambda table: self._update(table, column, values, None))

    def _retried(self, attempt: "Callable[[DeltaTable | None], Commit]") -> Commit:
        from deltalake.exceptions import DeltaError

        return retried(
            attempt,
            table=self.spec.path,
            snapshot=self._opened,
            version=lambda table: None if table is None else table.version(),
            errors=(DeltaError,),
        )

    def _opened(self) -> "DeltaTable | None":
        """Open the latest snapshot, or None; asking first whether there is one would cost S3 another listing."""
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        try:
            table = DeltaTable(self.location, storage_options=self._options)
        except TableNotFoundError:
            return None
        refuse_features(self.spec.path, table)
        if not self.location.startswith("s3://"):
            refuse_empty(self.spec, self._folder, table)
        return table

    def _existing(self) -> "DeltaTable":
        """Open the latest snapshot; raises TableNotFound."""
        table = self._opened()
        if table is None:
            raise self._not_found()
        return table

    def damage(self) -> TableDamaged | None:
        """Find which file the latest version lacks; None where it is whole."""
        from deltalake.exceptions import DeltaError

        try:
            table = self._opened()
        except DeltaError:
            table = None
        return damage(self.spec, self._folder, table)

    @property
    def _folder(self) -> Folder:
        return folder_at(self.location, self.s3)

    @property
    def _options(self) -> dict[str, str] | None:
        """The storage options of delta-rs; None on disk."""
        return self.s3.delta_options() if self.location.startswith("s3://") else None

    def _scan(self, partitions: Sequence[str] | None, version: str | int | None) -> pl.LazyFrame:
        table = self._existing()
        if version is not None:
            self._travel(table, str(version))
        return self._only(restored(table), partitions)

    def _snapshot(self, cache: Cache, partitions: Sequence[str] | None) -> Source | None:
        column = str(self.spec.partition_column)
        snapshot = self._latest(cache)
        if snapshot is None or (partitions is not None and snapshot.schema.get(column) != pl.String):
            return None
        version = snapshot.version
        if partitions is not None:
            snapshot = snapshot.only(column, list(map(str, partitions)))
        return Source(snapshot, lambda: self._scan(partitions, version))

    def _latest(self, cache: Cache) -> Snapshot | None:
        """Find the latest snapshot: the one remembered, if its commit is still the last, or else as the log says."""
        known = cache.recall(self.location)
        last = last_commit(cache, self.location, known)
        if known is not None and last == (known.version, known.proof):
            return known
        if last is not None:
            refuse_empty_object(self.spec, self._folder, *last)
        table = self._opened()
        snapshot = snapshot_of(table, self.location, last[1]) if table is not None and last is not None else None
        if snapshot is not None and last_commit(cache, self.location, snapshot) == last == (
            snapshot.version,
            snapshot.proof,
        ):
            cache.remember(self.location, snapshot)  # the commit was the last before and after the log was read
        return snapshot

    def _travel(self, table: "DeltaTable", version: str) -> None:
        """Turn the open snapshot to an earlier version; raises VersionNotFound."""
        from deltalake.exceptions import DeltaError

        try:
            if not (version.isascii() and version.isdigit()) or int(version) > table.version():
                raise self._lacks(version)
            table.load_as_version(int(version))
        except DeltaError as error:
            raise self._lacks(version) from error

    def _lacks(self, version: str) -> VersionNotFound:
        table = self._opened()  # one that failed to load a version is of no use any more
        known = [] if table is None else [str(entry["version"]) for entry in table.history()]
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
        """Make the table and put the rows in, in one commit.

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
            storage_options=self._options,
            **writing(rows),
            commit_properties=properties(rows, None, retries=0),
        )
        table = DeltaTable(self.location, version=0, storage_options=self._options)
        return self._commit(table, rows_written=rows.height)

    def _refuse_unsafe(self) -> None:
        """Refuse, with UnsafeBucket, where the doctor found that commits to the lake's bucket get lost."""
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
            **writing(rows),
            commit_properties=properties(rows, table),
        )
        return self._commit(table, rows_written=rows.height)

    def _overwrite(self, table: "DeltaTable", rows: Rows) -> Commit:
        """Replace the partitions in one commit, or the whole table when none are named."""
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
            **writing(rows),
            commit_properties=properties(rows, table),
        )
        return self._commit(table, rows_written=rows.height)

    def _merge(self, table: "DeltaTable", rows: Rows) -> Commit:
        """Commit the rows that differ, or nothing when none do."""
        fitted = self._fitted(table, rows.frame)
        done = (DeltaMerge if rows.spool is None else SpooledDeltaMerge)(self.spec, table, fitted, rows).run()
        if done.is_empty:
            return self._noted(table, rows)
        return self._commit(table, rows_written=done.upserts.height, rows_deleted=done.deletes.height)

    def _update(
        self, table: "DeltaTable | None", column: str, values: Sequence[Any], changes: Mapping[str, Any] | None
    ) -> Commit:
        """Change the rows in one commit, or delete them where there are no changes."""
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
        stored_schema = restored(table).collect_schema()
        fitted = columns.fit(self.spec.path, frame, stored_schema, self.spec.schema_evolution)
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
        """Read the record of the table's own last commit from its log."""
        log = self._folder.read(f"{_LOG}/{table.version():020}.json")
        actions = [json.loads(line) for line in log.splitlines() if line.strip()]
        added = [action["add"] for action in actions if "add" in action]
        column = self.spec.partition_column
        values = {action["partitionValues"].get(column) for action in added} if column else set()
        return Commit(
            version=str(table.version()),
            rows_written=rows_written,
            rows_deleted=rows_deleted,
            rows_total=table.count(),
            size_bytes=sum(action["size"] for action in added),
            files=len(added),
            partitions=tuple(sorted(value for value in values if value is not None)),
        )

    def history(self, limit: int | None = None) -> list[TableVersion]:
        """List the commits in the log, newest first."""
        return [_version(entry) for entry in self._existing().history(limit)]

    def compact(
        self,
        *,
        partitions: Sequence[str] | None = None,
        target_bytes: int = TARGET_BYTES,
        dry_run: bool = False,
        pack: Packing | None = None,  # noqa: ARG002 - delta-rs has its own way
    ) -> OperationResult:
        """Pack small files together in one commit."""
        self._check_partitions(partitions)
        if dry_run:
            return self._expected("compact", partitions, target_bytes)
        return self._rewritten(
            "compact",
            lambda table: table.optimize.compact(partition_filters=self._filters(partitions), target_size=target_bytes),
        )

    def zorder(
        self, columns: Sequence[str], *, partitions: Sequence[str] | None = None, dry_run: bool = False
    ) -> OperationResult:
        """Write all files of the partitions anew in one commit, along a Z-order curve."""
        self._check_partitions(partitions)
        self._check_order(columns, [field.name for field in self._existing().schema().fields])
        if dry_run:
            _, live = self._live()
            chosen = [file for file in live if partitions is None or file.partition in partitions]
            return self._result(
                "zorder", changed=bool(chosen), dry_run=True,
                files_removed=len(chosen), files_added=len({file.partition for file in chosen}),
                bytes_removed=sum(file.size_bytes for file in chosen),
                bytes_added=sum(file.size_bytes for file in chosen),
            )  # fmt: skip
        return self._rewritten(
            "zorder",
            lambda table: table.optimize.z_order(
                list(columns),
                partition_filters=self._filters(partitions),
                target_size=TARGET_BYTES,
                commit_properties=_ordered_by(columns),
            ),
        )

    def vacuum(self, *, keep: timedelta = DEFAULT_KEEP, dry_run: bool = True) -> OperationResult:
        """Delete what no kept version needs; the retention is rounded up to whole hours."""
        keep = self._checked_keep(keep)
        table, hours = self._existing(), -(-keep // _HOUR)
        sizes = {entry.name: entry.size_bytes for entry in self._folder.entries()}
        read = [int(version) for version, _ in self.held]
        options: dict[str, Any] = {
            "retention_hours": hours, "enforce_retention_duration": False, "full": True, "keep_versions": read or None,
        }  # fmt: skip
        removed_files = table.vacuum(dry_run=True, **options)
        if removed_files and not dry_run:
            removed_files = table.vacuum(dry_run=False, **options)
        return self._result(
            "vacuum", changed=bool(removed_files), dry_run=dry_run, table=table,
            files_removed=len(removed_files), files=tuple(sorted(removed_files)),
            bytes_removed=sum(sizes.get(name) or sizes.get(unquote(name), 0) for name in removed_files),
        )  # fmt: skip

    def expire(self, *, keep: timedelta = DEFAULT_KEEP, dry_run: bool = True) -> OperationResult:
        """Take the entries of old versions out of the log.

        The first version that stays gets a checkpoint, so that it and all later ones can still be read. The retention
        becomes the table's own property, by which delta-rs tidies the log from then on.
        """
        keep = self._checked_keep(keep)
        until = datetime.now(UTC) - keep
        known = [version for version in self.history() if version.at < until][1:]
        if not known or dry_run:
            return self._result("expire", changed=bool(known), dry_run=dry_run, versions_removed=_oldest_first(known))
        before = {version.version for version in self.history()}
        self._forget(int(known[0].version) + 1, keep)
        after = {version.version for version in self.history()}
        removed = tuple(sorted(before - after, key=int))
        return self._result("expire", changed=bool(removed), dry_run=False, versions_removed=removed)

    def restore(
        self, version: str | int | None = None, *, at: datetime | None = None, dry_run: bool = True
    ) -> OperationResult:
        """Make the version current again in one commit, columns included."""
        target = self._wanted(version, at)
        latest, earlier = self._existing(), self._opened_at(target)
        now, then = self._sizes(latest), self._sizes(earlier)
        dropped, back = now.keys() - then.keys(), then.keys() - now.keys()
        changed = bool(dropped or back) or latest.schema() != earlier.schema()
        if not dry_run and changed:
            self._refuse_vacuumed(back, target)
            self._restore(int(target))
        return self._result(
            "restore", changed=changed, dry_run=dry_run, restored=target,
            files_removed=len(dropped), bytes_removed=sum(now[name] for name in dropped),
            files_added=len(back), bytes_added=sum(then[name] for name in back),
        )  # fmt: skip

    def lend(self, version: str, to: TableFormat) -> None:
        """Link the files of the version, and the log up to it, which comes last."""
        lend_version(self._opened_at(version), self._folder, folder_at(to.location, self.s3))

    def take(self, other: TableFormat, since: str | None) -> str:
        """Link the other's files, and say what it did since in one commit."""
        self._refuse_moved(since)
        version = -1 if since is None else int(since)
        source, branch = folder_at(other.location, self.s3), str(other.settings.branch)
        taken_version = take_commits(self._folder, source, version, branch)
        if taken_version is None:
            raise PositionMoved(self.spec.path, "version", expected=since, actual=self.version())
        return taken_version

    def resume_take(self, other: TableFormat, since: str | None, before: Mapping[str, str]) -> str | None:  # noqa: ARG002 - a commit is whole
        """Find the commit that names the other's version; there is nothing else to do."""
        version = 0 if since is None else int(since) + 1
        facts = promoted_from(self._folder, version)
        return str(version) if facts == (str(other.settings.branch), other.version()) else None

    def _opened_at(self, version: str) -> "DeltaTable":
        table = self._existing()
        self._travel(table, version)
        return table

    def _live(self) -> tuple[str, Sequence[LiveFile]]:
        table = self._existing()
        actions = pl.DataFrame(table.get_add_actions(flatten=True))
        column = f"partition.{self.spec.partition_column}"
        rows = actions["num_records"] if "num_records" in actions.columns else [None] * actions.height
        parts = actions[column] if column in actions.columns else [None] * actions.height
        return str(table.version()), [
            LiveFile(*fields) for fields in zip(parts, actions["size_bytes"], rows, strict=True)
        ]

    def file_statistics(self) -> Sequence[FileStatistics]:
        """Read the statistics of the log's add actions; of a column that files name otherwise there are none."""
        actions = pl.DataFrame(self._existing().get_add_actions(flatten=True))
        if "num_records" not in actions.columns or actions["num_records"].null_count():
            return ()
        return [_file_statistics(row) for row in actions.iter_rows(named=True)]

    def _filters(self, partitions: Sequence[str] | None) -> list[tuple[str, str, Any]] | None:
        return None if partitions is None else [(str(self.spec.partition_column), "in", list(partitions))]

    def _expected(self, name: OperationName, partitions: Sequence[str] | None, target_bytes: int) -> OperationResult:
        version, live = self._live()
        removed, added, size = packed(live, partitions=partitions, target_bytes=target_bytes)
        return OperationResult(
            table=self.spec.path, operation=name, dry_run=True, changed=removed > 0, version=version,
            files_removed=removed, files_added=added, bytes_removed=size, bytes_added=size,
        )  # fmt: skip

    def _rewritten(self, name: OperationName, rewrite: Any) -> OperationResult:
        """Rewrite files by delta-rs; another writer's commit in between starts it anew."""
        from deltalake.exceptions import DeltaError

        table, metrics = retried(
            lambda table: (table, rewrite(table)),
            table=self.spec.path,
            snapshot=self._existing,
            version=lambda table: table.version(),
            errors=(DeltaError,),
        )
        removed, added = json.loads(metrics["filesRemoved"]), json.loads(metrics["filesAdded"])
        return self._result(
            name, changed=metrics["numFilesRemoved"] + metrics["numFilesAdded"] > 0, dry_run=False, table=table,
            files_removed=metrics["numFilesRemoved"], files_added=metrics["numFilesAdded"],
            bytes_removed=removed["totalSize"], bytes_added=added["totalSize"],
        )  # fmt: skip

    def _forget(self, first: int, keep: timedelta) -> None:
        from deltalake import DeltaTable

        table = self._existing()
        interval = f"interval {keep // timedelta(seconds=1)} seconds"
        if table.metadata().configuration.get(_RETENTION) != interval:
            table.alter.set_table_properties({_RETENTION: interval})
        options = self._options
        DeltaTable(self.location, version=first, storage_options=options).create_checkpoint()
        DeltaTable(self.location, storage_options=options).cleanup_metadata()

    def _sizes(self, table: "DeltaTable") -> dict[str, int]:
        actions = pl.DataFrame(table.get_add_actions(flatten=True))
        return dict(zip(actions["path"], actions["size_bytes"], strict=True))

    def _refuse_vacuumed(self, names: set[str], version: str) -> None:
        present = {entry.name for entry in self._folder.entries()}
        if [name for name in names if name not in present and unquote(name) not in present]:
            raise VersionNotFound(self.spec.path, version, vacuumed=True)

    def _restore(self, version: int) -> None:
        from deltalake.exceptions import DeltaError

        retried(
            lambda table: table.restore(version),
            table=self.spec.path,
            snapshot=self._existing,
            version=lambda table: table.version(),
            errors=(DeltaError,),
        )

    def _result(
        self, name: OperationName, *, changed: bool, dry_run: bool, table: "DeltaTable | None" = None, **facts: Any
    ) -> OperationResult:
        version = (table or self._existing()).version()
        return OperationResult(
            table=self.spec.path, operation=name, dry_run=dry_run, changed=changed, version=str(version), **facts
        )


def _ordered_by(columns: Sequence[str]) -> "CommitProperties":
    """Note in the log what a Z-order says of itself, because delta-rs does not say by which columns it was."""
    from deltalake import CommitProperties

    return CommitProperties(custom_metadata={ZORDER: json.dumps(list(columns))})


def _version(entry: Mapping[str, Any]) -> TableVersion:
    metrics = entry.get("operationMetrics") or {}
    added, updated = _first(metrics, _ROWS_ADDED), _first(metrics, (_ROWS_UPDATED,))
    return TableVersion(
        version=str(entry["version"]),
        at=datetime.fromtimestamp(entry["timestamp"] / 1000, UTC),
        operation=str(entry.get("operation", "")).lower(),
        rows_added=added if updated is None else (added or 0) + updated,
        rows_deleted=_first(metrics, _ROWS_DELETED),
        files_added=_first(metrics, _FILES_ADDED),
        files_removed=_first(metrics, _FILES_REMOVED),
        said={name: str(value) for name, value in entry.items() if name not in _OWN},
    )


def _first(metrics: Mapping[str, Any], names: Sequence[str]) -> int | None:
    metric = next((metrics[name] for name in names if metrics.get(name) is not None), None)
    return None if metric is None else int(metric)


def _oldest_first(versions: Sequence[TableVersion]) -> tuple[str, ...]:
    return tuple(version.version for version in reversed(versions))


def _file_statistics(action: Mapping[str, Any]) -> FileStatistics:
    """Take the statistics of one add action, as delta-rs spreads them over columns."""
    nulls, bounds = {}, {}
    for label, value in action.items():
        kind, _, name = label.partition(".")
        if kind == "null_count" and value is not None:
            nulls[name] = value
        elif kind == "min" and (both := trusted_bounds(value, action.get(f"max.{name}"), as_json=True)):
            bounds[name] = both
    return FileStatistics(action["num_records"], nulls, bounds)
