"""A place for files, on disk or S3, that publishes a whole file or none.

On disk a file is written beside its place, synced and renamed; on S3 a PUT or a completed multipart upload is atomic.
"""

import hashlib
import os
import re
import shutil
import stat
import tempfile
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from platform_resources.errors import CorruptObject
from platform_resources.s3 import bucket_and_key
from platform_resources.settings import S3Settings
from platform_resources.transience import is_transient

if TYPE_CHECKING:
    from obstore.store import S3Store

_TEMPORARY = ".tmp-"
LONGEST_NAME = 120
_MD5 = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class Entry:
    """One file: its name below the folder, its size, a stamp that changes when it is replaced, and since when it is."""

    name: str
    size_bytes: int
    stamp: str
    modified: datetime


class Folder(ABC):
    """Files below one location, named by relative paths with slashes."""

    @abstractmethod
    def uri(self, name: str) -> str:
        """Return the address by which other readers find a file."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return a file's content."""

    @abstractmethod
    def entries(self, below: str = "") -> list[Entry]:
        """Return all finished files below a sub-folder, sorted by name; none where there is no such folder."""

    def leftovers(self) -> list[Entry]:
        """Return drafts that a killed writer left behind, and those that are being written; S3 has none."""
        return []

    @abstractmethod
    def draft(self, name: str) -> AbstractContextManager[Path]:
        """Return a context that yields a local path to write to, and publishes it under the name when it ends well."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove the file, if it is there."""

    @abstractmethod
    def lend(self, name: str, to: "Folder", *, replace: bool = False) -> None:
        """Give another folder the file under the same name, without reading it.

        On disk both name the same bytes; S3 copies an object within itself. A file of that name stays as it is, unless
        it is to be replaced.
        """

    @abstractmethod
    def create(self, name: str, content: bytes) -> bool:
        """Publish a file under a name that is free; False where it is taken. Of two who try, one is told True."""

    def write(self, name: str, content: bytes) -> None:
        """Write the content durably under the name."""
        with self.draft(name) as path:
            path.write_bytes(content)


class DiskFolder(Folder):
    """A folder on a local disk."""

    def __init__(self, location: str) -> None:
        self.root = Path(location)

    def uri(self, name: str) -> str:
        """Return the file's absolute path."""
        return str(self.root / name)

    def read(self, name: str) -> bytes:
        """Return a file's content."""
        return (self.root / name).read_bytes()

    def entries(self, below: str = "") -> list[Entry]:
        """Return all finished files below a sub-folder; a draft that a killed writer left is not one."""
        paths = (path for path in (self.root / below).rglob("*") if not path.name.startswith(_TEMPORARY))
        entries = (self._entry(path) for path in paths)
        return sorted((entry for entry in entries if entry is not None), key=lambda listed: listed.name)

    def leftovers(self) -> list[Entry]:
        """Return the drafts."""
        entries = (self._entry(path) for path in self.root.rglob(f"{_TEMPORARY}*"))
        return sorted((entry for entry in entries if entry is not None), key=lambda listed: listed.name)

    @contextmanager
    def draft(self, name: str) -> Iterator[Path]:
        """Yield a path beside the file's place; syncs it and renames it there."""
        place = self.root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(prefix=_TEMPORARY, dir=place.parent)
        try:
            os.close(handle)
            yield Path(draft)
            _sync(Path(draft))
            Path(draft).chmod(0o644)
            Path(draft).replace(place)
            _sync(place.parent)
        finally:
            Path(draft).unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Remove the file, if it is there."""
        (self.root / name).unlink(missing_ok=True)

    def lend(self, name: str, to: Folder, *, replace: bool = False) -> None:
        """Give another folder on the same disk the file by a hard link; one on another disk gets a copy."""
        source, target = self.root / name, Path(to.uri(name))
        if target.exists() and not replace:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f"{_TEMPORARY}{uuid.uuid4().hex}")
        try:
            try:
                os.link(source, draft)
            except OSError:  # another disk, or one without links
                shutil.copyfile(source, draft)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)

    def create(self, name: str, content: bytes) -> bool:
        """Write beside the place, and link there, which fails where there is a file."""
        place = self.root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f"{_TEMPORARY}{uuid.uuid4().hex}")
        try:
            draft.write_bytes(content)
            _sync(draft)
            os.link(draft, place)
            _sync(place.parent)
        except FileExistsError:
            return False
        finally:
            draft.unlink(missing_ok=True)
        return True

    def _entry(self, path: Path) -> Entry | None:
        """Return a file, or None for a folder and for a file that another writer has just replaced or removed."""
        try:
            status = path.stat()
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        stamp, modified = f"{status.st_ino}-{status.st_mtime_ns}", datetime.fromtimestamp(status.st_mtime, UTC)
        return Entry(path.relative_to(self.root).as_posix(), status.st_size, stamp, modified)


class S3Folder(Folder):
    """A prefix in a bucket; with a client that is there already, or one that is made for it when it is needed."""

    def __init__(self, location: str, s3: S3Settings, client: "S3Store | None" = None) -> None:
        self.bucket, self.prefix = bucket_and_key(location)
        self.s3, self._client = s3, client

    def uri(self, name: str) -> str:
        """Return the object's s3:// address."""
        return f"s3://{self.bucket}/{self._key(name)}"

    def read(self, name: str) -> bytes:
        """Return an object's content, compared with its size and, where that is the content's MD5, with its ETag.

        A body that was cut off or changed on its way is asked for again, as often as the settings say.
        """
        return read_whole(self._store, self._key(name), self.s3.attempts)

    def entries(self, below: str = "") -> list[Entry]:
        """Return all objects below a sub-folder; an upload that was not completed is not one."""
        start = len(self.prefix) + 1 if self.prefix else 0
        listed = (entry for page in self._store.list(self._key(below)) for entry in page)
        entries = [
            Entry(entry["path"][start:], entry["size"], str(entry["e_tag"]), entry["last_modified"]) for entry in listed
        ]
        return sorted(entries, key=lambda entry: entry.name)

    @contextmanager
    def draft(self, name: str) -> Iterator[Path]:
        """Yield a local path; uploads it in one request, or in parts that appear together."""
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "draft"
            yield path
            self._store.put(self._key(name), path)

    def remove(self, name: str) -> None:
        """Remove the object, if it is there."""
        self._store.delete(self._key(name))

    def lend(self, name: str, to: Folder, *, replace: bool = False) -> None:
        """Give another prefix of the bucket the object, which S3 copies by itself."""
        if not isinstance(to, S3Folder) or to.bucket != self.bucket:
            raise ValueError("objects are lent within one bucket")
        if replace or not any(entry.name == name for entry in to.entries(name.rpartition("/")[0])):
            self._store.copy(self._key(name), to._key(name))  # noqa: SLF001 - another of this class

    def create(self, name: str, content: bytes) -> bool:
        """Put the object where there is none."""
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        try:
            self._store.put(self._key(name), content, mode="create")
        except (AlreadyExistsError, PreconditionError):
            return False
        return True

    def _key(self, name: str) -> str:
        return "/".join(part for part in (self.prefix, name) if part)

    @property
    def _store(self) -> "S3Store":
        if self._client is None:
            self._client = self.s3.obstore(self.bucket)
        return self._client


def read_whole(store: "S3Store", key: str, attempts: int) -> bytes:
    """Read an object whole; bytes that are not those S3 names are read again.

    Args:
        store: its bucket.
        key: its name.
        attempts: how often it is read at most.

    Raises:
        CorruptObject: the last answer, too, had other bytes than S3 says.
    """
    before: bytes | None = None
    for attempt in range(attempts):
        try:
            result = store.get(key)
            content, meta = bytes(result.bytes()), result.meta
        except Exception as error:
            if attempt == attempts - 1 or not is_transient(error):
                raise
            continue
        # An object that a key encrypts has an ETag that looks like an MD5 and is none: then two answers are alike.
        if len(content) == meta["size"] and (content == before or _may_name(str(meta["e_tag"]), content)):
            return content
        before = content
    raise CorruptObject(f"…/{key}", "the bytes received are not those of its size and ETag", fix="try again later")


def _may_name(etag: str, content: bytes) -> bool:
    """Tell whether an ETag is the content's MD5, or no MD5 at all: that of several parts says nothing."""
    etag = etag.strip('"')
    return not _MD5.fullmatch(etag) or hashlib.md5(content, usedforsecurity=False).hexdigest() == etag


def folder_at(location: str, s3: S3Settings) -> Folder:
    """Return the folder of a location."""
    return S3Folder(location, s3) if location.startswith("s3://") else DiskFolder(location)


def file_name(value: str) -> str:
    """Return a name that any text can have as one file or folder: percent-encoded, and hashed where it is too long.

    >>> file_name("../a b")
    '..%2Fa%20b'
    """
    quoted = quote(value, safe="")
    if len(quoted) <= LONGEST_NAME:
        return quoted
    return f"{quoted[:LONGEST_NAME]}~{hashlib.sha256(value.encode()).hexdigest()[:16]}"


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
