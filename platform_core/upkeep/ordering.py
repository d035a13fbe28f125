"""By which columns to z-order a table: those whose values choose rows, in readings that happened."""

from collections import Counter
from dataclasses import dataclass

from platform_core.upkeep.compaction import TARGET_BYTES
from platform_core.upkeep.facts import TableFacts

MOST_COLUMNS = 3
LEAST_READS = 5
LEAST_SHARE = 0.2
"""Of the readings that filter; a column that is used more seldom spoils the order for the others."""


@dataclass(frozen=True, kw_only=True)
class Ordering:
    """A z-order, with the readings that speak for it.

    Attributes:
        columns: Those most filtered on first.
        reads: By column, how many readings filtered on it.
        filtering: How many readings filtered at all.
        skipped: The share of files that a filter on one value of one of the columns is expected to leave unread.
    """

    columns: tuple[str, ...]
    reads: tuple[int, ...]
    filtering: int
    skipped: float


def ordering(facts: TableFacts, *, target_bytes: int = TARGET_BYTES) -> Ordering | None:
    """Return the order that the readings speak for, or None.

    Too few readings, too small a table, or it is so ordered already.

    n files ordered by k columns are cut n**(1/k) times along each, so that one value of one column lies in n**(1-1/k)
    of them. A table of fewer than four files of the target's size has nothing to skip.
    """
    filtering = [read for read in facts.history.reads if read.filters]
    counted = Counter(column for read in filtering for column in set(read.filters))
    if facts.partitions is not None:
        counted.pop(facts.partitions.column, None)
    chosen = [
        (column, reads)
        for column, reads in sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
        if reads >= LEAST_READS and reads / len(filtering) >= LEAST_SHARE
    ][:MOST_COLUMNS]
    files = facts.size_bytes / target_bytes
    columns = tuple(column for column, _ in chosen)
    if not columns or files < MOST_COLUMNS + 1 or columns == facts.ordered_by:
        return None
    return Ordering(
        columns=columns,
        reads=tuple(reads for _, reads in chosen),
        filtering=len(filtering),
        skipped=1 - files ** (-1 / len(columns)),
    )
