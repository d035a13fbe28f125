"""Which partitions to compact: those with several small files, where it pays.

A file is small below half of the target. Small files of a partition are filled into new ones in the order of their
sizes, up to the target; a file that would stay alone stays as it is. Any two of the files that come out hold more than
the target together, so at most one of them is small, and a second plan finds nothing to do.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from platform_core.upkeep.cost import REQUESTS_A_FILE, Cost, Pace, scan, working, writing
from platform_core.upkeep.facts import DataFile, TableFacts
from platform_core.upkeep.prices import PriceList

TARGET_BYTES = 128 << 20
"""What a file should hold; scans open fewer, and a reader of some row groups still skips."""

LEAST_FILES = 8
"""Small files of a partition that are compacted whatever it gains: listing them is dear for everyone."""


@dataclass(frozen=True, kw_only=True)
class Compaction:
    """One partition to be compacted, and what it gains.

    Attributes:
        partition: Its key; None in a table without.
        files_before: Of the whole partition.
        files_after: What will be left of them.
        rewritten_bytes: Of the small files.
        requests_a_scan: GET requests that a reading of the partition saves.
        seconds_a_scan: By how much it is faster.
        costs_once: Dollars for rewriting.
        saves_a_month: Dollars, at the readings a month that are known.
    """

    partition: str | None
    files_before: int
    files_after: int
    rewritten_bytes: int
    requests_a_scan: int
    seconds_a_scan: float
    costs_once: Cost
    saves_a_month: Cost


Packing = Callable[[Sequence[int], int], list[list[int]]]
"""From the sizes of a partition's files and the target: which of them become one file, by their places in the list."""


def pack_smallest_first(sizes: Sequence[int], target_bytes: int) -> list[list[int]]:
    """Fill small files into new ones in ascending order; each new one holds at most the target.

    >>> pack_smallest_first([50, 100, 50, 100], 128)
    [[0, 2]]
    """
    groups: list[list[int]] = []
    filled = 0
    for place in sorted((n for n, size in enumerate(sizes) if 2 * size < target_bytes), key=lambda n: sizes[n]):
        if not groups or filled + sizes[place] > target_bytes:
            groups.append([])
            filled = 0
        groups[-1].append(place)
        filled += sizes[place]
    return groups


def bins(
    sizes: Sequence[int], target_bytes: int = TARGET_BYTES, pack: Packing = pack_smallest_first
) -> list[list[int]]:
    """Return the sizes of the files that become one, a list for each new file."""
    return [[sizes[place] for place in group] for group in pack(sizes, target_bytes)]


def compacted(sizes: Sequence[int], target_bytes: int = TARGET_BYTES) -> list[int]:
    """Return the sizes after a compaction."""
    large = [size for size in sizes if 2 * size >= target_bytes]
    return [*large, *(sum(group) for group in bins(sizes, target_bytes))]


def compactions(
    facts: TableFacts,
    prices: PriceList,
    pace: Pace,
    *,
    target_bytes: int = TARGET_BYTES,
    out_of_reach: frozenset[str],
    pack: Packing = pack_smallest_first,
) -> list[Compaction]:
    """Return the partitions that are worth it, those that gain most requests first.

    Args:
        facts: The table.
        prices: Of the place where it lies.
        pace: Of the machine that will do it.
        target_bytes: What a file should hold.
        out_of_reach: Partitions whose files may be archived, so that they cannot be read; they are left alone.
        pack: How files are put together by whoever carries the plan out.
    """
    worthwhile = [
        compaction
        for partition, files in facts.by_partition().items()
        if partition not in out_of_reach
        for compaction in _worth(partition, files, facts, prices, pace, target_bytes, pack)
    ]
    return sorted(worthwhile, key=lambda compaction: (-compaction.requests_a_scan, compaction.partition or ""))


def _worth(
    partition: str | None,
    files: Sequence[DataFile],
    facts: TableFacts,
    prices: PriceList,
    pace: Pace,
    target_bytes: int,
    pack: Packing,
) -> Iterator[Compaction]:
    planned = _compaction(partition, files, facts, prices, pace, target_bytes, pack)
    files_saved = planned.files_before - planned.files_after
    pays = planned.saves_a_month.total > planned.costs_once.total
    if files_saved > 0 and (files_saved + 1 >= LEAST_FILES or pays):
        yield planned


def _compaction(
    partition: str | None,
    files: Sequence[DataFile],
    facts: TableFacts,
    prices: PriceList,
    pace: Pace,
    target_bytes: int,
    pack: Packing,
) -> Compaction:
    sizes = [file.size_bytes for file in files]
    groups = [group for group in bins(sizes, target_bytes, pack) if len(group) > 1]
    old, new = [size for group in groups for size in group], [sum(group) for group in groups]
    files_saved = len(old) - len(new)
    seconds = files_saved * pace.file_seconds
    readings = _readings_a_month(facts, partition)
    saved = scan(old, prices) - scan(new, prices) + working(seconds, prices, pace)
    rewriting = sum(old) / pace.bytes_a_second + len(old) * pace.file_seconds
    return Compaction(
        partition=partition,
        files_before=len(sizes),
        files_after=len(sizes) - files_saved,
        rewritten_bytes=sum(old),
        requests_a_scan=files_saved * REQUESTS_A_FILE,
        seconds_a_scan=seconds,
        costs_once=scan(old, prices) + writing(len(new), prices) + working(rewriting, prices, pace),
        saves_a_month=saved * readings,
    )


def _readings_a_month(facts: TableFacts, partition: str | None) -> float:
    """Return readings of this partition a month, those of the whole table included."""
    reads = facts.history.reads
    touching = sum(read.partitions is None or partition in read.partitions for read in reads)
    return facts.history.a_month * touching / len(reads) if reads else 0.0
