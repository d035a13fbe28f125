"""What the cache of this machine holds, and what all processes counted in it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from platform_resources.errors import SettingsError
from platform_resources.settings import Settings
from platform_resources.storage.caches import Cache, open_cache


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
    hit_rate: float | None
    memory: TierFacts
    disk: TierFacts
    misses: int
    revalidations: int
    filled: int
    filled_bytes: int
    refused: int
    used: bool


def require_cache(settings: Settings) -> Cache:
    """Open the cache that the settings describe.

    Raises:
        SettingsError: They turn it off.
    """
    cache = open_cache(settings)
    if cache is None:
        raise SettingsError("PLATFORM_CACHE", "the cache is off", fix="unset the variable, or name a folder")
    return cache


def cache_facts(settings: Settings) -> CacheFacts:
    """Count what there is, and read what was counted."""
    cache = require_cache(settings)
    tally, usage = cache.counters.recorded(), cache.disk.usage()
    disk_lookups = tally.disk_hits + tally.misses
    return CacheFacts(
        folder=str(cache.disk.root),
        entries=usage.entries,
        size_bytes=usage.size_bytes,
        oldest_use=None if usage.oldest is None else datetime.fromtimestamp(usage.oldest, UTC),
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
            hit_rate=tally.disk_hits / disk_lookups if disk_lookups else None,
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
