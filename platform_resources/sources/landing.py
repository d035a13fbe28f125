"""The landing folder, on disk or S3: which files are there, which content each has, and their rows as they came.

It knows no contract: text formats are read as text, typed formats as they are. A file that cannot be read raises
`UnreadableFile` with the reason; nothing of it is used.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import polars as pl

from platform_resources.errors import ResourceError
from platform_resources.settings import Settings
from platform_resources.sources.formats import parse


class UnreadableFile(ResourceError):
    """A landed file whose content cannot be read; `source` names it, `reason` says why."""

    def __init__(self, source: str, reason: str) -> None:
        self.source, self.reason = source, reason
        super().__init__(f"{source}: {reason} Fix: send the file again under the same name.")


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


@dataclass(frozen=True)
class Landing:
    """The landing folder that the settings name."""

    settings: Settings

    def files(self, domain: str, pattern: str) -> list[LandedFile]:
        """The files of a domain whose name matches the glob, oldest first, then by name; hidden files are left out."""
        listed = self._on_s3(domain) if self._is_s3 else self._on_disk(domain)
        chosen = [file for file in listed if fnmatchcase(PurePosixPath(file.source).name, pattern)]
        return sorted(chosen, key=lambda file: (file.modified, file.source))

    def content(self, source: str) -> bytes:
        """The bytes of a landed file.

        Raises:
            UnreadableFile: It is not there any more.
        """
        _refuse_escape(source)
        if self._is_s3:
            return self._get(source)
        try:
            return (Path(self.settings.landing) / source).read_bytes()
        except OSError as error:
            raise UnreadableFile(source, f"the file cannot be opened ({error.strerror}).") from error

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

    @staticmethod
    def rows(source: str, content: bytes) -> pl.DataFrame:
        """The rows of a file's content, in the file's order.

        Raises:
            UnreadableFile: It is empty, truncated, in another encoding than UTF-8, or of no known format.
        """
        frame, reason = parse(PurePosixPath(source).name, content)
        if frame is None:
            raise UnreadableFile(source, reason)
        return frame

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
            raise UnreadableFile(source, "the object is not there any more.") from error

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


def digest(source: str, content: bytes) -> str:
    """The id of an ingest: the same for the same bytes under the same name, and for nothing else."""
    return hashlib.blake2b(source.encode() + b"\0" + content, digest_size=16).hexdigest()


def stamps(files: Sequence[LandedFile]) -> dict[str, str]:
    """Each file's stamp by its source."""
    return {file.source: file.stamp for file in files}


def _refuse_escape(source: str) -> None:
    path = PurePosixPath(source)
    if path.is_absolute() or ".." in path.parts:
        raise UnreadableFile(source, "the name leaves the landing folder.")
