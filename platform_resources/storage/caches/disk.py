"""The second tier: a folder of files that any number of processes and threads fill, read and clean at once.

    {kind}/{ab}/{digest of the key}/{checksum}-{size}-{boot}     an entry; a key may have several
    .drafts/{name}                                            being written, locked by its writer
    .lock                                                     held while entries are counted and evicted

An entry appears by a rename, whole or not at all. Its name says its size and checksum, so that a truncated one is seen
when it is opened. What a machine had not written to the disk when it lost power may be gone although the name is there:
an entry from before the last boot is summed up once before it is trusted, which spares every entry an fsync.
A draft whose writer was killed has lost its lock, and goes with the next eviction. A file's time is its last use.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from platform_resources.storage.caches.entries import NAME, UNKNOWN, Draft, boot, summed, summed_content

_DRAFTS, _LOCK = ".drafts", ".lock"
_KEPT, _SLACK = 15 / 16, 1 / 64
_LEFT_FREE = 1024**3
_TOUCHED_SECONDS, _AHEAD_SECONDS = 1.0, 60.0
_ATTEMPTS = 5


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What is in the folder; drafts count as bytes, not as entries. `oldest` is the last use in Unix seconds."""

    entries: int
    size_bytes: int
    oldest: float | None


@dataclass(frozen=True, kw_only=True)
class Removed:
    """What was taken out, and what is left."""

    removed: int
    removed_bytes: int
    entries: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Verified:
    """How many entries were summed up, and which were wrong and are gone (names below the folder)."""

    checked: int
    checked_bytes: int
    corrupt: tuple[str, ...]


@dataclass(frozen=True)
class _Found:
    path: Path
    size_bytes: int
    used: float


class DiskTier:
    """Files by kind and key, bounded by bytes; the least recently used go first.

    A process looks at the whole folder when it has written a 64th of the limit since it last looked, so that many
    processes together may pass the limit by that much each; eviction goes down to 15/16 of it, and leaves the disk
    a free gibibyte (or a twentieth, if that is less).
    """

    def __init__(self, root: Path, limit_bytes: int, origin: str = "") -> None:
        self.root, self.limit_bytes, self.evicted = root, limit_bytes, 0
        self._origin = origin  # what tells equal keys of two worlds apart
        self._unseen_bytes = limit_bytes  # the first draft looks
        self._boot = boot()

    def entries(self, kind: str, key: str) -> list[Path]:
        """Return the entries of a key that can be trusted, newest first; one that cannot is removed."""
        entries_by_time: list[tuple[int, Path]] = []
        with suppress(OSError):  # there is none
            for entry in list(os.scandir(self._folder(kind, key))):
                with suppress(OSError):  # it was evicted meanwhile
                    status = entry.stat()
                    if (path := self._trusted(Path(entry.path), status)) is not None:
                        entries_by_time.append((status.st_ctime_ns, path))
        return [path for _, path in sorted(entries_by_time, reverse=True)]

    def read(self, kind: str, key: str) -> bytes | None:
        """Return the content of the newest entry of a key, summed up, or None; for small ones."""
        for path in self.entries(kind, key):
            with suppress(OSError):  # evicted meanwhile
                content = path.read_bytes()
                if path.name.startswith("{}-{}-".format(*summed_content(content))):
                    return content
                self.remove(path)
        return None

    @contextmanager
    def draft(self, kind: str, key: str, *, alone: bool = False) -> Iterator[Draft]:
        """Yield an empty file, and publishes what it holds when the block ends well.

        Args:
            kind: what sort of entry, a folder's name.
            key: any text.
            alone: whether earlier entries of the key go.

        Raises:
            OSError: the disk is full or not writable; nothing is published.
        """
        drafts = self.root / _DRAFTS
        drafts.mkdir(parents=True, exist_ok=True)
        path = drafts / uuid.uuid4().hex
        try:
            with Draft(path, "w+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield file
                if self._boot == UNKNOWN:
                    os.fsync(file.fileno())
                digest, size = summed(path)
                if size > self.limit_bytes:
                    raise OSError(errno.EFBIG, f"an entry of more than {self.limit_bytes} bytes")
                place = self._publish(path, self._folder(kind, key) / f"{digest}-{size}-{self._boot}")
        finally:
            path.unlink(missing_ok=True)
        if alone:
            self._supersede(place)
        self._unseen_bytes += size
        if self._unseen_bytes > self.limit_bytes * _SLACK:
            self.shrink()

    def remove(self, path: Path) -> None:
        """Remove an entry, if it is there."""
        path.unlink(missing_ok=True)
        with suppress(OSError):  # other entries are there
            path.parent.rmdir()

    def shrink(self) -> Removed:
        """Return what was evicted so that the folder keeps its bounds."""
        with self._locked():
            self._bury_drafts()
            entries = sorted(self._all(), key=lambda entry: entry.used)
            used = sum(entry.size_bytes for entry in entries) + self._drafted_bytes()
            allowed = self._allowed(used)
            excess = used - allowed * _KEPT if used > allowed else 0
            evicted: list[_Found] = []
            for entry in entries:
                if excess <= 0:
                    break
                self.remove(entry.path)
                evicted.append(entry)
                excess -= entry.size_bytes
            self._unseen_bytes = 0
        self.evicted += len(evicted)
        return _removed(entries, evicted)

    def clean(self, older_than: timedelta) -> Removed:
        """Return what was removed: entries that nobody used for so long, and drafts of dead writers."""
        before = time.time() - older_than.total_seconds()
        with self._locked():
            self._bury_drafts()
            entries = self._all()
            removed = [entry for entry in entries if entry.used <= before]
            for entry in removed:
                self.remove(entry.path)
        return _removed(entries, removed)

    def verify(self) -> Verified:
        """Return what was found by reading every byte; wrong entries are removed, and read anew when next wanted."""
        entries, corrupt = self._all(), []
        for entry in entries:
            if self._sums_up(entry.path) is False:
                self.remove(entry.path)
                corrupt.append(entry.path.relative_to(self.root).as_posix())
        return Verified(
            checked=len(entries),
            checked_bytes=sum(entry.size_bytes for entry in entries),
            corrupt=tuple(sorted(corrupt)),
        )

    def usage(self) -> Usage:
        """Return what is there now."""
        entries = self._all()
        return Usage(
            entries=len(entries),
            size_bytes=sum(entry.size_bytes for entry in entries) + self._drafted_bytes(),
            oldest=min((entry.used for entry in entries), default=None),
        )

    def _folder(self, kind: str, key: str) -> Path:
        identity = f"{self._origin}\n{key}" if self._origin else key
        digest = hashlib.sha256(identity.encode()).hexdigest()[:32]
        return self.root / f"{kind}/{digest[:2]}/{digest}"

    def _publish(self, path: Path, place: Path) -> Path:
        """Return where the entry is now; whoever cleans may take the empty folder away in between."""
        for attempt in range(_ATTEMPTS):
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                return path.replace(place)
            except FileNotFoundError:
                if attempt == _ATTEMPTS - 1:
                    raise
        return place

    def _supersede(self, place: Path) -> None:
        with suppress(OSError):
            for path in list(place.parent.iterdir()):
                if path != place:
                    path.unlink(missing_ok=True)

    def _trusted(self, path: Path, status: os.stat_result) -> Path | None:
        """Return where the entry is, under the name of this boot; None when it is not what its name says."""
        name_parts = NAME.fullmatch(path.name)
        if name_parts is None or status.st_size != int(name_parts["size"]):
            self.remove(path)
            return None
        if abs(time.time() - status.st_mtime) > _TOUCHED_SECONDS:
            with suppress(OSError):  # the folder may only be read
                os.utime(path)
        if name_parts["boot"] == self._boot:
            return path
        if not self._sums_up(path):
            self.remove(path)
            return None
        with suppress(OSError):
            return path.replace(path.with_name(f"{name_parts['sum']}-{name_parts['size']}-{self._boot}"))
        return path

    def _sums_up(self, path: Path) -> bool | None:
        """Return whether an entry's bytes are those it was written with; None when it went meanwhile."""
        name_parts = NAME.fullmatch(path.name)
        try:
            return name_parts is not None and summed(path) == (name_parts["sum"], int(name_parts["size"]))
        except FileNotFoundError:
            return None

    def _all(self) -> list[_Found]:
        """Return all entries; one used in the future, by a clock that was set back since, counts as the oldest."""
        entries, now = [], time.time() + _AHEAD_SECONDS
        for folder, _, names in os.walk(self.root):
            if Path(folder) == self.root or Path(folder).name == _DRAFTS:
                continue
            for name in names:
                with suppress(FileNotFoundError):  # another process was faster
                    status = os.stat(os.path.join(folder, name))  # noqa: PTH116, PTH118 - thousands of them
                    used = status.st_mtime if status.st_mtime <= now else 0.0
                    entries.append(_Found(Path(folder, name), status.st_size, used))
        return entries

    def _drafted_bytes(self) -> int:
        total = 0
        with suppress(FileNotFoundError):
            for draft in os.scandir(self.root / _DRAFTS):
                with suppress(FileNotFoundError):
                    total += draft.stat().st_size
        return total

    def _allowed(self, used: int) -> int:
        """Return how many bytes the folder may have: its limit, or less where the disk is nearly full."""
        disk = shutil.disk_usage(self.root)
        spare = disk.free - min(_LEFT_FREE, disk.total // 20)
        return max(0, min(self.limit_bytes, used + spare))

    def _bury_drafts(self) -> None:
        with suppress(FileNotFoundError):
            for draft in list((self.root / _DRAFTS).iterdir()):
                with suppress(OSError), draft.open("rb") as file:  # its writer lives, or it was just published
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    draft.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / _LOCK).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _removed(entries: list[_Found], removed: list[_Found]) -> Removed:
    lost = sum(entry.size_bytes for entry in removed)
    total = sum(entry.size_bytes for entry in entries)
    return Removed(
        removed=len(removed), removed_bytes=lost, entries=len(entries) - len(removed), size_bytes=total - lost
    )
