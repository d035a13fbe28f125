"""The first tier: what this process has open. It keeps references, so whoever asks twice gets the same frame."""

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Any


class MemoryTier:
    """The values last used, bounded by the bytes that their owners say they have; safe for threads."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes, self.used_bytes, self.evicted = limit_bytes, 0, 0
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable) -> Any | None:
        """Return the value itself, never a copy, or None; it counts as used now."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: Hashable, value: Any, size_bytes: int) -> None:
        """Keep the value; the least recently used make room, and one above the limit is not kept."""
        with self._lock:
            self._drop(key)
            if size_bytes > self.limit_bytes:
                return
            self._values[key] = (value, size_bytes)
            self.used_bytes += size_bytes
            while self.used_bytes > self.limit_bytes:
                self._drop(next(iter(self._values)))
                self.evicted += 1

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._values.clear()
            self.used_bytes = 0

    def _drop(self, key: Hashable) -> None:
        _, size_bytes = self._values.pop(key, (None, 0))
        self.used_bytes -= size_bytes
