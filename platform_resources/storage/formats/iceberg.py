"""Tables in Apache Iceberg, through pyiceberg: every write is one snapshot, and two writers lose nothing."""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

import polars as pl

from platform_resources.errors import (
    CatalogueLost,
    ColumnNotFound,
    InvalidTableSpec,
    MetadataLost,
    PositionMoved,
    TableDamaged,
    UnreadableTable,
    UnsupportedOperation,
    VersionNotFound,
)
from platform_resources.storage import columns
from platform_resources.storage.caches import Cache
from platform_resources.storage.caches.snapshot import Snapshot, Source
from platform_resources.storage.conflicts import retried
from platform_resources.storage.damage import is_json
from platform_resources.storage.folder import Folder, folder_at
from platform_resources.storage.formats.base import TableFormat
from platform_resources.storage.formats.iceberg_branch import as_of, brought, metadata_number
from platform_resources.storage.formats.iceberg_catalog import (
    MARKER,
    PROMOTED,
    catalogue_exists,
    catalogue_url,
    exchange_metadata,
    identifier,
    metadata_in_file,
    metadata_location,
    open_catalogue,
    translate_catalogue_errors,
)
from platform_resources.storage.formats.iceberg_commit import (
    OPERATION,
    PROPERTIES,
    SAID,
    Change,
    commit,
    discarding,
    forget_snapshots,
    known_number,
    position_of,
    properties_of,
    rows_of,
    summary_of,
    table_parts,
    version_of,
)
from platform_resources.storage.formats.iceberg_files import damage, needed_files, unreadable
from platform_resources.storage.formats.iceberg_frames import (
    iceberg_schema,
    logical_schema,
    read_files,
    scanned,
    widened,
    write_files,
)
from platform_resources.storage.formats.iceberg_snapshot import read_kept, snapshot_of
from platform_resources.storage.formats.limits import refuse_case, refuse_lossy, refuse_other_partitioning
from platform_resources.storage.merge import compared_columns, plan_merge, touched_partitions
from platform_resources.storage.operations.layout import LiveFile, Packing, bins, pack_in_order, zordered
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
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask, Table
    from pyiceberg.table.snapshots import Snapshot as TableSnapshot

_FILE = "\0file"
_NEWEST_WRITTEN = 2
"""The newest format version of Iceberg that pyiceberg writes; it reads the third."""

_KEYS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")


class IcebergFormat(TableFormat):
    """An Iceberg table on disk or S3: its rows, history, files and upkeep."""

    marker = "metadata"
    data_folder = "data/"

    def exists(self) -> bool:
        """Ask whether the catalogue knows the table."""
        return self._opened() is not None

    def version(self) -> str | None:
        """Read the id of the current snapshot."""
        table = self._opened()
        return None if table is None else version_of(table)

    def position(self, app_id: str) -> int | None:
        """Return the number of a stream's last write; None where it wrote nothing."""
        table = self._opened()
        return None if table is None else position_of(table, app_id)

    def refuse_unfit(self, frame: pl.DataFrame) -> None:
        """Refuse what Iceberg does not keep."""
        refuse_lossy(self.spec, frame)

    def write(self, rows: Rows) -> Commit:
        """Write the rows in one commit; on a conflict start again from a fresh snapshot."""
        return self._retried(lambda table: self._write(table, rows))

    def update(self, column: str, values: Sequence[Any], changes: Mapping[str, Any]) -> Commit:
        """Set columns of some rows in one commit."""
        return self._retried(lambda table: self._change(table, column, values, changes))

    def delete(self, column: str, values: Sequence[Any]) -> Commit:
        """Remove some rows in one commit."""
        return self._retried(lambda table: self._change(table, column, values, None))

    def _opened(self) -> "Table | None":
        """Open the table as it is now; None where there is none. pyiceberg's own retries are off, whoever made it.

        Raises:
            InvalidTableSpec: the catalogue is another lake's.
            MetadataLost: the file that the catalogue names is not there.
            UnreadableTable: another engine wrote it in a version of Iceberg, or with a type, that is not known here.
        """
        from pyiceberg.exceptions import NoSuchTableError, ValidationError

        if not catalogue_exists(self.settings):
            return None
        try:
            table = self._catalogue.load_table(self._identifier)
        except NoSuchTableError:
            return None
        except FileNotFoundError as error:
            self._folder.entries("metadata")  # S3 answers a HEAD with 404 also where it only refuses the credentials
            raise MetadataLost(self.spec.path, str(metadata_location(self._catalogue, self._identifier))) from error
        except ValidationError as error:
            place = str(metadata_location(self._catalogue, self._identifier))
            version = self._format_version(place)
            if version is not None:
                feature = f"format version {version}, or a type that is new in it"
                raise UnreadableTable(self.spec.path, feature, kind="Iceberg") from error
            raise MetadataLost(self.spec.path, place, there=True) from error
        if table.location() != self.location:
            raise InvalidTableSpec(
                self.spec.path,
                f"is {table.location()} to the Iceberg catalogue and {self.location} to the settings",
                fix="give each lake a catalogue of its own by PLATFORM_ICEBERG_CATALOG",
            )
        table.metadata.properties["commit.retry.num-retries"] = "0"
        return table

    def _format_version(self, place: str) -> int | None:
        """Read the version that a metadata file says it is written in; None where the file is not whole."""
        content = self._folder.read(place.removeprefix(f"{self._folder.uri('')}/"))
        document = json.loads(content) if is_json(content) else None
        version: int | None = document.get("format-version") if isinstance(document, dict) else None
        return version

    def _existing(self) -> "Table":
        """Open the table as it is now; raises TableNotFound."""
        return self._required(self._opened())

    def _required(self, table: "Table | None") -> "Table":
        if table is None:
            raise self._not_found()
        return table

    def damage(self) -> TableDamaged | None:
        """Find which file the latest snapshot lacks; None where it is whole."""
        table = self._opened()
        return None if table is None else damage(self.spec, self._folder, table, table.current_snapshot())

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Open a context that tells in our words what goes wrong with the table, or with the catalogue."""
        with super().telling(), translate_catalogue_errors(self.spec, catalogue_url(self.settings)):
            yield

    def _retried(self, attempt: "Callable[[Table | None], Commit]") -> Commit:
        """Make an attempt and return its result; one that lost to another writer is made again on a fresh snapshot."""
        from pyiceberg.exceptions import CommitFailedException, TableAlreadyExistsError, ValidationException

        return retried(
            attempt,
            table=self.spec.path,
            snapshot=self._writable,
            version=lambda table: None if table is None else table.metadata_location,
            errors=(CommitFailedException, TableAlreadyExistsError, ValidationException, FileNotFoundError),
        )

    def _writable(self) -> "Table | None":
        """Open the table to write; raises UnreadableTable where it has a format version that nobody here writes."""
        table = self._opened()
        if table is not None and table.format_version > _NEWEST_WRITTEN:
            feature = f"format version {table.format_version}"
            raise UnreadableTable(self.spec.path, feature, verb="written", kind="Iceberg")
        return table

    def _rows_at(self, table: "Table", version: str | int | None = None) -> pl.LazyFrame:
        """Read the rows of a version, or of the latest; raises VersionNotFound."""
        return scanned(table, self._options, None if version is None else self._snapshot_id(table, str(version)))

    def _snapshot_id(self, table: "Table", version: str) -> int:
        """Read the id of a snapshot; raises VersionNotFound."""
        if not (version.isascii() and version.isdigit()) or table.snapshot_by_id(int(version)) is None:
            raise VersionNotFound(self.spec.path, version)
        return int(version)

    def _commit(self, table: "Table", change: Change) -> "list[DataFile]":
        """Make one commit on the table as it was opened, and return the data files that came with it."""
        return commit(table.transaction(), self._folder, change)

    @cached_property
    def _catalogue(self) -> "SqlCatalog":
        """The catalogue, by a connection of this object's own."""
        return open_catalogue(self.settings)

    @property
    def _identifier(self) -> tuple[str, str]:
        """What the catalogue calls the table."""
        return identifier(self.settings, self.spec)

    @property
    def _folder(self) -> Folder:
        """Where the table's files lie."""
        return folder_at(self.location, self.s3)

    @property
    def _options(self) -> dict[str, Any] | None:
        """What Polars reads S3 with; its Iceberg scan takes no function that renews credentials, so these are given."""
        if not self.location.startswith("s3://"):
            return None
        keys = {name: value for name, value in self.s3.delta_options().items() if name.startswith(_KEYS)}
        return {**self.s3.polars_options(), **keys}

    def _scan(self, partitions: Sequence[str] | None, version: str | int | None) -> pl.LazyFrame:
        table = self._existing()
        return self._only(self._rows_at(table, version), partitions)

    def _snapshot(self, cache: Cache, partitions: Sequence[str] | None) -> Source | None:
        snapshot, column = self._latest(cache), self.spec.partition_column
        if snapshot is None or (partitions is not None and column not in snapshot.partition_columns):
            return None
        known = snapshot
        if partitions is not None:
            snapshot = snapshot.only(str(column), list(map(str, partitions)))
        return Source(
            snapshot,
            lambda: self._only(scanned(self._as_of(known), self._options), partitions),
            lambda uris, names: read_kept(known, uris, names, self._options if uris[0].startswith("s3://") else None),
        )

    def _latest(self, cache: Cache) -> Snapshot | None:
        """Find the latest snapshot: the one remembered, if the catalogue and S3 still say its metadata, or anew.

        The catalogue says the version; the metadata file is asked for too, so that a table whose files are gone, or may
        not be read any more, is not read from the cache.
        """
        own = self.settings.iceberg is None
        place = (
            metadata_in_file(self.settings, self._identifier)
            if own
            else metadata_location(self._catalogue, self._identifier)
        )
        if place is None:
            return None
        cache.counters.add(revalidations=1)
        proof, known = cache.remote.etag(place), cache.recall(self.location)
        if known is not None and (known.version, known.proof) == (place, proof):
            return known
        table = self._opened() if proof is not None else None
        if table is None or table.metadata_location != place:
            return None  # it is gone, or somebody was faster: read without a cache
        snapshot = snapshot_of(table, str(proof), self.spec.partition_column)
        if snapshot is not None:
            cache.remember(self.location, snapshot)
        return snapshot

    def _as_of(self, known: Snapshot) -> "Table":
        """Open the table as its metadata file says it, whatever was committed since."""
        from pyiceberg.table import StaticTable

        return StaticTable.from_metadata(known.version, self._catalogue.properties)

    def _write(self, table: "Table | None", rows: Rows) -> Commit:
        if table is None:
            rows.guard.check(self.spec.path, version=None, position=None)
            return self._create(rows)
        refuse_other_partitioning(self.spec, [field.name for field in table.spec().fields])
        known = known_number(table, rows.guard)
        if rows.guard.is_repeated(known):
            return _unchanged(table)
        rows.guard.check(self.spec.path, version=version_of(table), position=known)
        if rows.partitions == ():
            return self._noted(table, rows)
        return {"overwrite": self._overwrite, "append": self._append, "merge": self._merge}[self.spec.mode](table, rows)

    def _create(self, rows: Rows) -> Commit:
        """Make the table and put the rows in, in one commit."""
        self._refuse_other_format()
        self._refuse_lost_catalogue()
        frame = columns.fit(self.spec.path, rows.frame, None, "refuse")
        if missing := [name for name in self.spec.sort_by if name not in frame.columns]:
            raise ColumnNotFound(self.spec.path, missing, frame.columns)
        schema = iceberg_schema(frame.schema)
        parts: dict[str, Any] = table_parts(schema, self.spec.partition_column, self.spec.sort_by)
        creation = self._catalogue.create_table_transaction(
            self._identifier,
            schema,
            location=self.location,
            properties={**PROPERTIES, **properties_of(rows.guard)},
            **parts,
        )
        summary = summary_of(rows.guard, rows.commit_metadata)
        added = commit(creation, self._folder, Change(add=self._frames(rows, frame), said=summary))
        self._folder.write(MARKER, b"the Iceberg catalogue knows this table\n")
        return self._commit_of(self._existing(), added, rows_written=rows.height)

    def _refuse_lost_catalogue(self) -> None:
        from pyiceberg.exceptions import TableAlreadyExistsError

        if any(entry.name == MARKER for entry in self._folder.entries("metadata")):
            if self._opened() is not None:
                raise TableAlreadyExistsError(self.spec.path)
            raise CatalogueLost(self.spec.path, self.location)

    def _append(self, table: "Table", rows: Rows) -> Commit:
        frame = self._fitted(table, rows.frame)
        change = Change(add=self._frames(rows, frame), schema=widened(table.schema(), frame))
        return self._committed(table, rows, change, written=rows.height)

    def _overwrite(self, table: "Table", rows: Rows) -> Commit:
        """Replace the partitions in one commit, or the whole table when none are named."""
        renewed = rows.partitions is None and self.spec.schema_evolution == "add"
        frame = columns.fit(self.spec.path, rows.frame, None, "add") if renewed else self._fitted(table, rows.frame)
        schema = (
            frame.schema
            if renewed and frame.schema != logical_schema(table.schema())
            else widened(table.schema(), frame)
        )
        removed_files = [task.file for task in self._tasks(table, rows.partitions)]
        change = Change(remove=removed_files, add=self._frames(rows, frame), schema=schema)
        return self._committed(table, rows, change, written=rows.height)

    def _merge(self, table: "Table", rows: Rows) -> Commit:
        """Commit the rows that differ, or nothing when none do; files without such rows stay."""
        frame = self._fitted(table, rows.frame)
        known = self._rows_at(table)
        merged_names = list(dict.fromkeys([*self.spec.key, *compared_columns(self.spec, frame.columns)]))
        keys = frame if rows.spool is None else rows.spool.lazily_fitted(frame.schema).select(merged_names).collect()
        replaced, dead = rows.replace_values, rows.deleted_keys
        touched = touched_partitions(self.spec, known, keys, replace_values=replaced, deleted_keys=dead)
        tasks = self._tasks(table, touched)
        stored_names = logical_schema(table.schema()).names()
        current = self._by_file(table, tasks, [name for name in merged_names if name in stored_names])
        plan = plan_merge(self.spec, keys, current.drop(_FILE), replace_values=replaced, deleted_keys=dead)
        if plan.is_empty:
            return self._noted(table, rows)
        key = list(self.spec.key)
        changed = pl.concat([plan.upserts.select(key), plan.deletes.select(key)])
        hit = sorted(current.join(changed, on=key, how="semi")[_FILE].unique())
        unchanged = self._read(table, [tasks[place] for place in hit]).join(changed, on=key, how="anti")
        add: Iterator[pl.DataFrame]
        if rows.spool is None:
            add = iter([self._sorted(pl.concat([unchanged, plan.upserts], how="diagonal").select(frame.columns))])
        else:
            upserts, spooled = plan.upserts.select(key), rows.spool.fitted(frame.schema)
            written = (part.join(upserts, on=key, how="semi", maintain_order="left") for part in spooled)
            lacking = pl.concat([unchanged, frame.clear()], how="diagonal").select(frame.columns)
            add = map(self._sorted, chain([lacking], written))
        change = Change(
            remove=[tasks[place].file for place in hit],
            add=add,
            schema=widened(table.schema(), frame),
        )
        return self._committed(table, rows, change, written=plan.upserts.height, deleted=plan.deletes.height)

    def _change(
        self, table: "Table | None", column: str, values: Sequence[Any], changes: Mapping[str, Any] | None
    ) -> Commit:
        """Change the rows in one commit, or delete them where there are no changes."""
        if table is None:
            return Commit(version=None, changed=False)
        schema, tasks = logical_schema(table.schema()), self._tasks(table)
        self._checked([column, *(changes or {})], schema.names())
        concerned_values = pl.Series(column, list(values), dtype=schema[column])
        concerned_rows = self._by_file(table, tasks, [column]).filter(pl.col(column).is_in(concerned_values.implode()))
        if concerned_rows.is_empty():
            return _unchanged(table)
        hit = [tasks[place] for place in sorted(concerned_rows[_FILE].unique())]
        concerned = pl.col(column).is_in(concerned_values.implode()).fill_null(value=False)
        if changes is None:
            new_rows = self._read(table, hit).filter(~concerned)
        else:
            new = [pl.when(concerned).then(pl.lit(value, dtype=schema[name])).otherwise(pl.col(name)).alias(name)
                   for name, value in changes.items()]  # fmt: skip
            new_rows = self._read(table, hit).with_columns(new)
        added = self._commit(table, Change(remove=[task.file for task in hit], add=[self._sorted(new_rows)]))
        written, deleted = (0, concerned_rows.height) if changes is None else (concerned_rows.height, 0)
        return self._commit_of(self._existing(), added, rows_written=written, rows_deleted=deleted)

    def _tasks(self, table: "Table", partitions: Sequence[str] | None = None) -> "list[FileScanTask]":
        """List the current snapshot's data files in some partitions, all of them for None."""
        if table.current_snapshot() is None:
            return []
        tasks = list(table.scan().plan_files())
        if partitions is None:
            return tasks
        labels = set(map(str, partitions))
        return [task for task in tasks if str(task.file.partition[0]) in labels]

    def _read(
        self, table: "Table", tasks: "Sequence[FileScanTask]", names: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Read the rows of some data files, or some columns of them.

        Raises:
            UnsupportedOperation: another engine has deleted single rows of a file, which would come back.
        """
        if any(task.delete_files for task in tasks):
            raise UnsupportedOperation(
                self.spec.path, "another engine has deleted single rows in it", fix="rewrite its files with that engine"
            )
        schema = logical_schema(table.schema())
        if not tasks:
            return pl.DataFrame(schema={name: schema[name] for name in names or schema})
        return read_files(table, tasks, names, self._options)

    def _by_file(self, table: "Table", tasks: "Sequence[FileScanTask]", names: Sequence[str]) -> pl.DataFrame:
        """Read some columns of some files, and in a further one the place of the row's file among them."""
        read = [self._read(table, [task], names).with_columns(pl.lit(n).alias(_FILE)) for n, task in enumerate(tasks)]
        return pl.concat([self._read(table, [], names).with_columns(pl.lit(0).alias(_FILE)), *read])

    def _committed(self, table: "Table", rows: Rows, change: Change, *, written: int, deleted: int = 0) -> Commit:
        named = {OPERATION: "merge"} if self.spec.mode == "merge" else {}  # to Iceberg it is an overwrite
        summary = {**named, **summary_of(rows.guard, rows.commit_metadata)}
        added = self._commit(table, replace(change, said=summary, properties=properties_of(rows.guard)))
        return self._commit_of(self._existing(), added, rows_written=written, rows_deleted=deleted)

    def _noted(self, table: "Table", rows: Rows) -> Commit:
        """Commit nothing but the transaction of a write without rows; where it has none, nothing at all."""
        if rows.guard.transaction is None:
            return _unchanged(table)
        self._committed(table, rows, Change(), written=0)
        return _unchanged(self._existing())

    def _frames(self, rows: Rows, fitted: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Yield the fitted rows, or the spooled ones in their columns; those of each file are sorted."""
        return map(self._sorted, [fitted] if rows.spool is None else rows.spool.fitted(fitted.schema))

    def _sorted(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.sort(self.spec.sort_by, maintain_order=True) if self.spec.sort_by else frame

    def _fitted(self, table: "Table", frame: pl.DataFrame) -> pl.DataFrame:
        fitted = columns.fit(self.spec.path, frame, logical_schema(table.schema()), self.spec.schema_evolution)
        refuse_case(self.spec, fitted)  # a new column beside one that the table has
        return fitted

    def _commit_of(
        self, table: "Table", added: "Sequence[DataFile]", *, rows_written: int, rows_deleted: int = 0
    ) -> Commit:
        values = {str(data_file.partition[0]) for data_file in added} if self.spec.partition_column else set()
        return Commit(
            version=version_of(table),
            rows_written=rows_written,
            rows_deleted=rows_deleted,
            rows_total=rows_of(table),
            size_bytes=sum(data_file.file_size_in_bytes for data_file in added),
            files=len(added),
            partitions=tuple(sorted(values)),
        )

    def history(self, limit: int | None = None) -> list[TableVersion]:
        """List the snapshots that are not expired, newest first."""
        snapshots = sorted(
            self._existing().snapshots(), key=lambda snapshot: snapshot.sequence_number or 0, reverse=True
        )
        return [_version(snapshot) for snapshot in snapshots[:limit]]

    def compact(
        self,
        *,
        partitions: Sequence[str] | None = None,
        target_bytes: int = TARGET_BYTES,
        dry_run: bool = False,
        pack: Packing | None = None,
    ) -> OperationResult:
        """Pack small files together in one commit, sorted where the table has a sort order."""
        return self._rewritten("compact", partitions, target_bytes, (), dry_run=dry_run, pack=pack or pack_in_order)

    def zorder(
        self, columns: Sequence[str], *, partitions: Sequence[str] | None = None, dry_run: bool = False
    ) -> OperationResult:
        """Write all files of the partitions anew in one commit, along a Z-order curve."""
        self._check_order(columns, logical_schema(self._existing().schema()).names())
        return self._rewritten("zorder", partitions, TARGET_BYTES, tuple(columns), dry_run=dry_run)

    def vacuum(self, *, keep: timedelta = DEFAULT_KEEP, dry_run: bool = True) -> OperationResult:
        """Delete the files that are older than `keep`, and named by no snapshot that is left.

        Snapshots are what `expire` forgets; their files go here. In the folder of a branch from which the table was
        promoted nothing is deleted: the environment reads files there that this table may name no more.
        """
        keep = self._checked_keep(keep)
        table = self._existing()
        if any(entry.name == PROMOTED for entry in self._folder.entries("metadata")):
            return self._result("vacuum", table, changed=False, dry_run=dry_run)
        folder, needed, until = self._folder, needed_files(table), datetime.now(UTC) - keep
        unneeded = [
            entry for entry in folder.entries() if folder.uri(entry.name) not in needed and entry.name != MARKER
        ]
        dead_files = [leftover for leftover in [*unneeded, *folder.leftovers()] if leftover.modified < until]
        if not dry_run:
            for dead_file in dead_files:
                folder.remove(dead_file.name)
        return self._result(
            "vacuum", table, changed=bool(dead_files), dry_run=dry_run, files_removed=len(dead_files),
            bytes_removed=sum(dead_file.size_bytes for dead_file in dead_files),
            files=tuple(dead_file.name for dead_file in dead_files),
        )  # fmt: skip

    def expire(self, *, keep: timedelta = DEFAULT_KEEP, dry_run: bool = True) -> OperationResult:
        """Forget old snapshots; their transactions are remembered, their files go by a vacuum."""
        keep = self._checked_keep(keep)
        table = self._existing()
        until = datetime.now(UTC) - keep
        old = [version for version in self.history() if version.at < until][1:]
        protected = {str(ref.snapshot_id) for ref in table.metadata.refs.values()}
        expired = [version.version for version in reversed(old) if version.version not in protected]
        if expired and not dry_run:
            self._retried(lambda current: forget_snapshots(self._required(current), set(map(int, expired))))
        return self._result("expire", table, changed=bool(expired), dry_run=dry_run, versions_removed=tuple(expired))

    def restore(
        self, version: str | int | None = None, *, at: datetime | None = None, dry_run: bool = True
    ) -> OperationResult:
        """Make the version's rows current again in one commit; columns added since are null in them."""
        target = self._wanted(version, at)
        table = self._existing()
        if doomed := self._doomed(table, target):
            return self._gone_back(table, target, doomed, dry_run=dry_run)
        dropped, back = self._difference(table, target)
        changed = (
            bool(dropped or back) or self._snapshot_of(table, target).schema_id != table.metadata.current_schema_id
        )
        if changed and not dry_run:
            self._retried(lambda current: self._restore(self._required(current), target))
        return self._result(
            "restore", table, changed=changed, dry_run=dry_run, restored=target,
            files_removed=len(dropped), bytes_removed=_size(dropped),
            files_added=len(back), bytes_added=_size(back),
        )  # fmt: skip

    def lend(self, version: str, to: TableFormat) -> None:
        """Enter a table into the branch's catalogue whose metadata names this one's files."""
        if not isinstance(to, IcebergFormat) or to.exists():
            return
        table = self._existing()
        metadata = as_of(table, self._snapshot_id(table, version), location=to.location)
        to.enter(metadata, before=None)

    def take(self, other: TableFormat, since: str | None) -> str:
        """Name the other's files, which stay where they are, in this one's metadata, by one change of the catalogue."""
        self._refuse_moved(since)
        table = self._opened()
        theirs = other._existing() if isinstance(other, IcebergFormat) else None  # noqa: SLF001 - another of this class
        if theirs is None:
            raise InvalidTableSpec(self.spec.path, "was materialised in another format", fix="declare a new version")
        folder_at(other.location, other.s3).write(PROMOTED, b"the environment reads files of this folder\n")
        if not self.enter(brought(table, theirs, location=self.location), before=table):
            raise PositionMoved(self.spec.path, "version", expected=since, actual=self.version())
        return str(self.version())

    def resume_take(self, other: TableFormat, since: str | None, before: Mapping[str, str]) -> str | None:  # noqa: ARG002 - a change of the catalogue is whole
        """Find the other's snapshot among this table's; a new table may still lack its marker."""
        table, version = self._opened(), other.version()
        if (
            table is None
            or version is None
            or version not in {str(snapshot.snapshot_id) for snapshot in table.snapshots()}
        ):
            return None
        self._folder.write(MARKER, b"the Iceberg catalogue knows this table\n")
        return version

    def forget(self) -> None:
        """Let the catalogue forget the table; its files stay."""
        self._catalogue.drop_table(self._identifier)
        self._folder.remove(MARKER)

    def enter(self, metadata: Mapping[str, Any], *, before: "Table | None") -> bool:
        """Write metadata, and let the catalogue name it in the place of what it was; False where that has changed."""
        number = 0 if before is None else 1 + metadata_number(before.metadata_location)
        name = f"metadata/{number:05}-{uuid.uuid4()}.metadata.json"
        self._folder.write(name, json.dumps(metadata).encode())
        place = self._folder.uri(name)
        if before is None:
            self._catalogue.create_namespace_if_not_exists(self._identifier[0])
            self._catalogue.register_table(self._identifier, place)
            self._folder.write(MARKER, b"the Iceberg catalogue knows this table\n")
            return True
        return exchange_metadata(self._catalogue, self._identifier, before.metadata_location, place)

    def register(self) -> str:
        """Enter a table that the catalogue had lost, by the newest metadata in its folder, and return its version.

        A table whose metadata is not where the catalogue says is lost too, and is forgotten first.

        Raises:
            InvalidTableSpec: the catalogue knows the table.
            TableNotFound: no metadata lies there; the next write makes the table anew.
        """
        try:
            if self.exists():
                raise InvalidTableSpec(self.spec.path, "is in the catalogue already", fix="read it")
        except MetadataLost:
            self._catalogue.drop_table(self._identifier)
        newest = self._newest_metadata()
        if newest is None:
            self._folder.remove(MARKER)
            raise self._not_found()
        catalogue, (namespace, _) = self._catalogue, self._identifier
        catalogue.create_namespace_if_not_exists(namespace)
        table = catalogue.register_table(self._identifier, self._folder.uri(newest))
        snapshot = table.current_snapshot()
        return str(snapshot.snapshot_id) if snapshot else ""

    def _newest_metadata(self) -> str | None:
        """Find the youngest metadata file that is whole."""
        folder = self._folder
        metadata_files = [entry.name for entry in folder.entries("metadata") if entry.name.endswith(".metadata.json")]
        metadata_files.sort(key=lambda name: int(name.rpartition("/")[2].partition("-")[0]), reverse=True)
        return next((name for name in metadata_files if is_json(folder.read(name))), None)

    def _live(self) -> tuple[str | None, Sequence[LiveFile]]:
        table = self._existing()
        snapshot = table.current_snapshot()
        live = [LiveFile(_partition(task), task.file.file_size_in_bytes, task.file.record_count)
                for task in self._tasks(table)]  # fmt: skip
        return (str(snapshot.snapshot_id) if snapshot else None), live

    def file_statistics(self) -> Sequence[FileStatistics]:
        """Read the statistics of the manifests; bounds of 64 bits and less, and of short texts."""
        from pyiceberg.conversions import from_bytes
        from pyiceberg.types import PrimitiveType

        table, files = self._existing(), []
        fields = {field.field_id: (field.name, field.field_type) for field in table.schema().fields}
        for file in (task.file for task in self._tasks(table)):
            nulls, low, high = file.null_value_counts or {}, file.lower_bounds or {}, file.upper_bounds or {}
            bounds = {}
            for field_id, (name, kind) in fields.items():
                if field_id in low and field_id in high and isinstance(kind, PrimitiveType):
                    ends = [_moment(str(kind), from_bytes(kind, end)) for end in (low[field_id], high[field_id])]
                    if both := trusted_bounds(*ends):
                        bounds[name] = both
            named = {name: nulls[field_id] for field_id, (name, _) in fields.items() if field_id in nulls}
            files.append(FileStatistics(file.record_count, named, bounds))
        return files

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
        """Replace groups of files by as many rows in fewer files, in one commit."""
        self._check_partitions(partitions)
        table = self._existing()
        groups = self._groups(table, partitions, target_bytes, None if along else pack)
        if not groups or dry_run:
            removed = [task.file for group in groups for task in group]
            size = _size(removed)
            return self._result(
                name, table, changed=bool(groups), dry_run=dry_run, files_removed=len(removed),
                files_added=len(groups), bytes_removed=size, bytes_added=size,
            )  # fmt: skip
        rewritten: dict[str, list[DataFile]] = {}

        def attempt(current: "Table | None") -> Commit:
            opened = self._required(current)
            chosen = self._groups(opened, partitions, target_bytes, None if along else pack)
            rewritten["removed"] = [task.file for group in chosen for task in group]
            rewritten["added"] = self._rewrite(opened, chosen, name, along)
            return Commit(version=None)

        self._retried(attempt)
        return self._result(
            name, self._existing(), changed=True, dry_run=False,
            files_removed=len(rewritten["removed"]), bytes_removed=_size(rewritten["removed"]),
            files_added=len(rewritten["added"]), bytes_added=_size(rewritten["added"]),
        )  # fmt: skip

    def _groups(
        self, table: "Table", partitions: Sequence[str] | None, target_bytes: int, pack: Packing | None
    ) -> "list[list[FileScanTask]]":
        """Return the files to be rewritten together: those that are packed, or whole partitions without a packing."""
        tasks = self._tasks(table, partitions)
        if pack is not None:
            return bins(tasks, lambda task: (_partition(task), task.file.file_size_in_bytes), target_bytes, pack)
        groups: dict[str | None, list[FileScanTask]] = {}
        for task in tasks:
            groups.setdefault(_partition(task), []).append(task)
        return list(groups.values())

    def _rewrite(
        self, table: "Table", groups: "list[list[FileScanTask]]", name: OperationName, along: Sequence[str]
    ) -> "list[DataFile]":
        """Rewrite groups of files in one commit, and return the new ones; a group at a time is held in memory."""
        added = list[Any]()
        with discarding(self._folder, added):
            for group in groups:
                frame = self._read(table, group)
                ordered = zordered(frame, along) if along else frame.sort(self.spec.sort_by, maintain_order=True)
                files = max(1, round(_size([task.file for task in group]) / TARGET_BYTES))
                added += write_files(
                    table.metadata, self._folder, ordered if along or self.spec.sort_by else frame, files=files
                )
            order = {f"{SAID}{ZORDER}": json.dumps(list(along))} if along else {}
            change = Change(
                remove=[task.file for group in groups for task in group], files=added, said={OPERATION: name, **order}
            )
            return self._commit(table, change)

    def _restore(self, table: "Table", target: str) -> Commit:
        dropped, back = self._difference(table, target)
        schema_id = self._snapshot_of(table, target).schema_id
        change = Change(
            remove=dropped,
            files=back,
            schema_id=None if schema_id == table.metadata.current_schema_id else schema_id,
            said={OPERATION: "restore", f"{SAID}restored": target},
        )
        self._commit(table, change)
        return Commit(version=None)

    def _doomed(self, table: "Table", target: str) -> set[int]:
        """Find the snapshots that cannot be read, where the current one is of them and the wanted one is not."""
        lost = unreadable(table, self._folder)
        return lost if self._snapshot_id(table, target) not in lost else set()

    def _gone_back(self, table: "Table", target: str, doomed: set[int], *, dry_run: bool) -> OperationResult:
        """Make the wanted snapshot itself current, and forget those that cannot be read."""

        def attempt(current: "Table | None") -> Commit:
            known = self._required(current)
            known.manage_snapshots().set_current_snapshot(int(target)).commit()
            return forget_snapshots(self._existing(), doomed)

        if not dry_run:
            self._retried(attempt)
        back = list(table.scan(snapshot_id=int(target)).plan_files())
        return self._result(
            "restore", table, changed=True, dry_run=dry_run, restored=target, files_added=len(back),
            bytes_added=_size([task.file for task in back]), versions_removed=tuple(map(str, sorted(doomed))),
        )  # fmt: skip

    def _difference(self, table: "Table", target: str) -> "tuple[list[DataFile], list[DataFile]]":
        """Find the files that a restoring takes out, and those that it brings back."""
        tasks = list(table.scan(snapshot_id=self._snapshot_id(table, target)).plan_files())
        now = self._tasks(table)
        if any(task.delete_files for task in [*tasks, *now]):
            raise UnsupportedOperation(
                self.spec.path, "another engine has deleted single rows in it", fix="restore it with that engine"
            )
        then = {task.file.file_path: task.file for task in tasks}
        current_files = {task.file.file_path: task.file for task in now}
        dropped = [file for path, file in current_files.items() if path not in then]
        return dropped, [file for path, file in then.items() if path not in current_files]

    def _snapshot_of(self, table: "Table", version: str) -> "TableSnapshot":
        snapshot_id = self._snapshot_id(table, version)
        return next(snapshot for snapshot in table.snapshots() if snapshot.snapshot_id == snapshot_id)

    def _result(
        self, name: OperationName, table: "Table", *, changed: bool, dry_run: bool, **facts: Any
    ) -> OperationResult:
        snapshot = (table if dry_run or not changed else self._existing()).current_snapshot()
        return OperationResult(
            table=self.spec.path, operation=name, dry_run=dry_run, changed=changed,
            version=str(snapshot.snapshot_id) if snapshot else None, **facts,
        )  # fmt: skip


def _unchanged(table: "Table") -> Commit:
    return Commit(version=version_of(table), changed=False, rows_total=rows_of(table))


def _version(snapshot: "TableSnapshot") -> TableVersion:
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
    return sum(file.file_size_in_bytes for file in files)


def _moment(kind: str, value: Any) -> Any:
    """Return a bound as Python has it: days and microseconds since 1970 as a date or an instant, where there is one."""
    try:
        if kind == "date":
            return date(1970, 1, 1) + timedelta(days=value)
        if kind in ("timestamp", "timestamptz"):
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)
    except OverflowError:
        return None
    return value
