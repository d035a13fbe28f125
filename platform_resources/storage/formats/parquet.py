"""Tables as plain Parquet files: each partition is replaced at once, appended files are never touched again.

    {partition_column}={value}/data.parquet       what an overwrite leaves; supersedes every part beside it
    {partition_column}={value}/part-{id}.parquet  one append
    _schema/{number}-{digest}.json                columns, written after the rows that bring them
    _transactions/{id}/{number}                   a write that is complete, and the position of its stream

Several partitions are replaced one after the other; a table that must change in one step is a Delta table. Schema files
are named by their content, so that two writers who add different columns do not overwrite one another.

A transaction is noted when all of its rows are there. One that was killed before is written again, and takes the place
of what its first attempt left. Writers with a transaction wait for one another on one machine; on several, a stream
into plain Parquet needs a single worker.
"""

import dataclasses
import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote

import polars as pl
from filelock import FileLock

from platform_resources.errors import TableDamaged, TableNotFound
from platform_resources.storage import columns
from platform_resources.storage.caches import Cache
from platform_resources.storage.caches.snapshot import FILES, Snapshot, Source, key_of
from platform_resources.storage.damage import BRING_BACK, Lost, damaged, is_json
from platform_resources.storage.folder import LONGEST_NAME, Entry, Folder, file_name, folder_at
from platform_resources.storage.formats.base import TableFormat
from platform_resources.storage.operations.layout import LiveFile
from platform_resources.storage.operations.records import Operation
from platform_resources.storage.parts import by_partition, each_written
from platform_resources.storage.statistics import FileStatistics, trusted_bounds
from platform_resources.storage.table import Commit, Rows
from platform_resources.storage.transactions import WriteGuard

if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData

_DATA, _SCHEMAS, _TRANSACTIONS = "data.parquet", "_schema", "_transactions"
_OWN = (f"{_SCHEMAS}/", f"{_TRANSACTIONS}/")
_DIGITS = 20
_NAMED = 1
"""The number of a transaction that has only a name."""
_LISTED_ONE_BY_ONE = 16
_MANY_FILES = "cannot replace many files in one step"
_NO_VERSIONS = "keeps no earlier versions"
_AGAIN = f"{BRING_BACK}; or overwrite what it held: materialise {{}} again"


@dataclass
class _Done:
    """What a write has published so far."""

    rows: int = 0
    files: list[str] = field(default_factory=list)
    size_bytes: int = 0


class ParquetFormat(TableFormat):
    """Parquet files in a folder on disk or S3; without a log, its files can be counted, and little else."""

    marker = _SCHEMAS
    data_names = (_DATA, "part-")
    lacking: ClassVar[Mapping[Operation, str]] = {
        "update": "cannot change rows in one step",
        "delete_rows": "cannot delete rows other than whole partitions",
        "history": _NO_VERSIONS,
        "compact": _MANY_FILES,
        "zorder": _MANY_FILES,
        "vacuum": "has no log that says which files are needed",
        "expire": _NO_VERSIONS,
        "restore": _NO_VERSIONS,
    }

    def exists(self) -> bool:
        """Ask whether a write was ever finished."""
        return bool(self._folder.entries(_SCHEMAS))

    def version(self) -> str | None:
        """Digest all files' names, sizes and stamps; None when there is no table."""
        entries = self._folder.entries()
        if not any(entry.name.startswith(f"{_SCHEMAS}/") for entry in entries):
            return None
        listing = "\n".join(f"{entry.name} {entry.size_bytes} {entry.stamp}" for entry in entries)
        return hashlib.sha256(listing.encode()).hexdigest()[:16]

    def position(self, app_id: str) -> int | None:
        """Return the number of a stream's last write; None where it wrote nothing."""
        return max(self._numbers(app_id), default=None)

    def write(self, rows: Rows) -> Commit:
        """Write the rows; partitions become visible one by one, each as a whole."""
        if rows.guard == WriteGuard():
            return self._write(rows)
        with self._alone():
            known = None if rows.guard.app_id is None else self.position(rows.guard.app_id)
            if rows.guard.is_repeated(known):
                return Commit(version=self.version(), changed=False)
            rows.guard.check(self.spec.path, version=self.version() if rows.guard.is_exact else None, position=known)
            if self.spec.mode == "append":
                self._remove_unfinished(rows.guard)
            commit = self._write(rows)
            if rows.guard.note is not None:  # first: a position without it would be taken for one before there were any
                self._remember(*rows.guard.note)
            if rows.guard.app_id is not None:
                self._remember(rows.guard.app_id, rows.guard.sequence)
        return dataclasses.replace(commit, version=self.version())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no other process of this machine writes to the table under a transaction."""
        digest = hashlib.sha256(self.location.encode()).hexdigest()[:16]
        lock = Path(self.settings.state) / "locks" / f"table-{digest}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock):
            yield

    def _numbers(self, app_id: str) -> list[int]:
        listed = self._folder.entries(f"{_TRANSACTIONS}/{file_name(app_id)}")
        return [int(entry.name.rpartition("/")[2]) for entry in listed]

    def _remember(self, app_id: str, sequence: int | None) -> None:
        place, before = f"{_TRANSACTIONS}/{file_name(app_id)}", self._numbers(app_id)
        number = _NAMED if sequence is None else sequence
        self._folder.write(f"{place}/{number:0{_DIGITS}}", b"")
        for earlier in before:
            if earlier != number:
                self._folder.remove(f"{place}/{earlier:0{_DIGITS}}")

    def _remove_unfinished(self, guard: WriteGuard) -> None:
        """Remove the parts of an attempt that was killed: those of this stream that no position covers."""
        if guard.app_id is None or guard.sequence is None:
            return
        prefix, position = f"part-{file_name(guard.app_id)}@", max(self._numbers(guard.app_id), default=-1)
        for entry in self._folder.entries():
            name = entry.name.rpartition("/")[2]
            if name.startswith(prefix) and int(name.removeprefix(prefix)[:_DIGITS]) > position:
                self._folder.remove(entry.name)

    def _write(self, rows: Rows) -> Commit:
        schema, column = self._schema(), self.spec.partition_column
        if schema is None:
            self._refuse_other_format()
        renewed = self.spec.mode == "overwrite" and rows.partitions is None and self.spec.schema_evolution == "add"
        frame = columns.fit(self.spec.path, rows.frame, None if renewed else schema, self.spec.schema_evolution)
        done = self._append(frame, rows) if self.spec.mode == "append" else self._overwrite(frame, rows)
        labels = rows.select([column])[column] if column else None
        self._declare(frame.schema, schema, renewed=renewed)
        return Commit(
            version=self.version(),
            rows_written=done.rows,
            size_bytes=done.size_bytes,
            files=len(done.files),
            changed=bool(done.files),
            partitions=() if labels is None else tuple(labels.unique().sort()),
        )

    def lend(self, version: str, to: TableFormat) -> None:
        """Link all files, the lists of columns last; before a table changes that a branch reads, it gets the files."""
        self._refuse_moved(version)
        target = folder_at(to.location, self.s3)
        entries = sorted(self._folder.entries(), key=lambda entry: entry.name.startswith(f"{_SCHEMAS}/"))
        present = {entry.name: entry.stamp for entry in target.entries()}
        for name in sorted(present.keys() - {entry.name for entry in entries}):
            target.remove(name)
        for entry in entries:
            if present.get(entry.name) != entry.stamp:
                self._folder.lend(entry.name, target, replace=True)

    def take(self, other: TableFormat, since: str | None) -> str:
        """Link the other's files, one after the other, then remove those that it has not."""
        with self._alone():
            self._refuse_moved(since)
            self._take_files(folder_at(other.location, self.s3))
        return str(self.version())

    def resume_take(self, other: TableFormat, since: str | None, before: Mapping[str, str]) -> str | None:  # noqa: ARG002 - files tell more
        """Link and remove what is left to do, where each file is one from before or the other's."""
        source = folder_at(other.location, self.s3)
        with self._alone():
            brought = {entry.name: entry.stamp for entry in source.entries()}
            for name, stamp in self.file_stamps().items():
                if stamp not in {before.get(name), brought.get(name)}:
                    return None
            self._take_files(source)
        return self.version()

    def file_stamps(self) -> Mapping[str, str]:
        """List the files with their stamps."""
        return {entry.name: entry.stamp for entry in self._folder.entries()}

    def _take_files(self, source: Folder) -> None:
        before = self.file_stamps()
        brought = sorted(source.entries(), key=lambda entry: entry.name.startswith(f"{_SCHEMAS}/"))
        for entry in brought:
            if before.get(entry.name) != entry.stamp:
                source.lend(entry.name, self._folder, replace=True)
        for name in sorted(before.keys() - {entry.name for entry in brought}):
            self._folder.remove(name)

    def delete(self, column: str, values: Sequence[Any]) -> Commit:  # noqa: ARG002 - the partition's: other rows are lacking
        """Remove whole partitions, one after the other: they are folders of their own.

        What an overwrite left goes last in its folder, for as long as it is there the parts beside it are not read.
        """
        doomed = self._listed([str(value) for value in values])
        for each in sorted(doomed, key=lambda entry: (entry.name.rpartition("/")[0], entry.name.endswith(_DATA))):
            self._folder.remove(each.name)
        return Commit(version=self.version(), changed=bool(doomed), partitions=tuple(map(str, values)))

    def _live(self) -> tuple[str | None, Sequence[LiveFile]]:
        if not self.exists():
            raise self._not_found()
        live = [LiveFile(_label(entry.name), entry.size_bytes, None) for entry in self._holding()]
        return self.version(), live

    def file_statistics(self) -> Sequence[FileStatistics]:
        """Read the footers; in S3 that would be a request for each file, and nothing is read."""
        from pyarrow.parquet import read_metadata

        if self.location.startswith("s3://"):
            return ()
        return [_file_statistics(read_metadata(self._folder.uri(entry.name))) for entry in self._holding()]

    @cached_property
    def _folder(self) -> Folder:
        return folder_at(self.location, self.s3)

    def _scan(self, partitions: Sequence[str] | None, version: str | int | None) -> pl.LazyFrame:  # noqa: ARG002 - it has one
        schema = self._schema()
        if schema is None:
            self._refuse_other_format()
            raise TableNotFound(self.spec.path, self.location, begun=bool(self._holding()))
        files = [self._folder.uri(entry.name) for entry in self._holding(partitions)]
        if not files:
            return pl.LazyFrame(schema=schema)
        return pl.scan_parquet(
            files,
            schema=schema,
            missing_columns="insert",
            extra_columns="ignore",
            glob=False,
            hive_partitioning=False,
            **self._options,
        )

    def damage(self) -> TableDamaged | None:
        """Find a list of columns or a data file that is empty or cut off; no list says which files there should be."""
        for entry in self._folder.entries(_SCHEMAS):
            if not is_json(self._folder.read(entry.name)):
                lost = Lost("list of columns", self._folder.uri(entry.name), "is empty or cut off")
                fix = f"{BRING_BACK}; or delete it, and write any rows with all columns"
                return damaged(self.spec.path, lost, fix=fix)
        for entry in self._holding():
            place = self._folder.uri(entry.name)
            try:
                pl.scan_parquet(place, glob=False, hive_partitioning=False, **self._options).collect_schema()
            except (pl.exceptions.PolarsError, OSError):
                lost = Lost("data file", place, f"of {entry.size_bytes:,} bytes is cut off or no Parquet")
                label = entry.name.rpartition("/")[0].partition("=")[2]
                return damaged(self.spec.path, lost, fix=_AGAIN.format(f"partition {label}" if label else "it"))
        return None

    @property
    def _options(self) -> dict[str, Any]:
        """What Polars reads with."""
        if not self.location.startswith("s3://"):
            return {}
        return {"storage_options": self.s3.polars_options(), "credential_provider": self.s3.polars_credentials()}

    def _snapshot(self, cache: Cache, partitions: Sequence[str] | None) -> Source | None:
        """Take what a listing says; an object's ETag tells one content of a file from the next."""
        self._folder = cache.remote.folder(self.location)
        declared = None if partitions is None else self._folder.entries(_SCHEMAS)
        listed, column = self._listed(partitions), self.spec.partition_column
        schema, live = self._schema(listed if declared is None else declared, cache), self._unhidden(listed)
        labels = [_partition_in(entry.name) for entry in live] if column else []
        cache.counters.add(revalidations=1)
        if schema is None or None in labels:
            return None
        files = {
            "uri": [self._folder.uri(entry.name) for entry in live],
            "size_bytes": [entry.size_bytes for entry in live],
            "stamp": [entry.stamp for entry in live],
            "rows": [None] * len(live),
            **({column: labels} if column else {}),
        }
        kinds = pl.Schema({**FILES, **({column: pl.String()} if column else {})})
        snapshot = Snapshot(
            version="",
            proof="",
            schema=schema,
            stored=pl.Schema({name: kind for name, kind in schema.items() if name != column}),
            files=pl.DataFrame(files, schema=kinds),
            mutable=True,
        )
        return Source(snapshot, lambda: self._scan(partitions, None))

    def _holding(self, partitions: Sequence[str] | None = None) -> list[Entry]:
        """List the files that hold the table's rows: in each folder the overwritten one, or all parts."""
        return self._unhidden(self._listed(partitions))

    def _unhidden(self, listed: list[Entry]) -> list[Entry]:
        by_folder: dict[str, list[Entry]] = {}
        for entry in listed:
            head, _, name = entry.name.rpartition("/")
            ours = bool(head) == bool(self.spec.partition_column)  # the other layout is from before a change of it
            if ours and (name == _DATA or name.startswith("part-")):
                by_folder.setdefault(head, []).append(entry)
        return [entry for entries in by_folder.values() for entry in self._superseded(entries)]

    def _superseded(self, entries: list[Entry]) -> list[Entry]:
        data = [entry for entry in entries if entry.name.endswith(_DATA)]
        return data if data and self.spec.mode == "overwrite" else entries

    def _listed(self, partitions: Sequence[str] | None) -> list[Entry]:
        if partitions is None:
            return self._folder.entries()
        places = [self._place(partition) for partition in dict.fromkeys(map(str, partitions))]
        if len(places) <= _LISTED_ONE_BY_ONE:
            return [entry for place in places for entry in self._folder.entries(place)]
        chosen = set(places)
        return [entry for entry in self._folder.entries() if entry.name.rpartition("/")[0] in chosen]

    def _place(self, partition: str) -> str:
        return f"{file_name(str(self.spec.partition_column))}={file_name(partition)}"

    def _overwrite(self, frame: pl.DataFrame, rows: Rows) -> _Done:
        before = self._listed(rows.partitions)
        parts = self._parts(frame, rows.partitions) if rows.spool is None else self._spooled_parts(frame, rows)
        named = ((part, f"{place}/{_DATA}" if place else _DATA) for place, part in parts)
        done = self._published(named)
        for entry in before:
            if entry.name not in done.files and not entry.name.startswith(_OWN):
                self._folder.remove(entry.name)
        return done

    def _append(self, frame: pl.DataFrame, rows: Rows) -> _Done:
        """Add the parts; one that is there already was written by the same transaction."""
        name = _part_name(rows.guard)
        if rows.spool is not None:
            return self._published(
                (part, f"{place}/{name}-{number:05}.parquet" if place else f"{name}-{number:05}.parquet")
                for number, batch in enumerate(rows.spool.fitted(frame.schema))
                for place, part in self._parts(batch, None)
            )
        named = ((part, f"{place}/{name}.parquet" if place else f"{name}.parquet", place)
                 for place, part in self._parts(frame, None))  # fmt: skip
        return self._published(
            (part, target)
            for part, target, place in named
            if not any(entry.name == target for entry in self._folder.entries(place))
        )

    def _spooled_parts(self, frame: pl.DataFrame, rows: Rows) -> Iterator[tuple[str, pl.LazyFrame]]:
        """Yield the spooled rows of each folder; a partition named without rows is an empty frame."""
        spool, column = rows.spool, self.spec.partition_column
        spooled = frame.lazy() if spool is None else spool.lazily_fitted(frame.schema)
        if column is None:
            yield "", spooled
            return
        for value in dict.fromkeys(
            [*rows.select([column])[column].unique(maintain_order=True), *(rows.partitions or ())]
        ):
            yield self._place(value), spooled.filter(pl.col(column) == value)

    def _parts(self, frame: pl.DataFrame, partitions: Sequence[str] | None) -> Iterator[tuple[str, pl.DataFrame]]:
        """Yield the rows of each folder; a partition named without rows is an empty frame."""
        column = self.spec.partition_column
        if column is None:
            yield "", frame
            return
        written = set()
        for value, rows in by_partition(frame, column):
            written.add(value)
            yield self._place(value), rows
        for value in dict.fromkeys(partitions or ()):
            if value not in written:
                yield self._place(value), frame.clear()

    def _published(self, parts: Iterator[tuple[pl.DataFrame | pl.LazyFrame, str]]) -> _Done:
        """Publish the parts under their names, a few files at once."""
        done = _Done()
        for name, rows, size in each_written(parts, lambda part: self._publish(*part)):
            done.files.append(name)
            done.rows += rows
            done.size_bytes += size
        return done

    def _publish(self, part: pl.DataFrame | pl.LazyFrame, name: str) -> tuple[str, int, int]:
        with self._folder.draft(name) as path:
            if isinstance(part, pl.LazyFrame):
                part.sink_parquet(path, compression="zstd", statistics=True)
                height = pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()
            else:
                part.write_parquet(path, compression="zstd", statistics=True)
                height = part.height
            size = path.stat().st_size
        return name, height, size

    def _schema(self, listed: list[Entry] | None = None, cache: Cache | None = None) -> pl.Schema | None:
        """Read the columns of all schema files, oldest first; None when there is no table."""
        types: dict[str, pl.DataType] = {}
        listed = self._folder.entries(_SCHEMAS) if listed is None else listed
        entries = [entry for entry in listed if entry.name.startswith(f"{_SCHEMAS}/")]
        for entry in entries:
            document = json.loads(self._content(entry, cache))
            types |= {name: columns.decode(kind) for name, kind in document if name not in types}
        return pl.Schema(types) if entries else None

    def _content(self, entry: Entry, cache: Cache | None) -> bytes:
        if cache is None:
            return self._folder.read(entry.name)
        key = key_of(self._folder.uri(entry.name), entry.size_bytes, entry.stamp)
        return cache.content(key, lambda: self._folder.read(entry.name))

    def _declare(self, ours: pl.Schema, known: pl.Schema | None, *, renewed: bool) -> None:
        """Let readers know the columns; a schema that is known is not written again."""
        if known is not None and (ours == known if renewed else set(ours) <= set(known)):
            return
        before = self._folder.entries(_SCHEMAS)
        document = json.dumps([[name, columns.encode(kind)] for name, kind in ours.items()]).encode()
        name = f"{_SCHEMAS}/{len(before):04}-{hashlib.sha256(document).hexdigest()[:16]}.json"
        self._folder.write(name, document)
        for entry in before if renewed else ():
            if entry.name != name:
                self._folder.remove(entry.name)


def _part_name(guard: WriteGuard) -> str:
    if guard.app_id is None:
        return f"part-{uuid.uuid4().hex}"
    number = "" if guard.sequence is None else f"@{guard.sequence:0{_DIGITS}}"
    return f"part-{file_name(guard.app_id)}{number}"


def _partition_in(name: str) -> str | None:
    """Read the partition that the folder of a file names; None where the name was too long and is a digest."""
    label = name.rpartition("/")[0].partition("=")[2]
    return unquote(label) if len(label) <= LONGEST_NAME else None


def _label(name: str) -> str | None:
    """Read the partition from the folder of a file, a digest where the name was too long; None without a folder."""
    folder, _, _ = name.rpartition("/")
    return unquote(folder.partition("=")[2]) if folder else None


def _file_statistics(footer: "FileMetaData") -> FileStatistics:
    """Join the statistics of a file's row groups; a column that one of them says nothing of has none."""
    groups = [footer.row_group(place) for place in range(footer.num_row_groups)]
    nulls, bounds = {}, {}
    for place in range(footer.num_columns if groups else 0):
        chunks = [group.column(place) for group in groups]
        name, statistics = chunks[0].path_in_schema, [chunk.statistics for chunk in chunks]
        if any(chunk is None or not chunk.has_null_count for chunk in statistics):
            continue
        nulls[name] = sum(chunk.null_count for chunk in statistics)
        filled = [chunk for chunk in statistics if chunk.num_values]
        if filled and all(chunk.has_min_max for chunk in filled):
            both = trusted_bounds(*_ends([chunk.min for chunk in filled], [chunk.max for chunk in filled]))
            if both is not None:
                bounds[name] = both
    return FileStatistics(footer.num_rows, nulls, bounds)


def _ends(least: Sequence[Any], greatest: Sequence[Any]) -> tuple[Any, Any]:
    """Return the least and the greatest of all row groups; one that is no number makes both unknown."""
    unknown = any(value != value for value in (*least, *greatest))  # noqa: PLR0124 - NaN alone differs from itself
    return (None, None) if unknown else (min(least), max(greatest))
