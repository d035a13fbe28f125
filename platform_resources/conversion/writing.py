"""Rows on their way to a file: chunk by chunk, in several hands at once, in order, and counted."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from platform_resources.conversion.blocks import Block, Sample
from platform_resources.conversion.chunks import Plan, regrouped, resident_bytes
from platform_resources.conversion.fingerprint import Fingerprint, fingerprint
from platform_resources.conversion.targets import Prepared

Progress = Callable[[int], None]


@dataclass
class Tally:
    """What has been written so far.

    Attributes:
        plan: Of the next chunk.
        progress: Told the rows.
        sample: Which rows of a text are compared; of other formats it is all.
        rows: Written.
        print_: Of those that are compared.
        nulled: Values that the format lacks.
        blocks: Of a text, with what stands between its rows.
        packed: CRC-32 of all bytes of a compressed text.
    """

    plan: Plan
    progress: Progress
    sample: Sample = field(default_factory=Sample)
    rows: int = 0
    print_: Fingerprint = field(default_factory=Fingerprint)
    nulled: int = 0
    blocks: list[Block] = field(default_factory=list)
    packed: int = 0

    def add(self, chunk: "Chunk") -> None:
        """Count a written chunk and let the plan follow what it cost."""
        self.rows += chunk.rows
        self.print_ += chunk.print_
        self.nulled += chunk.nulled
        self.plan = self.plan.after(rows=chunk.rows, frame_bytes=chunk.frame_bytes, resident_bytes=resident_bytes())
        self.progress(self.rows)


@dataclass(frozen=True)
class Chunk:
    """A chunk on its way: what it says as far as that is compared, and its pieces of text or its frame."""

    rows: int
    print_: Fingerprint
    nulled: int
    frame_bytes: int
    content: Any


def in_order(
    frames: Iterator[pl.DataFrame],
    work: Callable[[pl.DataFrame], Callable[[], Chunk]],
    tally: Tally,
    *,
    stretch: int | None = None,
) -> Iterator[Chunk]:
    """Chunks in the order of their rows, as many in hand at a time as the plan allows.

    Args:
        frames: The rows.
        work: Begins a chunk.
        tally: Has the plan.
        stretch: So many rows end a chunk wherever it stands; None where no chunk has to.
    """
    pending: deque[Future[Chunk]] = deque()
    rows_taken = 0

    def wanted() -> int:
        return min(tally.plan.rows, stretch - rows_taken % stretch) if stretch else tally.plan.rows

    with ThreadPoolExecutor(tally.plan.most_workers) as pool:
        try:
            for frame in regrouped(frames, wanted):
                rows_taken += frame.height
                pending.append(pool.submit(work(frame)))
                while len(pending) > tally.plan.workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def chunk_of(
    frame: pl.DataFrame, fit: Prepared, finish: Callable[[pl.DataFrame], Any], *, hashed: bool = True
) -> Chunk:
    """Rows made fit for a target, and finished as its writer wants them."""
    rows, lost = _finite(frame.select(fit.expressions), fit.floats)
    print_ = fingerprint(rows) if hashed else Fingerprint()
    return Chunk(frame.height, print_, lost, int(frame.estimated_size()), finish(rows))


def _finite(rows: pl.DataFrame, floats: Sequence[str]) -> tuple[pl.DataFrame, int]:
    """Rows in which the columns have null for NaN and infinities, and how many of these there were."""
    nulled = 0
    for name in floats:
        if others := int((~rows[name].is_finite()).sum()):
            nulled += others
            rows = rows.with_columns(pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name))
    return rows, nulled
