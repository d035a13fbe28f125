"""How an object is cut: ranges, which a killed download keeps, and requests, each of which fetches several of them.

Short ranges lose little to a kill; long requests cost little each: a connection then reads as fast as it can.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from platform_resources.storage.objects.facts import Facts

RANGE_BYTES = 8 << 20
REQUEST_BYTES = 64 << 20
WORKERS = min(16, max(4, 2 * (os.cpu_count() or 1)))


@dataclass(frozen=True)
class Range:
    """Consecutive bytes of one part of an object."""

    number: int
    start: int
    size: int
    part: int

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.start + self.size


def ranges_of(facts: Facts, range_bytes: int = RANGE_BYTES) -> list[Range]:
    """Return the ranges of an object in order; none crosses the border of two parts of its upload."""
    ranges: list[Range] = []
    start = 0
    for part, size in enumerate(facts.part_sizes or (facts.size_bytes,)):
        for offset in range(0, size, range_bytes):
            ranges.append(Range(len(ranges), start + offset, min(range_bytes, size - offset), part))
        start += size
    return ranges


def requests_of(ranges: Sequence[Range], workers: int, request_bytes: int = REQUEST_BYTES) -> list[list[Range]]:
    """Return the ranges in order, in runs of consecutive bytes that one request may fetch; enough for all workers."""
    share = -(-sum(range_.size for range_ in ranges) // max(1, workers))
    longest = min(request_bytes, share)
    requests: list[list[Range]] = []
    for range_ in ranges:
        if requests and requests[-1][-1].end == range_.start and range_.end - requests[-1][0].start <= longest:
            requests[-1].append(range_)
        else:
            requests.append([range_])
    return requests
