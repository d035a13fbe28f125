"""The cache as a command sees it: the folder that the settings name, and what all processes counted."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rich.table import Table

from platform_assets.entrypoints.door import CommandError
from platform_assets.entrypoints.screen import at, count, facts, size
from platform_resources.settings import Settings
from platform_resources.storage.caches import Cache, open_cache
from platform_resources.storage.caches.disk import DiskTier

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, kw_only=True)
class TierFacts:
    """What one tier served; `hit_rate` is the share of what it was asked for, null if it never was."""

    hits: int
    hit_bytes: int
    hit_rate: float | None
    evictions: int
    limit_bytes: int


@dataclass(frozen=True, kw_only=True)
class CacheFacts:
    """The cache of this machine; the counts are of all processes since the folder was made.

    `used` is whether the lake lies on S3, so that its tables are cached.
    """

    folder: str
    entries: int
    size_bytes: int
    oldest_use: datetime | None
    ttl_seconds: float
    hit_rate: float | None
    memory: TierFacts
    disk: TierFacts
    misses: int
    revalidations: int
    filled: int
    filled_bytes: int
    refused: int
    used: bool


def open_folder() -> DiskTier:
    """The folder; raises CommandError where the settings turn the cache off."""
    return _opened(Settings.from_environment()).disk


@contextmanager
def changing(folder: DiskTier) -> Iterator[None]:
    """Raises CommandError where the folder cannot be changed, or not be read."""
    try:
        yield
    except OSError as error:
        raise CommandError(
            f"{folder.root}: {error.strerror}. Fix: run it as the user who fills the cache, or set PLATFORM_CACHE."
        ) from error


def facts_of() -> CacheFacts:
    """What there is, and what was counted."""
    settings = Settings.from_environment()
    cache = _opened(settings)
    tally, usage = cache.counters.recorded(), cache.disk.usage()
    below = tally.disk_hits + tally.misses
    return CacheFacts(
        folder=str(cache.disk.root),
        entries=usage.entries,
        size_bytes=usage.size_bytes,
        oldest_use=None if usage.oldest is None else datetime.fromtimestamp(usage.oldest, UTC),
        ttl_seconds=settings.cache.ttl.total_seconds(),
        hit_rate=tally.hit_rate,
        memory=TierFacts(
            hits=tally.memory_hits,
            hit_bytes=tally.memory_bytes,
            hit_rate=tally.memory_hits / tally.lookups if tally.lookups else None,
            evictions=tally.memory_evictions,
            limit_bytes=settings.cache.memory_bytes,
        ),
        disk=TierFacts(
            hits=tally.disk_hits,
            hit_bytes=tally.disk_bytes,
            hit_rate=tally.disk_hits / below if below else None,
            evictions=tally.disk_evictions,
            limit_bytes=settings.cache.limit_bytes,
        ),
        misses=tally.misses,
        revalidations=tally.revalidations,
        filled=tally.filled,
        filled_bytes=tally.filled_bytes,
        refused=tally.refused,
        used=settings.lake.startswith("s3://"),
    )


def age(told: str) -> timedelta:
    """A duration such as 7d or 12h.

    >>> age("90m")
    datetime.timedelta(seconds=5400)

    Raises:
        CommandError: It is not a whole number and a unit.
    """
    said = re.fullmatch(r"([0-9]{1,6})([smhdw])", told.strip())
    if said is None:
        raise CommandError(f"--older-than: {told!r} is no age. Fix: write a number and s, m, h, d or w, such as 7d.")
    return timedelta(**{_UNITS[said[2]]: int(said[1])})


def page(found: CacheFacts, now: datetime) -> Table:
    """The facts for people."""
    return facts(
        [
            ("folder", found.folder),
            ("holds", f"{_entries(found.entries)}, {size(found.size_bytes)} of {size(found.disk.limit_bytes)}"),
            ("least recently used", at(found.oldest_use, now)),
            ("hit rate", _share(found.hit_rate)),
            ("from memory", _tier(found.memory)),
            ("from disk", _tier(found.disk)),
            ("from S3", f"{count(found.misses, 'read')}; asked {count(found.revalidations, 'time')} what is new"),
            ("kept", f"{_entries(found.filled)}, {size(found.filled_bytes)}; {_entries(found.refused)} found no room"),
            *([] if found.used else [("note", "the lake lies on disk, where tables are not cached")]),
        ]
    )


def _tier(tier: TierFacts) -> str:
    hits = f"{count(tier.hits, 'hit')} ({_share(tier.hit_rate)}), {size(tier.hit_bytes)}"
    return f"{hits}; {count(tier.evictions, 'eviction')}; at most {size(tier.limit_bytes)}"


def _entries(value: int) -> str:
    return count(value, "entry", "entries")


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _opened(settings: Settings) -> Cache:
    cache = open_cache(settings)
    if cache is None:
        raise CommandError("PLATFORM_CACHE: the cache is off. Fix: unset the variable, or name a folder.")
    return cache
