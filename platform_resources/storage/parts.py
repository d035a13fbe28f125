"""A frame by its partitions, and each to its file: a few at a time, so that the rows are not held twice."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import polars as pl

_AT_ONCE = 4
_ROW = "\0row"

Part = TypeVar("Part")
Written = TypeVar("Written")


def by_partition(frame: pl.DataFrame, column: str) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield each value of the column with its rows, in the order in which the values first come.

    Rows that lie together already are not copied; others are gathered one partition at a time.
    """
    runs = frame[column].rle().struct.unnest()
    if runs["value"].n_unique() == runs.height:
        start = 0
        for length, value in runs.iter_rows():
            yield str(value), frame.slice(start, length)
            start += length
        return
    rows = pl.int_range(pl.len(), dtype=pl.get_index_type()).alias(_ROW)
    groups = frame.select(column, rows).group_by(column, maintain_order=True).agg(_ROW)
    for value, places in zip(groups[column], groups[_ROW], strict=True):
        yield str(value), frame[places]


def each_written(parts: Iterator[Part], write: Callable[[Part], Written]) -> list[Written]:
    """Return what `write` says of each part, in order; a few are written at once, and the next are made after that.

    Files wait for the disk or the network most of the time: 365 synced one by one took twice as long.
    """
    writtens: list[Written] = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while chosen := list(islice(parts, _AT_ONCE)):
            writtens += pool.map(write, chosen)
    return writtens
