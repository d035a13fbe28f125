"""What was read from S3 before: in memory, in a folder, and one request to ask whether it is still so."""

from platform_resources.settings import Settings
from platform_resources.storage.caches.counters import Tally
from platform_resources.storage.caches.tiered import Cache

__all__ = ["Cache", "Tally", "open_cache"]


def open_cache(settings: Settings) -> Cache | None:
    """Return the cache that the settings describe, or None where they turn it off; nothing is read or made yet."""
    folder = settings.cache.folder
    return None if folder is None else Cache(settings.cache, folder, settings.s3)
