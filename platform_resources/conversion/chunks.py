"""How many rows to hold at once, and in how many hands, so that a memory limit holds: a pure rule, fed by measurements.

Rows differ in width by five orders of magnitude, and what a row costs while it is read, hashed and written again is not
known before. So a first guess is small, every chunk is measured, and the next one follows what was seen: at once down,
by doubling up.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

FIRST_ROWS = 4096
MOST_ROWS = 262_144
_FILL = 0.5
"""The share of the room that chunks may take: what allocators hold back and what libraries keep is the rest."""

_LEAST_BYTES = 8 << 20
"""Of a chunk: a smaller one gives back no memory that counts, and costs as much time as this."""

_COPIES = 4
"""How often a row is there at once, before anything was measured: decoded, prepared, encoded, compressed."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do next.

    Attributes:
        limit_bytes: All memory the process may have.
        base_bytes: What it had before the first row.
        rows: Of the next chunk.
        workers: Chunks in hand at the same time.
        most_workers: Those that the machine can feed.
        row_bytes: What a row was seen to cost, all its copies together; 0 before the first measurement.
        most_rows: Beyond which a chunk gains nothing.
    """

    limit_bytes: int
    base_bytes: int
    most_workers: int
    rows: int = FIRST_ROWS
    workers: int = 1
    row_bytes: float = 0.0
    most_rows: int = MOST_ROWS

    @property
    def room_bytes(self) -> float:
        """What chunks may take together."""
        return self.own_bytes * _FILL

    @property
    def own_bytes(self) -> int:
        """What the conversion may add to the process: a tenth of the limit also where others have used it up."""
        return max(self.limit_bytes - self.base_bytes, self.limit_bytes // 10)

    def after(self, *, rows: int, frame_bytes: int, resident_bytes: int) -> "Plan":
        """Return the plan once a chunk was seen.

        Args:
            rows: Of the chunk; nothing is learnt of an empty one.
            frame_bytes: Its size as a frame.
            resident_bytes: Memory of the process while it was in hand.
        """
        if not rows:
            return self
        resident = max(resident_bytes - self.base_bytes, 0) / (rows * max(self.workers, 1))
        own = frame_bytes / rows * _COPIES
        row_cost = min(max(own, resident), own * _COPIES)  # a small chunk must not pay for what the allocator keeps
        cost = max(row_cost, (self.row_bytes + row_cost) / 2, 1.0)  # rows of nothing but nulls have no size
        over = resident_bytes > self.base_bytes + self.own_bytes
        workers = 1 if over else self._workers(cost)
        fitting = int(self.room_bytes / (workers * cost))
        least = max(1, min(int(_LEAST_BYTES / cost), self.most_rows))
        rows_fitting = min(max(fitting, least), self.rows * 2, self.most_rows)
        rows_next = max(least, min(rows_fitting, self.rows // 2)) if over else max(1, rows_fitting)
        return replace(self, rows=rows_next, workers=workers, row_bytes=cost)

    def _workers(self, cost: float) -> int:
        """All hands as long as each has a chunk worth the overhead."""
        fitting = int(self.room_bytes / (FIRST_ROWS * cost))
        return max(1, min(self.most_workers, fitting))


def first_plan(limit_bytes: int, most_rows: int = MOST_ROWS) -> Plan:
    """Return the plan before anything was seen, on this machine."""
    return Plan(
        limit_bytes=limit_bytes,
        base_bytes=resident_bytes(),
        most_workers=max(1, os.cpu_count() or 1),
        most_rows=most_rows,
    )


def resident_bytes() -> int:
    """Memory of this process that is in RAM; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def regrouped(frames: Iterator[pl.DataFrame], rows: Callable[[], int]) -> Iterator[pl.DataFrame]:
    """Yield the same rows in the same order, in frames of as many rows as the plan wants just then; none is empty."""
    waiting: list[pl.DataFrame] = []
    height = 0
    for frame in frames:
        waiting.append(frame)
        height += frame.height
        while height >= (rows_wanted := max(1, rows())):
            together = pl.concat(waiting) if len(waiting) > 1 else waiting[0]
            yield together[:rows_wanted]
            waiting, height = [together[rows_wanted:]], height - rows_wanted
    if height:
        yield pl.concat(waiting) if len(waiting) > 1 else waiting[0]
