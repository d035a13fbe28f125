"""The tiers as one: what is open in the process, else what lies in the folder; S3 is left to the caller.

Nothing here ever makes a read fail: what cannot be kept is not kept, and what cannot be trusted is read anew.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import polars as pl

from platform_resources.settings import CacheSettings, S3Settings
from platform_resources.storage.caches.counters import Counters
from platform_resources.storage.caches.disk import DiskTier
from platform_resources.storage.caches.memory import MemoryTier
from platform_resources.storage.caches.remote import Remote
from platform_resources.storage.caches.segments import DamagedSegment, open_segment
from platform_resources.storage.caches.snapshot import Snapshot, dumped, loaded

FRAMES, SNAPSHOTS, SEEN, CONTENTS = "frames", "snapshots", "seen", "contents"
_SMALL = 4096
_WIDTHS: dict[type[pl.DataType], int] = {
    **dict.fromkeys((pl.Int8, pl.UInt8, pl.Boolean), 1),
    **dict.fromkeys((pl.Int16, pl.UInt16), 2),
    **dict.fromkeys((pl.Int32, pl.UInt32, pl.Float32, pl.Date), 4),
    **dict.fromkeys((pl.Int64, pl.UInt64, pl.Float64, pl.Datetime, pl.Duration, pl.Time), 8),
}


class Cache:
    """Memory over disk, with one count of both; one a process is best, for memory is shared only within it."""

    def __init__(self, settings: CacheSettings, folder: str, s3: S3Settings) -> None:
        self.settings = settings
        self.memory = MemoryTier(settings.memory_bytes)
        self.remote = Remote(s3)
        self.disk = DiskTier(Path(folder), settings.limit_bytes, self.remote.origin)
        self.counters = Counters(Path(folder))

    def frame(self, key: str, wanted_schema: pl.Schema) -> pl.DataFrame | None:
        """Return what is kept of a data file: at least the columns wanted, or only some of them; None for nothing.

        The frame is shared with everybody who asks. It is counted as a hit only when it has all columns.
        """
        frame: pl.DataFrame | None = self.memory.get((FRAMES, key))
        if frame is not None and not lacking(frame, wanted_schema):
            self.counters.add(memory_hits=1, memory_bytes=_size(frame, wanted_schema))
            return frame
        frame = self._opened(key)
        if frame is not None and not lacking(frame, wanted_schema):
            self.counters.add(disk_hits=1, disk_bytes=_size(frame, wanted_schema))
        return frame

    def recall(self, location: str) -> Snapshot | None:
        """Return the last known snapshot of a table; whether it is still the latest is for the caller to ask."""
        cached: Snapshot | None = self.memory.get((SNAPSHOTS, location))
        if cached is not None:
            return cached
        content = self.disk.read(SNAPSHOTS, location)
        snapshot = loaded(content) if content is not None else None
        if snapshot is not None:
            self.memory.put((SNAPSHOTS, location), snapshot, _SMALL)
        return snapshot

    def remember(self, location: str, snapshot: Snapshot) -> None:
        """Let this process know the snapshot and, where it can be written, others."""
        content = dumped(snapshot)
        if content is None:
            return
        self.memory.put((SNAPSHOTS, location), snapshot, len(content))
        with suppress(OSError), self.disk.draft(SNAPSHOTS, location, alone=True) as draft:
            draft.write(content)

    def seen(self, query: str) -> bool:
        """Return whether somebody asked this before; from now on somebody has."""
        if self.disk.entries(SEEN, query):
            return True
        with suppress(OSError), self.disk.draft(SEEN, query):
            pass
        return False

    def content(self, key: str, read: Callable[[], bytes]) -> bytes:
        """Return the content of a small file that never changes under its key, read where it is not kept."""
        cached: bytes | None = self.memory.get((CONTENTS, key))
        if cached is not None:
            return cached
        cached = self.disk.read(CONTENTS, key)
        if cached is None:
            cached = read()
            with suppress(OSError), self.disk.draft(CONTENTS, key) as draft:
                draft.write(cached)
        self.memory.put((CONTENTS, key), cached, len(cached))
        return cached

    def record(self, *, soon: bool = False) -> None:
        """Tell the shared counters what this process did, now or `soon`."""
        self.counters.put(memory_evictions=self.memory.evicted, disk_evictions=self.disk.evicted)
        (self.counters.record_soon if soon else self.counters.record)()

    def _opened(self, key: str) -> pl.DataFrame | None:
        """Return all columns that the folder has of a data file; of a column that is there twice, the newer."""
        merged: pl.DataFrame | None = None
        size = 0
        for path in self.disk.entries(FRAMES, key):
            try:
                frame, bytes_ = open_segment(path), path.stat().st_size
            except DamagedSegment:
                with suppress(OSError):  # the folder may only be read
                    self.disk.remove(path)
                continue
            except OSError:  # evicted meanwhile, or no room for another mapping
                continue
            if merged is not None and merged.height != frame.height:
                continue
            new = [name for name in frame.columns if merged is None or name not in merged.columns]
            merged, size = frame if merged is None else merged.hstack(frame.select(new)), size + bytes_
        if merged is not None:
            self.memory.put((FRAMES, key), merged, size)
        return merged


def lacking(cached: pl.DataFrame | None, wanted_schema: pl.Schema) -> tuple[str, ...]:
    """Return the columns wanted that a frame lacks, or has in another type."""
    cached_schema = cached.schema if cached is not None else pl.Schema({})
    return tuple(name for name, kind in wanted_schema.items() if cached_schema.get(name) != kind)


def _size(cached: pl.DataFrame, wanted_schema: pl.Schema) -> int:
    """Return about how large the columns are: fixed widths, and a view of 16 bytes for what has none."""
    return cached.height * sum(width(kind) for kind in wanted_schema.values())


def width(kind: pl.DataType) -> int:
    """Return the bytes of a value in memory, at least; 16 for what has no width."""
    return _WIDTHS.get(type(kind), 16)
