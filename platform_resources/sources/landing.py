"""The landing folder, on disk or S3: which files are there, which content each has, and their rows as they came.

It knows no contract: text formats are read as text, typed formats as they are. A file that cannot be read raises
`UnreadableUnit` with the reason; nothing of it is used.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from platform_resources.errors import ConversionError, ObjectNotFound
from platform_resources.readers import ReadOptions, open_records
from platform_resources.readers.reading import Content
from platform_resources.s3 import bucket_and_key
from platform_resources.scratch import naming_full_scratch
from platform_resources.settings import Settings
from platform_resources.sources.base import Batch, Cursor, RecentUnits, SourceContext, Unit, UnreadableUnit, digest
from platform_resources.sources.feed import Listing

_PIECE = 1 << 20
_LINE_WORDS = {"csv": "line", "json": "line", "jsonl": "line", "excel": "row"}
"""What a person calls the place of a row, by the format of its file; of others it has its number alone."""

_KEPT_BYTES = 32 << 20
"""Files up to this size are fetched once to be identified and read; larger ones are read in pieces."""


@dataclass(frozen=True)
class LandedFile:
    """A file in the landing folder.

    Attributes:
        source: Its name below the landing folder, `flights/flights-2013-01.parquet`; its identity.
        size_bytes: Its size.
        modified: When it was last written, in UTC.
        arrived: When it came to lie there as it does, in nanoseconds: also a file that was moved here, or copied with
            its times, has arrived just now.
        etag: S3's tag of its content; None on disk.
    """

    source: str
    size_bytes: int
    modified: datetime
    arrived: int
    etag: str | None = None

    @property
    def stamp(self) -> str:
        """What changes when the file is written again, also with the same content; cheap to know."""
        return f"{self.size_bytes}:{self.modified.isoformat()}:{self.etag or ''}"

    @property
    def name(self) -> str:
        """Its name without folders."""
        return self.source.rpartition("/")[2]

    @property
    def unit(self) -> Unit:
        """The file as a unit of work."""
        return Unit(self.source, self.stamp, self.size_bytes, self.modified, self.arrived)


@dataclass(frozen=True)
class Landing:
    """The landing folder that the settings name, and what was read of its files as they were noticed."""

    settings: Settings
    recent: RecentUnits = field(default_factory=RecentUnits, compare=False, repr=False)

    def files(self, domain: str, pattern: str = "*") -> list[LandedFile]:
        """List a domain's files that the glob covers, oldest first, then by name; hidden ones are left out.

        A glob with a slash is one on the path below the domain's folder, and subfolders are looked through for it.
        """
        deep = "/" in pattern
        listed = self._on_s3(domain, deep=deep) if self._is_s3 else self._on_disk(domain, deep=deep)
        matching = [file for file in listed if covers(pattern, file.source)]
        return sorted(matching, key=lambda file: (file.modified, file.source))

    def content(self, source: str) -> bytes:
        """Return the bytes of a landed file.

        Those of an object are compared with its size and ETag, and asked for again.

        Raises:
            UnreadableUnit: It is not there any more.
            CorruptObject: However often they were asked for, they are not those that S3 speaks of.
        """
        _refuse_escape(source)
        if self._is_s3:
            from obstore.exceptions import NotFoundError

            from platform_resources.storage.folder import folder_at  # noqa: PLC0415 - for objects alone

            try:
                return folder_at(self.settings.landing, self.settings.s3).read(source)
            except (NotFoundError, FileNotFoundError) as error:
                raise UnreadableUnit(source, "the object is not there any more.") from error
        try:
            return (Path(self.settings.landing) / source).read_bytes()
        except OSError as error:
            raise UnreadableUnit(source, f"the file cannot be opened ({error.strerror}).") from error

    @contextmanager
    def fetched(self, source: str) -> Iterator[Path]:
        """Give a local path to a landed file: where it lies, or a copy of the object that goes afterwards.

        Ranges of an object that were cut off are asked for again, and the whole is compared with S3's checksums.

        Raises:
            UnreadableUnit: It is not there any more.
            CorruptObject: However often they were asked for, the bytes are not those that S3 speaks of.
        """
        _refuse_escape(source)
        if not self._is_s3:
            yield Path(self.settings.landing) / source
            return
        from platform_resources.storage.objects import Address, ObjectStore  # noqa: PLC0415 - for objects alone

        with TemporaryDirectory(prefix="platform-landed-") as folder:
            bucket, prefix = self._bucket_and_prefix()
            try:
                copy = ObjectStore(self.settings.s3).get(Address(bucket, f"{prefix}{source}"), Path(folder) / "content")
            except ObjectNotFound as error:
                raise UnreadableUnit(source, "the object is not there any more.") from error
            yield copy.path

    def put(self, source: str, content: bytes) -> None:
        """Publish a file under `source`; readers see all of it or nothing."""
        _refuse_escape(source)
        if self._is_s3:
            bucket, prefix = self._bucket_and_prefix()
            self.settings.s3.boto3_client().put_object(Bucket=bucket, Key=f"{prefix}{source}", Body=content)
            return
        path = Path(self.settings.landing) / source
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        try:
            part.write_bytes(content)
        except OSError:  # a disk that is full has no use for half of a file
            part.unlink(missing_ok=True)
            raise
        part.replace(path)

    @property
    def _is_s3(self) -> bool:
        return self.settings.landing.startswith("s3://")

    def _on_disk(self, folder: str, *, deep: bool) -> list[LandedFile]:
        try:
            with os.scandir(Path(self.settings.landing) / folder) as entries:
                listed = list(entries)
        except (FileNotFoundError, NotADirectoryError):
            return []
        files = [file for entry in listed if (file := _landed(folder, entry)) is not None]
        if deep:
            folders = (entry for entry in listed if not entry.name.startswith(".") and entry.is_dir())
            files += [file for entry in folders for file in self._on_disk(f"{folder}/{entry.name}", deep=True)]
        return files

    def _on_s3(self, domain: str, *, deep: bool) -> list[LandedFile]:
        bucket, prefix = self._bucket_and_prefix()
        pages = self.settings.s3.boto3_client().get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=f"{prefix}{domain}/", Delimiter="" if deep else "/"
        )  # fmt: skip
        return [
            LandedFile(
                item["Key"].removeprefix(prefix),
                item["Size"],
                item["LastModified"],
                int(item["LastModified"].timestamp()) * 10**9,
                item["ETag"].strip('"'),
            )
            for page in pages
            for item in page.get("Contents", [])
            if not _is_hidden(item["Key"].removeprefix(f"{prefix}{domain}/"))
        ]

    def _bucket_and_prefix(self) -> tuple[str, str]:
        bucket, prefix = bucket_and_key(self.settings.landing)
        return bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""


def covers(pattern: str, source: str) -> bool:
    """Tell whether a glob covers a file: by its name, or by its path below the domain's folder if the glob has a slash.

    >>> covers("*.csv", "shop/old/a.csv"), covers("**/*.csv", "shop/old/a.csv"), covers("*/a.csv", "shop/a.csv")
    (True, True, False)
    """
    if "/" not in pattern:
        return fnmatchcase(source.rpartition("/")[2], pattern)
    return _path_pattern(pattern).fullmatch(source.partition("/")[2]) is not None


@lru_cache(maxsize=256)
def _path_pattern(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a glob on paths: `**/` is any number of folders, `*` and `?` stay within one."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    wild = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(wild.get(part, re.escape(part)) for part in parts))


def _is_hidden(path: str) -> bool:
    """Whether a part of a path begins with a point, or it names a folder, of which some programs leave an object."""
    return not path or path.endswith("/") or any(part.startswith(".") for part in path.split("/"))


def _landed(domain: str, entry: os.DirEntry[str]) -> LandedFile | None:
    """Return the file of a folder's entry, or None where there is none, any more, that is to be taken in.

    A name in another encoding than UTF-8 is shown with its bytes, under which it cannot be opened: that is its fault.
    """
    if entry.name.startswith("."):
        return None
    try:
        if not entry.is_file():
            return None
        facts = entry.stat()
    except OSError:
        return None
    name = entry.name if entry.name.isascii() else os.fsencode(entry.name).decode("utf-8", "backslashreplace")
    modified = datetime.fromtimestamp(facts.st_mtime_ns / 1e9, UTC)
    return LandedFile(f"{domain}/{name}", facts.st_size, modified, facts.st_ctime_ns)


def _refuse_escape(source: str) -> None:
    path = PurePosixPath(source)
    if path.is_absolute() or ".." in path.parts:
        raise UnreadableUnit(source, "the name leaves the landing folder.")


@dataclass(frozen=True)
class LandingFolder:
    """The folder of a domain, as a feed that all of its datasets share."""

    landing: Landing
    domain: str
    pattern: str = "*"

    @property
    def name(self) -> str:
        """Its name among the feeds of a sensor."""
        return f"landing/{self.domain}" + (f"/{self.pattern}" if "/" in self.pattern else "")

    def listing(self) -> Listing:
        """List what lies there now."""
        return Listing([file.unit for file in self.landing.files(self.domain, self.pattern)])


@dataclass
class LandedFiles:
    """The landed files of one dataset. The content that was identified last is kept until it is read."""

    pattern: str
    context: SourceContext
    as_declared: "DeclaredFile"
    _identified: tuple[str, bytes] | None = None

    @property
    def feed(self) -> LandingFolder:
        """The folder in which they land."""
        pattern = self.pattern if "/" in self.pattern else "*"
        return LandingFolder(Landing(self.context.settings), self.context.domain, pattern)

    def covers(self, unit: Unit) -> bool:
        """Tell whether the glob covers the file's name, or its path where the glob has a slash; case counts."""
        return covers(self.pattern, unit.source)

    def describe(self) -> str:
        """Name the glob and the folder."""
        return f"landed file that matches {self.pattern!r} in {self.context.settings.landing}/{self.context.domain}"

    def pending(self, cursor: Cursor) -> Sequence[Unit]:
        """List the files whose present content the log does not know, oldest first; one with a new stamp is read."""
        files = self.feed.landing.files(self.context.domain, self.pattern)
        changed = cursor.changed([file.unit for file in files])
        known = cursor.contents([unit.source for unit in changed]) if changed else {}
        identified = [self.identify(unit) if unit.source in known else unit for unit in changed]
        return [unit for unit in identified if unit.ingest_id not in known.get(unit.source, ())]

    def identify(self, unit: Unit) -> Unit:
        """Return the unit with the digest of its bytes; of a file that cannot be opened, of its stamp.

        The bytes of a small file are kept until it is read: most often that comes next.
        """
        self._identified = None
        try:
            if unit.size_bytes <= _KEPT_BYTES:
                content = self.feed.landing.content(unit.source)
                identified = replace(unit, ingest_id=digest(unit.source, content))
                self._identified = (identified.ingest_id, content)
                return identified
            with self.feed.landing.fetched(unit.source) as path:
                return replace(unit, ingest_id=_digest_of(unit.source, path))
        except (UnreadableUnit, OSError):
            return replace(unit, ingest_id=digest(unit.source, unit.stamp.encode()))

    def read(self, unit: Unit, columns: Sequence[str] | None = None) -> Iterator[Batch]:
        """Yield the rows in the file's order, in batches that are small beside the memory limit.

        What is read for some columns is kept for the run in this process that will want all of them.

        Raises:
            UnreadableUnit: It cannot be opened, is empty, truncated, in an unknown encoding, or of no known format, or
                more of its records are malformed than the declaration lets pass.
        """
        recent = self.context.recent
        if columns is None:
            noticed = recent.take(self.context.dataset, unit.ingest_id) if recent else []
            yield from noticed or self._batches(unit)
            return
        batches: list[Batch] = []
        size_bytes = 0
        for batch in self._batches(unit):
            size_bytes += int(batch.rows.estimated_size())
            batches = [*batches, batch] if recent and size_bytes <= recent.most_bytes else []
            yield replace(batch, rows=batch.rows.select(name for name in columns if name in batch.rows.columns))
        if recent and batches:
            recent.keep(self.context.dataset, unit.ingest_id, batches)

    def _batches(self, unit: Unit) -> Iterator[Batch]:
        """All columns, as they lie in the file."""
        identified = self._identified if self._identified and self._identified[0] == unit.ingest_id else None
        self._identified = None
        with ExitStack() as stack:
            stack.enter_context(naming_full_scratch(unit.source))
            try:
                content = identified[1] if identified else stack.enter_context(self.feed.landing.fetched(unit.source))
            except OSError as error:
                raise UnreadableUnit(unit.source, f"the file cannot be opened ({error.strerror}).") from error
            yield from self.as_declared.batches(unit.source, content, self.context.settings.memory_bytes)


@dataclass(frozen=True)
class DeclaredFile:
    """How the files of a dataset are read.

    Attributes:
        options: What is known of them better than their bytes tell.
        path_columns: Columns that come from the path, by a regular expression.
        place_column: A column for the place of each row; None for none.
    """

    options: ReadOptions
    path_columns: Mapping[str, str] = field(default_factory=dict)
    place_column: str | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> "DeclaredFile":
        """Take what a declaration of files says, as plain values."""
        known = {option.name for option in fields(ReadOptions)}
        read_options = ReadOptions(**{name: value for name, value in options.items() if name in known})
        return cls(read_options, options["path_columns"], options["place_column"])

    def batches(self, source: str, content: Content, memory_bytes: int) -> Iterator[Batch]:
        """Yield the rows of a file, all columns, as they lie in it.

        Args:
            source: Its path from the domain's folder on, or where else it lies.
            content: The file, or its bytes.
            memory_bytes: What the whole process may have.

        Raises:
            UnreadableUnit: It cannot be opened, is empty, truncated, in an unknown encoding, or of no known format, or
                more of its records are malformed than the declaration lets pass.
        """
        constants = self._constants(source)
        records = 0
        try:
            with open_records(PurePosixPath(source).name, content, self.options, memory_bytes) as reading:
                for batch in reading.batches():
                    frame = batch.frame.with_columns(pl.lit(value).alias(name) for name, value in constants.items())
                    lines = pl.Series(batch.lines, dtype=pl.Int64) if reading.format in _LINE_WORDS else None
                    if self.place_column is not None:
                        places = pl.int_range(records + 1, records + 1 + frame.height, eager=True)
                        frame = frame.with_columns((places if lines is None else lines).alias(self.place_column))
                    word = _LINE_WORDS.get(reading.format, "line")
                    yield Batch(frame, records + 1, lines, line_word=word, malformed=batch.malformed)
                    records += frame.height + len(batch.malformed)
        except ConversionError as error:
            raise UnreadableUnit(source, f"{error.problem}.") from error
        except OSError as error:
            raise UnreadableUnit(source, f"the file cannot be opened ({error.strerror}).") from error
        if not records:
            raise UnreadableUnit(source, "it holds no rows.")

    def _constants(self, source: str) -> dict[str, str]:
        """Find the values that the file's path holds.

        Raises:
            UnreadableUnit: The path does not look as declared.
        """
        path = source.partition("/")[2]
        values = {}
        for column, expression in self.path_columns.items():
            match = re.search(expression, path)
            if match is None:
                raise UnreadableUnit(source, f"its path holds no {column}: {expression!r} is not found in it.")
            values[column] = match[1] if match.re.groups else match[0]
        return values


def _digest_of(source: str, path: Path) -> str:
    """Return the `digest` of a file's content, piece by piece."""
    state = hashlib.blake2b(source.encode() + b"\0", digest_size=16)
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            state.update(piece)
    return state.hexdigest()


def open_source(options: Mapping[str, Any], context: SourceContext) -> LandedFiles:
    """Open the landed files of a dataset."""
    return LandedFiles(options["pattern"], context, DeclaredFile.from_options(options))
