"""How a table's rows and files are laid out: which files become one, and rows along a Z-order curve.

Upkeep plans by the same packing by which a format acts.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

import polars as pl

File = TypeVar("File")
Packing = Callable[[Sequence[int], int], list[list[int]]]
"""From the sizes of a partition's files and the target: which of them become one file, by their places in the list."""
_BITS, _LONGEST = 16, 62


class LiveFile(NamedTuple):
    """A data file of the latest version."""

    partition: str | None
    size_bytes: int
    rows: int | None


def pack_in_order(sizes: Sequence[int], target_bytes: int) -> list[list[int]]:
    """Put files together in the order in which they come, as delta-rs does; those of the target's size stay alone.

    >>> pack_in_order([50, 100, 50, 50], 128)
    [[0], [1], [2, 3]]
    """
    groups: list[list[int]] = []
    filled = 0
    for place, size in enumerate(sizes):
        if size >= target_bytes:
            continue
        if not groups or filled + size > target_bytes:
            groups.append([])
            filled = 0
        groups[-1].append(place)
        filled += size
    return groups


def packed(live: Iterable[LiveFile], *, partitions: Sequence[str] | None, target_bytes: int) -> tuple[int, int, int]:
    """Count how many files a compaction would remove, how many it would add instead, and their bytes."""
    chosen = [live_file for live_file in live if partitions is None or live_file.partition in partitions]
    groups = bins(chosen, lambda file: (file.partition, file.size_bytes), target_bytes)
    return sum(map(len, groups)), len(groups), sum(file.size_bytes for group in groups for file in group)


def bins(
    files: Iterable[File],
    facts: Callable[[File], tuple[str | None, int]],
    target_bytes: int,
    pack: Packing = pack_in_order,
) -> list[list[File]]:
    """Return the groups of files that are worth being made one: of one partition, and more than one each."""
    by_partition: dict[str | None, list[tuple[File, int]]] = {}
    for file in files:
        partition, size = facts(file)
        by_partition.setdefault(partition, []).append((file, size))
    return [
        [members[place][0] for place in group]
        for _, members in sorted(by_partition.items(), key=lambda item: item[0] or "")
        for group in pack([size for _, size in members], target_bytes)
        if len(group) > 1
    ]


def zordered(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Sort the rows along a Z-order curve over the columns; nulls come first.

    Rows that are near in several columns then lie near one another: the bits of their ranks are interleaved.
    Ranks rather than values are interleaved, so that a skewed column divides the rows as evenly as any other.

    >>> zordered(pl.DataFrame({"x": [1, 0, 1, 0], "y": [1, 1, 0, 0]}), ["x", "y"]).rows()
    [(0, 0), (1, 0), (0, 1), (1, 1)]
    """
    bits = min(_BITS, _LONGEST // len(columns))
    ranks = [_scaled(pl.col(name), bits, frame.height) for name in columns]
    parts = [
        rank.floordiv(1 << bit).mod(2) * (1 << (bit * len(ranks) + place))
        for place, rank in enumerate(ranks)
        for bit in range(bits)
    ]
    return frame.sort(pl.sum_horizontal(parts), maintain_order=True)


def _scaled(column: pl.Expr, bits: int, rows: int) -> pl.Expr:
    """Rank each value, spread over the range of so many bits; equal values have equal ranks."""
    rank = column.rank("min").cast(pl.Int64).fill_null(0)
    return (rank * ((1 << bits) - 1)).floordiv(max(rows, 1))
