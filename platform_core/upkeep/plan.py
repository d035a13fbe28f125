"""The plan for one table: what is to be done, in which order, what it gains, and what is left to a person to decide.

An operation is planned only where its format can do it. Applied, a plan leaves nothing for the next one to do.
"""

from dataclasses import dataclass
from datetime import datetime

from platform_core.upkeep.clearing import Clearing, clearing, ended_before
from platform_core.upkeep.compaction import TARGET_BYTES, Compaction, Packing, compactions, pack_smallest_first
from platform_core.upkeep.cost import DISK, S3, Cost, scan, storage, total
from platform_core.upkeep.facts import TableFacts
from platform_core.upkeep.ordering import Ordering, ordering
from platform_core.upkeep.partitioning import Advice, partition_advice
from platform_core.upkeep.prices import FREE, PriceList

REWRITABLE = frozenset({"delta", "iceberg"})
"""Formats in which files are replaced in one commit."""


@dataclass(frozen=True, kw_only=True)
class TablePlan:
    """What upkeep would do to a table.

    Attributes:
        table: Its name.
        format: Its format.
        files: There are.
        size_bytes: Of them.
        costs_a_month: Dollars for storage and for the readings that are known; zero on a disk of one's own.
        compactions: Partitions to be compacted; empty where all of the table is to be z-ordered, which rewrites it.
        ordering: A z-order, or None.
        clearing: What is to go.
        advice: For a person to decide.
    """

    table: str
    format: str
    files: int
    size_bytes: int
    costs_a_month: Cost
    compactions: tuple[Compaction, ...]
    ordering: Ordering | None
    clearing: Clearing
    advice: tuple[Advice, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.compactions or self.ordering or self.clearing.partitions or self.clearing.vacuums)

    @property
    def files_after(self) -> int:
        """How many files there will be after the compactions."""
        return self.files - sum(compaction.files_before - compaction.files_after for compaction in self.compactions)

    @property
    def requests_a_scan(self) -> int:
        """Requests that a reading of the whole table saves."""
        return sum(compaction.requests_a_scan for compaction in self.compactions)

    @property
    def seconds_a_scan(self) -> float:
        """By how much such a reading is faster."""
        return sum(compaction.seconds_a_scan for compaction in self.compactions)

    @property
    def saves_a_month(self) -> Cost:
        """Dollars."""
        cleared = self.clearing.saves_a_month if self.clearing.vacuums else Cost()
        return total(compaction.saves_a_month for compaction in self.compactions) + cleared

    @property
    def costs_once(self) -> Cost:
        """Dollars for doing it."""
        return total(compaction.costs_once for compaction in self.compactions)


def plan(
    facts: TableFacts,
    prices: PriceList,
    now: datetime,
    *,
    target_bytes: int = TARGET_BYTES,
    pack: Packing = pack_smallest_first,
) -> TablePlan:
    """Return what is to be done to a table at an instant.

    On a disk nothing costs money: only files and seconds count.
    """
    known, pace = (prices, S3) if facts.on_s3 else (FREE, DISK)
    clear = clearing(facts, known, now)
    order = ordering(facts, target_bytes=target_bytes) if facts.format in REWRITABLE else None
    compact = [] if order or facts.format not in REWRITABLE else compactions(
        facts, known, pace, target_bytes=target_bytes, pack=pack,
        out_of_reach=_out_of_reach(facts, now).union(clear.partitions),
    )  # fmt: skip
    return TablePlan(
        table=facts.name,
        format=facts.format,
        files=len(facts.files),
        size_bytes=facts.size_bytes,
        costs_a_month=storage(facts.sizes, known) + scan(facts.sizes, known) * facts.history.a_month,
        compactions=tuple(compact),
        ordering=order,
        clearing=clear,
        advice=tuple(partition_advice(facts)),
    )


def _out_of_reach(facts: TableFacts, now: datetime) -> frozenset[str]:
    """Partitions whose files the bucket may have archived, so that rewriting them would wait for hours, or fail."""
    back = facts.retention.read_back
    if back is None or not facts.on_s3 or facts.whole_readers:
        return frozenset()
    return frozenset(ended_before(facts, now - back))
