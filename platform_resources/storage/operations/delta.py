"""Operations on a Delta table, through delta-rs."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import polars as pl

from platform_resources.errors import VersionNotFound
from platform_resources.storage.conflicts import retried
from platform_resources.storage.folder import folder_at
from platform_resources.storage.formats.delta import DeltaFormat
from platform_resources.storage.operations.base import LiveFile, Packing, TableOperations, pack_in_order, packed
from platform_resources.storage.operations.records import (
    DEFAULT_KEEP,
    TARGET_BYTES,
    ZORDER,
    OperationName,
    OperationResult,
    TableVersion,
)

if TYPE_CHECKING:
    from deltalake import CommitProperties, DeltaTable

_HOUR = timedelta(hours=1)
_LOG = "_delta_log"
_KEPT = "delta.logRetentionDuration"
_ROWS_ADDED = ("num_added_rows", "num_target_rows_inserted", "numOutputRows")
_ROWS_UPDATED = "num_target_rows_updated"
_ROWS_DELETED = ("num_target_rows_deleted", "num_deleted_rows")
_FILES_ADDED = ("num_added_files", "num_target_files_added", "numFilesAdded", "num_restored_file")
_FILES_REMOVED = ("num_removed_files", "num_target_files_removed", "numFilesRemoved", "num_removed_file")
_OWN = {"timestamp", "operation", "operationParameters", "readVersion", "engineInfo", "operationMetrics",
        "clientVersion", "version", "isolationLevel", "isBlindAppend", "userId", "userName", "inCommitTimestamp",
        "txnId", "userMetadata"}  # fmt: skip


class DeltaOperations(TableOperations):
    """A Delta table's history, files and upkeep."""

    format_name = "delta"
    packing = staticmethod(pack_in_order)

    def history(self, limit: int | None = None) -> list[TableVersion]:
        """Returns the commits in the log, newest first."""
        return [_version(each) for each in self._open().history(limit)]

    def compact(
        self,
        *,
        partitions: Sequence[str] | None = None,
        target_bytes: int = TARGET_BYTES,
        dry_run: bool = False,
        pack: Packing | None = None,  # noqa: ARG002 - delta-rs has its own way
    ) -> OperationResult:
        """Returns the commit that packed small files together."""
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
        """Returns the commit that wrote all files of the partitions anew, along a Z-order curve."""
        self._check_partitions(partitions)
        self._check_order(columns, [field.name for field in self._open().schema().fields])
        if dry_run:
            _, live = self._live()
            chosen = [each for each in live if partitions is None or each.partition in partitions]
            return self._result(
                "zorder", changed=bool(chosen), dry_run=True,
                files_removed=len(chosen), files_added=len({each.partition for each in chosen}),
                bytes_removed=sum(each.size_bytes for each in chosen),
                bytes_added=sum(each.size_bytes for each in chosen),
            )  # fmt: skip
        return self._rewritten(
            "zorder",
            lambda table: table.optimize.z_order(
                list(columns),
                partition_filters=self._filters(partitions),
                target_size=TARGET_BYTES,
                commit_properties=ordered_by(columns),
            ),
        )

    def vacuum(self, *, keep: timedelta = DEFAULT_KEEP, dry_run: bool = True) -> OperationResult:
        """Returns the files that were deleted; the retention is rounded up to whole hours."""
        keep = self._checked_keep(keep)
        table, hours = self._open(), -(-keep // _HOUR)
        sizes = {each.name: each.size_bytes for each in folder_at(self.location, self.settings.s3).entries()}
        found = table.vacuum(retention_hours=hours, dry_run=True, enforce_retention_duration=False, full=True)
        if found and not dry_run:
            found = table.vacuum(retention_hours=hours, dry_run=False, enforce_retention_duration=False, full=True)
        return self._result(
            "vacuum", changed=bool(found), dry_run=dry_run, table=table,
            files_removed=len(found), files=tuple(sorted(found)),
            bytes_removed=sum(sizes.get(name) or sizes.get(unquote(name), 0) for name in found),
        )  # fmt: skip

    def expire(self, *, keep: timedelta = DEFAULT_KEEP, dry_run: bool = True) -> OperationResult:
        """Returns the versions whose entries left the log.

        The first version that stays gets a checkpoint, so that it and all later ones can still be read. The retention
        becomes the table's own property, by which delta-rs tidies the log from then on.
        """
        keep = self._checked_keep(keep)
        until = datetime.now(UTC) - keep
        known = [each for each in self.history() if each.at < until][1:]
        if not known or dry_run:
            return self._result("expire", changed=bool(known), dry_run=dry_run, versions_removed=_oldest_first(known))
        before = {each.version for each in self.history()}
        self._forget(int(known[0].version) + 1, keep)
        after = {each.version for each in self.history()}
        gone = tuple(sorted(before - after, key=int))
        return self._result("expire", changed=bool(gone), dry_run=False, versions_removed=gone)

    def restore(
        self, version: str | int | None = None, *, at: datetime | None = None, dry_run: bool = True
    ) -> OperationResult:
        """Returns the commit that made the version current again, columns included."""
        wanted = self._wanted(version, at)
        latest, earlier = self._open(), self._opened_at(wanted)
        now, then = self._files(latest), self._files(earlier)
        gone, back = now.keys() - then.keys(), then.keys() - now.keys()
        changed = bool(gone or back) or latest.schema() != earlier.schema()
        if not dry_run and changed:
            self._missing(back, wanted)
            self._restore(int(wanted))
        return self._result(
            "restore", changed=changed, dry_run=dry_run, restored=wanted,
            files_removed=len(gone), bytes_removed=sum(now[name] for name in gone),
            files_added=len(back), bytes_added=sum(then[name] for name in back),
        )  # fmt: skip

    @property
    def _format(self) -> DeltaFormat:
        return DeltaFormat(self.spec, self.location, self.settings)

    def _open(self) -> "DeltaTable":
        table = self._format.opened()
        if table is None:
            raise self._not_found()
        return table

    def _opened_at(self, version: str) -> "DeltaTable":
        table = self._open()
        self._format.travel(table, version)
        return table

    def _live(self) -> tuple[str, Sequence[LiveFile]]:
        table = self._open()
        actions = pl.DataFrame(table.get_add_actions(flatten=True))
        column = f"partition.{self.spec.partition_column}"
        rows = actions["num_records"] if "num_records" in actions.columns else [None] * actions.height
        parts = actions[column] if column in actions.columns else [None] * actions.height
        return str(table.version()), [LiveFile(*each) for each in zip(parts, actions["size_bytes"], rows, strict=True)]

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
        """Returns what delta-rs says of a rewriting; another writer's commit in between starts it anew."""
        from deltalake.exceptions import DeltaError

        table, metrics = retried(
            lambda table: (table, rewrite(table)),
            table=self.spec.path,
            snapshot=self._open,
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

        table = self._open()
        wanted = f"interval {keep // timedelta(seconds=1)} seconds"
        if table.metadata().configuration.get(_KEPT) != wanted:
            table.alter.set_table_properties({_KEPT: wanted})
        options = self._format.options
        DeltaTable(self.location, version=first, storage_options=options).create_checkpoint()
        DeltaTable(self.location, storage_options=options).cleanup_metadata()

    def _files(self, table: "DeltaTable") -> dict[str, int]:
        actions = pl.DataFrame(table.get_add_actions(flatten=True))
        return dict(zip(actions["path"], actions["size_bytes"], strict=True))

    def _missing(self, names: set[str], version: str) -> None:
        there = {each.name for each in folder_at(self.location, self.settings.s3).entries()}
        if [name for name in names if name not in there and unquote(name) not in there]:
            raise VersionNotFound(self.spec.path, version, vacuumed=True)

    def _restore(self, version: int) -> None:
        from deltalake.exceptions import DeltaError

        retried(
            lambda table: table.restore(version),
            table=self.spec.path,
            snapshot=self._open,
            version=lambda table: table.version(),
            errors=(DeltaError,),
        )

    def _result(
        self, name: OperationName, *, changed: bool, dry_run: bool, table: "DeltaTable | None" = None, **facts: Any
    ) -> OperationResult:
        version = (table or self._open()).version()
        return OperationResult(
            table=self.spec.path, operation=name, dry_run=dry_run, changed=changed, version=str(version), **facts
        )


def ordered_by(columns: Sequence[str]) -> "CommitProperties":
    """Returns what a Z-order says of itself in the log, because delta-rs does not say by which columns it was."""
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
    found = next((metrics[name] for name in names if metrics.get(name) is not None), None)
    return None if found is None else int(found)


def _oldest_first(versions: Sequence[TableVersion]) -> tuple[str, ...]:
    return tuple(each.version for each in reversed(versions))
