"""Whole S3 objects through the cache: one HEAD, or none while they are young, and a download only when they changed."""

import io
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

from platform_resources.storage.caches.tiered import Cache

_OBJECTS, _CHECKED = "objects", "checked"
_CHUNK = 8 << 20


class CachedObjects:
    """Objects by their s3:// address; a younger copy than the settings' TTL is served without asking S3."""

    def __init__(self, cache: Cache, now: Callable[[], float] = time.time) -> None:
        self._cache, self._now = cache, now

    def read(self, uri: str) -> bytes:
        """Returns an object's content; raises FileNotFoundError where there is none."""
        with self.open(uri) as file:
            return file.read()

    def open(self, uri: str) -> BinaryIO:
        """Returns an object as a file at its beginning, which stays readable when the cache evicts it.

        Raises:
            FileNotFoundError: there is no such object.
        """
        try:
            return self._open(uri)
        finally:
            self._cache.record()

    def _open(self, uri: str) -> BinaryIO:
        etag = self._young(uri)
        held = self._held(uri, etag) if etag else None
        if held is None:
            self._cache.counters.add(revalidations=1)
            etag = self._cache.remote.etag(uri)
            if etag is None:
                raise FileNotFoundError(uri)
            held = self._held(uri, etag)
            if held is not None:
                self._check(uri, etag)
        if held is not None:
            self._cache.counters.add(disk_hits=1, disk_bytes=held.seek(0, io.SEEK_END))
            held.seek(0)
            return held
        return self._fetched(uri)

    def _young(self, uri: str) -> str | None:
        """Returns the ETag under which the object was seen lately."""
        ttl = self._cache.settings.ttl.total_seconds()
        told = self._cache.disk.read(_CHECKED, uri) if ttl > 0 else None
        at, etag = json.loads(told) if told is not None else (self._now() - ttl, None)
        return str(etag) if 0 <= self._now() - at < ttl else None

    def _check(self, uri: str, etag: str) -> None:
        if self._cache.settings.ttl.total_seconds() > 0:
            with suppress(OSError), self._cache.disk.draft(_CHECKED, uri, alone=True) as draft:
                draft.write(json.dumps([self._now(), etag]).encode())

    def _held(self, uri: str, etag: str) -> BinaryIO | None:
        for path in self._cache.disk.entries(_OBJECTS, f"{uri}\n{etag}"):
            with suppress(OSError):  # evicted meanwhile
                return path.open("rb")
        return None

    def _fetched(self, uri: str) -> BinaryIO:
        """Returns the object as S3 has it now, kept under the ETag that came with it."""
        self._cache.counters.add(misses=1)
        with self._cache.remote.fetched(uri) as result:
            etag, size = str(result.meta["e_tag"]), result.meta["size"]
            if size > self._cache.disk.limit_bytes:
                return io.BytesIO(bytes(result.bytes()))
            try:
                with self._cache.disk.draft(_OBJECTS, f"{uri}\n{etag}") as draft:
                    for chunk in result.stream(min_chunk_size=_CHUNK):
                        draft.write(chunk)
            except OSError:
                self._cache.counters.add(refused=1)
                return self._uncached(uri)
        self._cache.counters.add(filled=1, filled_bytes=size)
        self._check(uri, etag)
        return self._held(uri, etag) or self._uncached(uri)

    def _uncached(self, uri: str) -> BinaryIO:
        with self._cache.remote.fetched(uri) as result:
            return io.BytesIO(bytes(result.bytes()))
