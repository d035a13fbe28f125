"""The landing folder, on disk or S3: which files are there, which content each has, and their rows as they came.

It knows no contract: text formats are read as text, typed formats as they are. A file that cannot be read raises
`UnreadableUnit` with the reason; nothing of it is used.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from platform_resources.settings import Settings
from platform_resources.sources.base import Batch, Cursor, SourceContext, Unit, UnreadableUnit, digest
from platform_resources.sources.formats import parse


@dataclass(frozen=True)
class LandedFile:
    """A file in the landing folder.

    Attributes:
        source: Its name below the landing folder, `flights/flights-2013-01.parquet`; its identity.
        size_bytes: Its size.
        modified: When it was last written, in UTC.
        etag: S3's tag of its content; None on disk.
    """

    source: str
    size_bytes: int
    modified: datetime
    etag: str | None = None

    @property
    def stamp(self) -> str:
        """What changes when the file is written again, also with the same content; cheap to know."""
        return f"{self.size_bytes}:{self.modified.isoformat()}:{self.etag or ''}"

    def matches(self, pattern: str) -> bool:
        """Tell whether the glob covers the file's name, its case included."""
        return fnmatchcase(PurePosixPath(self.source).name, pattern)

    @property
    def unit(self) -> Unit:
        """The file as a unit of work."""
        return Unit(self.source, self.stamp, self.size_bytes, self.modified)


@dataclass(frozen=True)
class Landing:
    """The landing folder that the settings name."""

    settings: Settings

    def files(self, domain: str, pattern: str = "*") -> list[LandedFile]:
        """List a domain's files whose name matches the glob, oldest first, then by name; hidden ones are left out."""
        listed = self._on_s3(domain) if self._is_s3 else self._on_disk(domain)
        matching = [file for file in listed if file.matches(pattern)]
        return sorted(matching, key=lambda file: (file.modified, file.source))

    def content(self, source: str) -> bytes:
        """The bytes of a landed file.

        Raises:
            UnreadableUnit: It is not there any more.
        """
        _refuse_escape(source)
        if self._is_s3:
            return self._get(source)
        try:
            return (Path(self.settings.landing) / source).read_bytes()
        except OSError as error:
            raise UnreadableUnit(source, f"the file cannot be opened ({error.strerror}).") from error

    def put(self, source: str, content: bytes) -> None:
        """Publishes a file under `source`; readers see all of it or nothing."""
        _refuse_escape(source)
        if self._is_s3:
            bucket, prefix = self._bucket_and_prefix()
            self.settings.s3.boto3_client().put_object(Bucket=bucket, Key=f"{prefix}{source}", Body=content)
            return
        path = Path(self.settings.landing) / source
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(content)
        part.replace(path)

    @property
    def _is_s3(self) -> bool:
        return self.settings.landing.startswith("s3://")

    def _on_disk(self, domain: str) -> list[LandedFile]:
        folder = Path(self.settings.landing) / domain
        found = (_landed(domain, path) for path in (folder.glob("*") if folder.is_dir() else ()))
        return [file for file in found if file is not None]

    def _on_s3(self, domain: str) -> list[LandedFile]:
        bucket, prefix = self._bucket_and_prefix()
        pages = self.settings.s3.boto3_client().get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=f"{prefix}{domain}/", Delimiter="/"
        )  # fmt: skip
        return [
            LandedFile(item["Key"].removeprefix(prefix), item["Size"], item["LastModified"], item["ETag"].strip('"'))
            for page in pages
            for item in page.get("Contents", [])
            if not item["Key"].rpartition("/")[2].startswith(".")
        ]

    def _get(self, source: str) -> bytes:
        bucket, prefix = self._bucket_and_prefix()
        client = self.settings.s3.boto3_client()
        try:
            return client.get_object(Bucket=bucket, Key=f"{prefix}{source}")["Body"].read()
        except client.exceptions.NoSuchKey as error:
            raise UnreadableUnit(source, "the object is not there any more.") from error

    def _bucket_and_prefix(self) -> tuple[str, str]:
        bucket, _, prefix = self.settings.landing.removeprefix("s3://").partition("/")
        return bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""


def _landed(domain: str, path: Path) -> LandedFile | None:
    """The file at a path, or None where there is none, any more, that is to be taken in.

    A name in another encoding than UTF-8 is shown with its bytes, under which it cannot be opened: that is its fault.
    """
    if path.name.startswith(".") or not path.is_file():
        return None
    try:
        facts = path.stat()
    except OSError:
        return None
    name = os.fsencode(path.name).decode("utf-8", "backslashreplace")
    return LandedFile(f"{domain}/{name}", facts.st_size, datetime.fromtimestamp(facts.st_mtime_ns / 1e9, UTC))


def _refuse_escape(source: str) -> None:
    path = PurePosixPath(source)
    if path.is_absolute() or ".." in path.parts:
        raise UnreadableUnit(source, "the name leaves the landing folder.")


@dataclass
class LandedFiles:
    """The landed files of one dataset. The content that was identified last is kept until it is read."""

    pattern: str
    context: SourceContext
    _identified: tuple[str, bytes] | None = None

    def describe(self) -> str:
        """Name the glob and the folder."""
        return f"landed file that matches {self.pattern!r} in {self.context.settings.landing}/{self.context.domain}"

    def pending(self, cursor: Cursor) -> Sequence[Unit]:
        """List the files whose present content the log does not know, oldest first; one with a new stamp is read."""
        changed = cursor.changed([file.unit for file in self._files() if file.matches(self.pattern)])
        known = cursor.contents([unit.source for unit in changed]) if changed else {}
        identified = [self.identify(unit) if unit.source in known else unit for unit in changed]
        return [unit for unit in identified if unit.ingest_id not in known.get(unit.source, ())]

    def identify(self, unit: Unit) -> Unit:
        """Return the unit with the digest of its bytes; of a file that cannot be opened, of its stamp."""
        try:
            content = self._landing.content(unit.source)
        except UnreadableUnit:
            return replace(unit, ingest_id=digest(unit.source, unit.stamp.encode()))
        ingest_id = digest(unit.source, content)
        self._identified = (ingest_id, content)
        return replace(unit, ingest_id=ingest_id)

    def read(self, unit: Unit, columns: Sequence[str] | None = None) -> Iterator[Batch]:
        """Yield the rows in the file's order.

        Raises:
            UnreadableUnit: It cannot be opened, is empty, truncated, in an unknown encoding, or of no known format.
        """
        del columns
        identified, self._identified = self._identified, None
        is_here = identified is not None and identified[0] == unit.ingest_id
        content = identified[1] if identified and is_here else self._landing.content(unit.source)
        rows, reason = parse(PurePosixPath(unit.source).name, content)
        if rows is None:
            raise UnreadableUnit(unit.source, reason)
        yield Batch(rows)

    @property
    def _landing(self) -> Landing:
        return Landing(self.context.settings)

    def _files(self) -> list[LandedFile]:
        """The files of the domain, listed once for all datasets that look around together."""
        key = ("landing", self.context.domain)
        if key not in self.context.shared:
            self.context.shared[key] = self._landing.files(self.context.domain)
        files: list[LandedFile] = self.context.shared[key]
        return files


def open_source(options: Mapping[str, Any], context: SourceContext) -> LandedFiles:
    """Open the landed files of a dataset."""
    return LandedFiles(options["pattern"], context)
