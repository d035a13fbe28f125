"""Tables in Apache Iceberg, through pyiceberg: every write is one snapshot, and two writers lose nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

import polars as pl

from platform_resources.errors import (
    CatalogueLost,
    ColumnNotFound,
    InvalidTableSpec,
    MetadataLost,
    TableDamaged,
    UnsupportedOperation,
    VersionNotFound,
)
from platform_resources.storage import columns
from platform_resources.storage.caches import Cache
from platform_resources.storage.caches.snapshot import Snapshot, Source
from platform_resources.storage.conflicts import retried
from platform_resources.storage.folder import Folder, folder_at
from platform_resources.storage.formats.base import TableFormat
from platform_resources.storage.formats.delta_limits import refuse_case, refuse_lossy, refuse_other_partitioning
from platform_resources.storage.formats.iceberg_catalog import (
    MARKER,
    catalogue_exists,
    catalogue_url,
    identifier,
    metadata_in_file,
    metadata_location,
    open_catalogue,
)
from platform_resources.storage.formats.iceberg_commit import (
    OPERATION,
    PROPERTIES,
    Change,
    commit,
    known_number,
    position_of,
    properties_of,
    rows_of,
    summary_of,
    table_parts,
    version_of,
)
from platform_resources.storage.formats.iceberg_damage import damage
from platform_resources.storage.formats.iceberg_frames import (
    iceberg_schema,
    logical_schema,
    read_files,
    scanned,
    widened,
)
from platform_resources.storage.formats.iceberg_refusals import told
from platform_resources.storage.formats.iceberg_snapshot import read_kept, taken
from platform_resources.storage.merge import compared_columns, plan_merge, touched_partitions
from platform_resources.storage.table import Commit, Rows

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask, Table

_FILE = "\0file"
_KEYS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")


class IcebergFormat(TableFormat):
    """An Iceberg table on disk or S3."""

    def exists(self) -> bool:
        """Returns whether the catalogue knows the table."""
        return self.opened() is not None

    def version(self) -> str | None:
        """Returns the id of the current snapshot."""
        table = self.opened()
        return None if table is None else version_of(table)

    def position(self, app_id: str) -> int | None:
        """Return the number of a stream's last write; None where it wrote nothing."""
        table = self.opened()
        return None if table is None else position_of(table, app_id)

    def write(self, rows: Rows) -> Commit:
        """Returns the commit; on a conflict the write starts again from a fresh snapshot."""
        for frame in rows.frames():
            refuse_lossy(self.spec, frame)
        return self.retried(lambda table: self._write(table, rows))

    def update(self, column: str, values: Sequence[Any], changes: Mapping[str, Any]) -> Commit:
        """Returns the commit that set columns of some rows."""
        return self.retried(lambda table: self._change(table, column, values, changes))

    def delete(self, column: str, values: Sequence[Any]) -> Commit:
        """Returns the commit that removed some rows."""
        return self.retried(lambda table: self._change(table, column, values, None))

    def opened(self) -> "Table | None":
        """Returns the table as it is now, or None; pyiceberg's own retries are off, whoever made it.

        Raises:
            InvalidTableSpec: the catalogue is another lake's.
            MetadataLost: the file that the catalogue names is not there.
        """
        from pyiceberg.exceptions import NoSuchTableError, ValidationError

        if not catalogue_exists(self.settings):
            return None
        try:
            table = self.catalogue.load_table(self.identifier)
        except NoSuchTableError:
            return None
        except FileNotFoundError as error:
            self.folder.entries("metadata")  # S3 answers a HEAD with 404 also where it only refuses the credentials
            raise MetadataLost(self.spec.path, str(metadata_location(self.catalogue, self.identifier))) from error
        except ValidationError as error:
            place = str(metadata_location(self.catalogue, self.identifier))
            raise MetadataLost(self.spec.path, place, there=True) from error
        if table.location() != self.location:
            raise InvalidTableSpec(
                self.spec.path,
                f"is {table.location()} to the Iceberg catalogue and {self.location} to the settings",
                fix="give each lake a catalogue of its own by PLATFORM_ICEBERG_CATALOG",
            )
        table.metadata.properties["commit.retry.num-retries"] = "0"
        return table

    def damage(self) -> TableDamaged | None:
        """Returns which file the latest snapshot lacks, or None."""
        table = self.opened()
        return None if table is None else damage(self.spec, self.folder, table, table.current_snapshot())

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Returns a context that tells in our words what goes wrong with the table, or with the catalogue."""
        with super().telling(), told(self.spec, catalogue_url(self.settings)):
            yield

    def retried(self, attempt: "Callable[[Table | None], Commit]") -> Commit:
        """Returns what an attempt returns; one that lost to another writer is made again on a fresh snapshot."""
        from pyiceberg.exceptions import CommitFailedException, TableAlreadyExistsError, ValidationException

        return retried(
            attempt,
            table=self.spec.path,
            snapshot=self.opened,
            version=lambda table: None if table is None else table.metadata_location,
            errors=(CommitFailedException, TableAlreadyExistsError, ValidationException, FileNotFoundError),
        )

    def rows_at(self, table: "Table", version: str | int | None = None) -> pl.LazyFrame:
        """Returns the rows of a version, or of the latest; raises VersionNotFound."""
        return scanned(table, self._options, None if version is None else self.snapshot_id(table, str(version)))

    def snapshot_id(self, table: "Table", version: str) -> int:
        """Returns the id of a snapshot; raises VersionNotFound."""
        if not (version.isascii() and version.isdigit()) or table.snapshot_by_id(int(version)) is None:
            raise VersionNotFound(self.spec.path, version)
        return int(version)

    def commit(self, table: "Table", change: Change) -> "list[DataFile]":
        """Returns the data files that came with one commit on the table as it was opened."""
        return commit(table.transaction(), self.folder, change)

    @cached_property
    def catalogue(self) -> "SqlCatalog":
        """The catalogue, by a connection of this object's own."""
        return open_catalogue(self.settings)

    @property
    def identifier(self) -> tuple[str, str]:
        """What the catalogue calls the table."""
        return identifier(self.settings, self.spec)

    @property
    def folder(self) -> Folder:
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
        table = self.opened()
        if table is None:
            raise self._not_found()
        return self._only(self.rows_at(table, version), partitions)

    def _snapshot(self, cache: Cache, partitions: Sequence[str] | None) -> Source | None:
        found, column = self._latest(cache), self.spec.partition_column
        if found is None or (partitions is not None and column not in found.partition_columns):
            return None
        known = found
        if partitions is not None:
            found = found.only(str(column), list(map(str, partitions)))
        return Source(
            found,
            lambda: self._only(scanned(self._as_of(known), self._options), partitions),
            lambda uris, names: read_kept(known, uris, names, self._options),
        )

    def _latest(self, cache: Cache) -> Snapshot | None:
        """Returns the latest snapshot: the one remembered, if the catalogue and S3 still say its metadata, or anew.

        The catalogue says the version; the metadata file is asked for too, so that a table whose files are gone, or may
        not be read any more, is not read from the cache.
        """
        own = self.settings.iceberg is None
        place = (
            metadata_in_file(self.settings, self.identifier)
            if own
            else metadata_location(self.catalogue, self.identifier)
        )
        if place is None:
            return None
        cache.counters.add(revalidations=1)
        proof, known = cache.remote.etag(place), cache.recall(self.location)
        if known is not None and (known.version, known.proof) == (place, proof):
            return known
        table = self.opened() if proof is not None else None
        if table is None or table.metadata_location != place:
            return None  # it is gone, or somebody was faster: read without a cache
        found = taken(table, str(proof), self.spec.partition_column)
        if found is not None:
            cache.remember(self.location, found)
        return found

    def _as_of(self, known: Snapshot) -> "Table":
        """Returns the table as its metadata file says it, whatever was committed since."""
        from pyiceberg.table import StaticTable

        return StaticTable.from_metadata(known.version, self.catalogue.properties)

    def _write(self, table: "Table | None", rows: Rows) -> Commit:
        if table is None:
            rows.guard.check(self.spec.path, version=None, position=None)
            return self._create(rows)
        refuse_other_partitioning(self.spec, [each.name for each in table.spec().fields])
        known = known_number(table, rows.guard)
        if rows.guard.is_repeated(known):
            return _unchanged(table)
        rows.guard.check(self.spec.path, version=version_of(table), position=known)
        if rows.partitions == ():
            return self._noted(table, rows)
        return {"overwrite": self._overwrite, "append": self._append, "merge": self._merge}[self.spec.mode](table, rows)

    def _create(self, rows: Rows) -> Commit:
        """Returns the commit that made the table and put the rows in, in one."""
        self._refuse_other_format()
        self._refuse_lost_catalogue()
        frame = columns.fit(self.spec.path, rows.frame, None, "refuse")
        if missing := [name for name in self.spec.sort_by if name not in frame.columns]:
            raise ColumnNotFound(self.spec.path, missing, frame.columns)
        schema = iceberg_schema(frame.schema)
        parts: dict[str, Any] = table_parts(schema, self.spec.partition_column, self.spec.sort_by)
        creation = self.catalogue.create_table_transaction(
            self.identifier,
            schema,
            location=self.location,
            properties={**PROPERTIES, **properties_of(rows.guard)},
            **parts,
        )
        said = summary_of(rows.guard, rows.commit_metadata)
        added = commit(creation, self.folder, Change(add=self._frames(rows, frame), said=said))
        self.folder.write(MARKER, b"the Iceberg catalogue knows this table\n")
        return self._done(self._reopened(), added, rows_written=rows.height)

    def _refuse_lost_catalogue(self) -> None:
        from pyiceberg.exceptions import TableAlreadyExistsError

        if any(each.name == MARKER for each in self.folder.entries("metadata")):
            if self.opened() is not None:
                raise TableAlreadyExistsError(self.spec.path)
            raise CatalogueLost(self.spec.path, self.location)

    def _append(self, table: "Table", rows: Rows) -> Commit:
        frame = self._fitted(table, rows.frame)
        change = Change(add=self._frames(rows, frame), schema=widened(table.schema(), frame))
        return self._committed(table, rows, change, written=rows.height)

    def _overwrite(self, table: "Table", rows: Rows) -> Commit:
        """Returns the commit that replaced the partitions, or the whole table when none are named."""
        renewed = rows.partitions is None and self.spec.schema_evolution == "add"
        frame = columns.fit(self.spec.path, rows.frame, None, "add") if renewed else self._fitted(table, rows.frame)
        schema = (
            frame.schema
            if renewed and frame.schema != logical_schema(table.schema())
            else widened(table.schema(), frame)
        )
        gone = [each.file for each in self.files(table, rows.partitions)]
        change = Change(remove=gone, add=self._frames(rows, frame), schema=schema)
        return self._committed(table, rows, change, written=rows.height)

    def _merge(self, table: "Table", rows: Rows) -> Commit:
        """Returns the commit of the rows that differ, or no commit when none do; files without such rows stay."""
        frame = self._fitted(table, rows.frame)
        known = self.rows_at(table)
        wanted = list(dict.fromkeys([*self.spec.key, *compared_columns(self.spec, frame.columns)]))
        keys = frame if rows.spool is None else rows.spool.lazily_fitted(frame.schema).select(wanted).collect()
        touched = touched_partitions(self.spec, known, keys, replace_values=rows.replace_values)
        tasks = self.files(table, touched)
        there = logical_schema(table.schema()).names()
        current = self._by_file(table, tasks, [name for name in wanted if name in there])
        plan = plan_merge(self.spec, keys, current.drop(_FILE), replace_values=rows.replace_values)
        if plan.is_empty:
            return self._noted(table, rows)
        key = list(self.spec.key)
        changed = pl.concat([plan.upserts.select(key), plan.deletes.select(key)])
        hit = sorted(current.join(changed, on=key, how="semi")[_FILE].unique())
        kept = self.read(table, [tasks[place] for place in hit]).join(changed, on=key, how="anti")
        add: Iterator[pl.DataFrame]
        if rows.spool is None:
            add = iter([self._sorted(pl.concat([kept, plan.upserts], how="diagonal").select(frame.columns))])
        else:
            upserts, spooled = plan.upserts.select(key), rows.spool.fitted(frame.schema)
            written = (part.join(upserts, on=key, how="semi", maintain_order="left") for part in spooled)
            lacking = pl.concat([kept, frame.clear()], how="diagonal").select(frame.columns)
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
        """Returns the commit that changed the rows, or deleted them where there are no changes."""
        if table is None:
            return Commit(version=None, changed=False)
        schema, tasks = logical_schema(table.schema()), self.files(table)
        self._checked([column, *(changes or {})], schema.names())
        wanted = pl.Series(column, list(values), dtype=schema[column])
        found = self._by_file(table, tasks, [column]).filter(pl.col(column).is_in(wanted.implode()))
        if found.is_empty():
            return _unchanged(table)
        hit = [tasks[place] for place in sorted(found[_FILE].unique())]
        concerned = pl.col(column).is_in(wanted.implode()).fill_null(value=False)
        if changes is None:
            kept = self.read(table, hit).filter(~concerned)
        else:
            new = [pl.when(concerned).then(pl.lit(value, dtype=schema[name])).otherwise(pl.col(name)).alias(name)
                   for name, value in changes.items()]  # fmt: skip
            kept = self.read(table, hit).with_columns(new)
        added = self.commit(table, Change(remove=[each.file for each in hit], add=[self._sorted(kept)]))
        written, deleted = (0, found.height) if changes is None else (found.height, 0)
        return self._done(self._reopened(), added, rows_written=written, rows_deleted=deleted)

    def files(self, table: "Table", partitions: Sequence[str] | None = None) -> "list[FileScanTask]":
        """Returns the current snapshot's data files in some partitions, or all of them for None."""
        if table.current_snapshot() is None:
            return []
        tasks = list(table.scan().plan_files())
        if partitions is None:
            return tasks
        wanted = set(map(str, partitions))
        return [each for each in tasks if str(each.file.partition[0]) in wanted]

    def read(self, table: "Table", tasks: "Sequence[FileScanTask]", names: Sequence[str] | None = None) -> pl.DataFrame:
        """Returns the rows of some data files, or some columns of them.

        Raises:
            UnsupportedOperation: another engine has deleted single rows of a file, which would come back.
        """
        if any(each.delete_files for each in tasks):
            raise UnsupportedOperation(
                self.spec.path, "another engine has deleted single rows in it", fix="rewrite its files with that engine"
            )
        schema = logical_schema(table.schema())
        if not tasks:
            return pl.DataFrame(schema={name: schema[name] for name in names or schema})
        return read_files(table, tasks, names, self._options)

    def _by_file(self, table: "Table", tasks: "Sequence[FileScanTask]", names: Sequence[str]) -> pl.DataFrame:
        """Returns some columns of some files, and in a further one the place of the row's file among them."""
        read = [self.read(table, [task], names).with_columns(pl.lit(n).alias(_FILE)) for n, task in enumerate(tasks)]
        return pl.concat([self.read(table, [], names).with_columns(pl.lit(0).alias(_FILE)), *read])

    def _committed(self, table: "Table", rows: Rows, change: Change, *, written: int, deleted: int = 0) -> Commit:
        named = {OPERATION: "merge"} if self.spec.mode == "merge" else {}  # to Iceberg it is an overwrite
        said = {**named, **summary_of(rows.guard, rows.commit_metadata)}
        added = self.commit(table, replace(change, said=said, properties=properties_of(rows.guard)))
        return self._done(self._reopened(), added, rows_written=written, rows_deleted=deleted)

    def _noted(self, table: "Table", rows: Rows) -> Commit:
        """Commit nothing but the transaction of a write without rows; where it has none, nothing at all."""
        if rows.guard.transaction is None:
            return _unchanged(table)
        self._committed(table, rows, Change(), written=0)
        return _unchanged(self._reopened())

    def _frames(self, rows: Rows, fitted: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Yield the fitted rows, or the spooled ones in their columns; those of each file are sorted."""
        return map(self._sorted, [fitted] if rows.spool is None else rows.spool.fitted(fitted.schema))

    def _sorted(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.sort(self.spec.sort_by, maintain_order=True) if self.spec.sort_by else frame

    def _fitted(self, table: "Table", frame: pl.DataFrame) -> pl.DataFrame:
        fitted = columns.fit(self.spec.path, frame, logical_schema(table.schema()), self.spec.schema_evolution)
        refuse_case(self.spec, fitted)  # a new column beside one that the table has
        return fitted

    def _reopened(self) -> "Table":
        table = self.opened()
        if table is None:
            raise self._not_found()
        return table

    def _done(self, table: "Table", added: "Sequence[DataFile]", *, rows_written: int, rows_deleted: int = 0) -> Commit:
        values = {str(each.partition[0]) for each in added} if self.spec.partition_column else set()
        return Commit(
            version=version_of(table),
            rows_written=rows_written,
            rows_deleted=rows_deleted,
            rows_total=rows_of(table),
            size_bytes=sum(each.file_size_in_bytes for each in added),
            files=len(added),
            partitions=tuple(sorted(values)),
        )


def _unchanged(table: "Table") -> Commit:
    return Commit(version=version_of(table), changed=False, rows_total=rows_of(table))
