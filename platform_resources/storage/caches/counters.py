"""What the tiers did: counted in the process, and added up in a file that all processes share."""

import atexit
import fcntl
import json
import os
import time
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from threading import Lock

_FILE, _LOCK = "counters.json", ".counting"
_SOON_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Counts since some beginning; a read of a table is a lookup of each of its data files.

    Attributes:
        memory_hits: lookups that found what they wanted open in the process.
        memory_bytes: the size of what they found.
        memory_evictions: values that made room for others.
        disk_hits: lookups that found it in the folder.
        disk_bytes: the size of what they found.
        disk_evictions: entries that made room for others.
        misses: lookups that went to S3.
        filled: entries written.
        filled_bytes: their size.
        refused: entries not written: the disk was full, or the file changed while it was read.
        revalidations: requests that asked S3 whether what is known is still so.
    """

    memory_hits: int = 0
    memory_bytes: int = 0
    memory_evictions: int = 0
    disk_hits: int = 0
    disk_bytes: int = 0
    disk_evictions: int = 0
    misses: int = 0
    filled: int = 0
    filled_bytes: int = 0
    refused: int = 0
    revalidations: int = 0

    @property
    def lookups(self) -> int:
        """How often something was looked up."""
        return self.memory_hits + self.disk_hits + self.misses

    @property
    def hit_rate(self) -> float | None:
        """The share of lookups that did not go to S3; None before the first."""
        return (self.memory_hits + self.disk_hits) / self.lookups if self.lookups else None

    def __add__(self, other: "Tally") -> "Tally":
        """Return the counts of both."""
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in _NAMES})

    def __sub__(self, other: "Tally") -> "Tally":
        """Return the counts since the other."""
        return Tally(**{name: getattr(self, name) - getattr(other, name) for name in _NAMES})


_NAMES = tuple(field.name for field in fields(Tally))


class Counters:
    """Counts of this process, and of all processes that use the folder."""

    def __init__(self, root: Path) -> None:
        self._root, self._lock = root, Lock()
        self._counts, self._recorded = dict.fromkeys(_NAMES, 0), Tally()
        self._next: float | None = None

    @property
    def total(self) -> Tally:
        """What this process did so far."""
        return Tally(**self._counts)

    def add(self, **counts: int) -> None:
        """Add the counts to the process's own."""
        with self._lock:
            for name, count in counts.items():
                self._counts[name] += count

    def put(self, **counts: int) -> None:
        """Set the process's own to these, which somebody else counts."""
        with self._lock:
            self._counts.update(counts)

    def record(self) -> None:
        """Add them to the shared file; where it cannot be written they wait for the next time."""
        with self._lock, suppress(OSError):
            total = self.total
            new = total - self._recorded
            if new == Tally():
                return
            self._root.mkdir(parents=True, exist_ok=True)
            with (self._root / _LOCK).open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._write(self.recorded() + new)
            self._recorded = total

    def record_soon(self) -> None:
        """Add them to the shared file now, or with a later call or the process's end.

        Writing takes longer than a warm read of a small table, so it is done once a second, and not by the first read;
        a process that is killed takes the last second along.
        """
        now = time.monotonic()
        if self._next is None:
            atexit.register(self._record_last)
        elif now < self._next:
            return
        else:
            self.record()
        self._next = now + _SOON_SECONDS

    def _record_last(self) -> None:
        """Add them to the shared file; a folder that was deleted meanwhile is not made again for it."""
        if self._root.exists():
            self.record()

    def recorded(self) -> Tally:
        """Return what all processes recorded; a file that cannot be read counts from zero."""
        try:
            known = json.loads((self._root / _FILE).read_text())
            return Tally(**{name: int(known[name]) for name in _NAMES if name in known})
        except (OSError, ValueError, TypeError):
            return Tally()

    def _write(self, tally: Tally) -> None:
        draft = self._root / f".{_FILE}-{uuid.uuid4().hex}"
        try:
            draft.write_text(json.dumps(asdict(tally)))
            os.replace(draft, self._root / _FILE)  # noqa: PTH105 - atomic, and says so
        finally:
            draft.unlink(missing_ok=True)
