"""Operations on an Iceberg table: pyiceberg expires snapshots; files are rewritten and swept here."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from platform_resources.errors import InvalidTableSpec, MetadataLost, UnsupportedOperation
from platform_resources.storage.damage import is_json
from platform_resources.storage.formats.iceberg import IcebergFormat
from platform_resources.storage.formats.iceberg_catalog import MARKER
from platform_resources.storage.formats.iceberg_commit import (
    FORGOTTEN,
    OPERATION,
    SAID,
    Change,
    digest_of,
    discarding,
    remembered,
    transaction_of,
)
from platform_resources.storage.formats.iceberg_damage import unreadable
from platform_resources.storage.formats.iceberg_frames import logical_schema, write_files
from platform_resources.storage.operations.base import LiveFile, Packing, TableOperations, bins, pack_in_order
from platform_resources.storage.operations.records import (
    DEFAULT_KEEP,
    TARGET_BYTES,
    ZORDER,
    OperationName,
    OperationResult,
    TableVersion,
)
from platform_resources.storage.operations.zorder import zordered
from platform_resources.storage.table import Commit

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile, ManifestFile
    from pyiceberg.table import FileScanTask, Table
    from pyiceberg.table.snapshots import Snapshot


class IcebergOperations(TableOperations):
    """An Iceberg table's history, files and upkeep."""

    format_name = "iceberg"

    def history(self, limit: int | None = None) -> list[TableVersion]:
        """Returns the snapshots that are not expired, newest first."""
        snapshots = sorted(self._open().snapshots(), key=lambda each: each.sequence_number or 0, reverse=True)
        return [_told(each) for each in snapshots[:limit]]

    def compact(
        self,
        *,
        partitions: Sequence[str] | None = None,
        target_bytes: int = TARGET_BYTES,
        dry_run: bool = False,
        pack: Packing | None = None,
    ) -> OperationResult:
        """Returns the commit that packed small files together, sorted where the table has a sort order."""
        return self._rewritten("compact", partitions, target_bytes, (), dry_run=dry_run, pack=pack or pack_in_order)

    def zorder(
        self, columns: Sequence[str], *, partitions: Sequence[str] | None = None, dry_run: bool = False
    ) -> OperationResult:
        """Returns the commit that wrote all files of the partitions anew, along a Z-order curve."""
        self._check_order(columns, logical_schema(self._open().schema()).names())
        return self._rewritten("zorder", partitions, TARGET_BYTES, tuple(columns), dry_run=dry_run)

    def vacuum(self, *, keep: timedelta = DEFAULT_KEEP, dry_run: bool = True) -> OperationResult:
        """Returns the files that were deleted: older than `keep`, and named by no snapshot that is left.

        Snapshots are what `expire` forgets; their files go here.
        """
        keep = self._checked_keep(keep)
        table = self._open()
        folder, needed, until = self._table.folder, _needed(table), datetime.now(UTC) - keep
        there = [each for each in folder.entries() if folder.uri(each.name) not in needed and each.name != MARKER]
        gone = [each for each in [*there, *folder.leftovers()] if each.modified < until]
        if not dry_run:
            for each in gone:
                folder.remove(each.name)
        return self._result(
            "vacuum", table, changed=bool(gone), dry_run=dry_run, files_removed=len(gone),
            bytes_removed=sum(each.size_bytes for each in gone), files=tuple(each.name for each in gone),
        )  # fmt: skip

    def expire(self, *, keep: timedelta = DEFAULT_KEEP, dry_run: bool = True) -> OperationResult:
        """Returns the snapshots that were forgotten; their transactions are remembered, their files go by a vacuum."""
        keep = self._checked_keep(keep)
        table = self._open()
        until = datetime.now(UTC) - keep
        old = [each for each in self.history() if each.at < until][1:]
        protected = {str(ref.snapshot_id) for ref in table.metadata.refs.values()}
        gone = [each.version for each in reversed(old) if each.version not in protected]
        if gone and not dry_run:
            self._table.retried(lambda current: _forget(self._known(current), set(map(int, gone))))
        return self._result("expire", table, changed=bool(gone), dry_run=dry_run, versions_removed=tuple(gone))

    def restore(
        self, version: str | int | None = None, *, at: datetime | None = None, dry_run: bool = True
    ) -> OperationResult:
        """Returns the commit that made the version's rows current again; columns added since are null in them."""
        wanted = self._wanted(version, at)
        table = self._open()
        if doomed := self._doomed(table, wanted):
            return self._gone_back(table, wanted, doomed, dry_run=dry_run)
        gone, back = self._difference(table, wanted)
        changed = bool(gone or back) or self._snapshot(table, wanted).schema_id != table.metadata.current_schema_id
        if changed and not dry_run:
            self._table.retried(lambda current: self._restore(self._known(current), wanted))
        return self._result(
            "restore", table, changed=changed, dry_run=dry_run, restored=wanted,
            files_removed=len(gone), bytes_removed=_size(gone),
            files_added=len(back), bytes_added=_size(back),
        )  # fmt: skip

    def register(self) -> str:
        """Returns the version of a table that the catalogue had lost, read from the newest metadata in its folder.

        A table whose metadata is not where the catalogue says is lost too, and is forgotten first.

        Raises:
            InvalidTableSpec: the catalogue knows the table.
            TableNotFound: no metadata lies there; the next write makes the table anew.
        """
        try:
            if self._table.exists():
                raise InvalidTableSpec(self.spec.path, "is in the catalogue already", fix="read it")
        except MetadataLost:
            self._table.catalogue.drop_table(self._table.identifier)
        newest = self._newest_metadata()
        if newest is None:
            self._table.folder.remove(MARKER)
            raise self._not_found()
        catalogue, (namespace, _) = self._table.catalogue, self._table.identifier
        catalogue.create_namespace_if_not_exists(namespace)
        table = catalogue.register_table(self._table.identifier, self._table.folder.uri(newest))
        snapshot = table.current_snapshot()
        return str(snapshot.snapshot_id) if snapshot else ""

    @property
    def _table(self) -> IcebergFormat:
        return IcebergFormat(self.spec, self.location, self.settings)

    def _newest_metadata(self) -> str | None:
        """Returns the youngest metadata file that is whole."""
        folder = self._table.folder
        found = [each.name for each in folder.entries("metadata") if each.name.endswith(".metadata.json")]
        found.sort(key=lambda name: int(name.rpartition("/")[2].partition("-")[0]), reverse=True)
        return next((name for name in found if is_json(folder.read(name))), None)

    def _open(self) -> "Table":
        table = self._table.opened()
        if table is None:
            raise self._not_found()
        return table

    def _live(self) -> tuple[str | None, Sequence[LiveFile]]:
        table = self._open()
        snapshot = table.current_snapshot()
        live = [LiveFile(_partition(each), each.file.file_size_in_bytes, each.file.record_count)
                for each in self._table.files(table)]  # fmt: skip
        return (str(snapshot.snapshot_id) if snapshot else None), live

    def _rewritten(
        self,
        name: OperationName,
        partitions: Sequence[str] | None,
        target_bytes: int,
        along: tuple[str, ...],
        *,
        dry_run: bool,
        pack: Packing = pack_in_order,
    ) -> OperationResult:
        """Returns the one commit that replaced groups of files by as many rows in fewer files."""
        self._check_partitions(partitions)
        table = self._open()
        groups = self._groups(table, partitions, target_bytes, None if along else pack)
        if not groups or dry_run:
            removed = [each.file for group in groups for each in group]
            size = _size(removed)
            return self._result(
                name, table, changed=bool(groups), dry_run=dry_run, files_removed=len(removed),
                files_added=len(groups), bytes_removed=size, bytes_added=size,
            )  # fmt: skip
        seen: dict[str, list[DataFile]] = {}

        def attempt(current: "Table | None") -> Commit:
            opened = self._known(current)
            chosen = self._groups(opened, partitions, target_bytes, None if along else pack)
            seen["removed"] = [each.file for group in chosen for each in group]
            seen["added"] = self._rewrite(opened, chosen, name, along)
            return Commit(version=None)

        self._table.retried(attempt)
        return self._result(
            name, self._open(), changed=True, dry_run=False,
            files_removed=len(seen["removed"]), bytes_removed=_size(seen["removed"]),
            files_added=len(seen["added"]), bytes_added=_size(seen["added"]),
        )  # fmt: skip

    def _groups(
        self, table: "Table", partitions: Sequence[str] | None, target_bytes: int, pack: Packing | None
    ) -> "list[list[FileScanTask]]":
        """Return the files to be rewritten together: those that are packed, or whole partitions without a packing."""
        tasks = self._table.files(table, partitions)
        if pack is not None:
            return bins(tasks, lambda each: (_partition(each), each.file.file_size_in_bytes), target_bytes, pack)
        groups: dict[str | None, list[FileScanTask]] = {}
        for each in tasks:
            groups.setdefault(_partition(each), []).append(each)
        return list(groups.values())

    def _rewrite(
        self, table: "Table", groups: "list[list[FileScanTask]]", name: OperationName, along: Sequence[str]
    ) -> "list[DataFile]":
        """Returns the new files of one commit; a group at a time is held in memory."""
        added = list[Any]()
        with discarding(self._table.folder, added):
            for group in groups:
                frame = self._table.read(table, group)
                ordered = zordered(frame, along) if along else frame.sort(self.spec.sort_by, maintain_order=True)
                files = max(1, round(_size([each.file for each in group]) / TARGET_BYTES))
                added += write_files(
                    table.metadata, self._table.folder, ordered if along or self.spec.sort_by else frame, files=files
                )
            order = {f"{SAID}{ZORDER}": json.dumps(list(along))} if along else {}
            change = Change(
                remove=[each.file for group in groups for each in group], files=added, said={OPERATION: name, **order}
            )
            return self._table.commit(table, change)

    def _restore(self, table: "Table", wanted: str) -> Commit:
        gone, back = self._difference(table, wanted)
        schema_id = self._snapshot(table, wanted).schema_id
        change = Change(
            remove=gone,
            files=back,
            schema_id=None if schema_id == table.metadata.current_schema_id else schema_id,
            said={OPERATION: "restore", f"{SAID}restored": wanted},
        )
        self._table.commit(table, change)
        return Commit(version=None)

    def _doomed(self, table: "Table", wanted: str) -> set[int]:
        """Returns the snapshots that cannot be read, where the current one is of them and the wanted one is not."""
        lost = unreadable(table, self._table.folder)
        return lost if self._table.snapshot_id(table, wanted) not in lost else set()

    def _gone_back(self, table: "Table", wanted: str, doomed: set[int], *, dry_run: bool) -> OperationResult:
        """Returns the commit that made the wanted snapshot itself current, and forgot those that cannot be read."""

        def attempt(current: "Table | None") -> Commit:
            known = self._known(current)
            known.manage_snapshots().set_current_snapshot(int(wanted)).commit()
            return _forget(self._open(), doomed)

        if not dry_run:
            self._table.retried(attempt)
        back = list(table.scan(snapshot_id=int(wanted)).plan_files())
        return self._result(
            "restore", table, changed=True, dry_run=dry_run, restored=wanted, files_added=len(back),
            bytes_added=_size([each.file for each in back]), versions_removed=tuple(map(str, sorted(doomed))),
        )  # fmt: skip

    def _difference(self, table: "Table", wanted: str) -> "tuple[list[DataFile], list[DataFile]]":
        """Returns the files that a restoring takes out, and those that it brings back."""
        tasks = list(table.scan(snapshot_id=self._table.snapshot_id(table, wanted)).plan_files())
        now = self._table.files(table)
        if any(each.delete_files for each in [*tasks, *now]):
            raise UnsupportedOperation(
                self.spec.path, "another engine has deleted single rows in it", fix="restore it with that engine"
            )
        then = {each.file.file_path: each.file for each in tasks}
        there = {each.file.file_path: each.file for each in now}
        gone = [file for path, file in there.items() if path not in then]
        return gone, [file for path, file in then.items() if path not in there]

    def _snapshot(self, table: "Table", version: str) -> "Snapshot":
        snapshot_id = self._table.snapshot_id(table, version)
        return next(each for each in table.snapshots() if each.snapshot_id == snapshot_id)

    def _known(self, table: "Table | None") -> "Table":
        if table is None:
            raise self._not_found()
        return table

    def _result(
        self, name: OperationName, table: "Table", *, changed: bool, dry_run: bool, **facts: Any
    ) -> OperationResult:
        snapshot = (table if dry_run or not changed else self._open()).current_snapshot()
        return OperationResult(
            table=self.spec.path, operation=name, dry_run=dry_run, changed=changed,
            version=str(snapshot.snapshot_id) if snapshot else None, **facts,
        )  # fmt: skip


def _forget(table: "Table", ids: set[int]) -> Commit:
    """Returns once the snapshots are gone from the metadata, and their transactions are kept there as digests."""
    from pyiceberg.table.update.snapshot import ExpireSnapshots

    transactions = [transaction_of(each.summary) for each in table.snapshots() if each.snapshot_id in ids]
    digests = [digest_of(each) for each in transactions if each is not None]
    transaction = table.transaction()
    if digests:
        transaction.set_properties({FORGOTTEN: json.dumps([*remembered(table), *digests])})
    ExpireSnapshots(transaction).by_ids(sorted(ids)).commit()
    transaction.commit_transaction()
    return Commit(version=None)


def _needed(table: "Table") -> set[str]:
    """Returns the addresses of all files that the metadata, or a snapshot in it, names."""
    found = {table.metadata_location, *(each.metadata_file for each in table.metadata.metadata_log)}
    found |= {each.statistics_path for each in table.metadata.statistics}
    manifests: dict[str, ManifestFile] = {}
    for snapshot in table.snapshots():
        found.add(snapshot.manifest_list)
        manifests |= {each.manifest_path: each for each in snapshot.manifests(table.io)}
    for path, manifest in manifests.items():
        found.add(path)
        found |= {each.data_file.file_path for each in manifest.fetch_manifest_entry(table.io, discard_deleted=True)}
    return found


def _told(snapshot: "Snapshot") -> TableVersion:
    facts = snapshot.summary.additional_properties if snapshot.summary else {}
    own = str(snapshot.summary.operation.value) if snapshot.summary else ""
    return TableVersion(
        version=str(snapshot.snapshot_id),
        at=datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC),
        operation=facts.get(OPERATION, own),
        rows_added=int(facts.get("added-records", 0)),
        rows_deleted=int(facts.get("deleted-records", 0)),
        files_added=int(facts.get("added-data-files", 0)),
        files_removed=int(facts.get("deleted-data-files", 0)),
        said={name.removeprefix(SAID): value for name, value in facts.items() if name.startswith(SAID)},
    )


def _partition(task: "FileScanTask") -> str | None:
    record = task.file.partition
    return str(record[0]) if len(record) else None


def _size(files: "Sequence[DataFile]") -> int:
    return sum(each.file_size_in_bytes for each in files)
