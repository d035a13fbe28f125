"""What may be cleared away: rows past their keeping time, files and versions that no reader can still need.

Nothing goes that a reader who began with an earlier version may be at: the time kept is the declared one or, where
that is longer, twice the longest reading that is known.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from platform_core.contracts.partitions import Partitioning
from platform_core.contracts.retention import Retention
from platform_core.upkeep.cost import Cost, storage
from platform_core.upkeep.facts import TableFacts
from platform_core.upkeep.prices import PriceList

WORTH_BYTES = 1 << 20
WORTH_FILES = 8
"""Less than both is not worth a commit and a listing."""


@dataclass(frozen=True, kw_only=True)
class Clearing:
    """What is to be cleared of one table.

    Attributes:
        partitions: Whose rows are past their keeping time, oldest first; their files become dead, and go later.
        rows_before: Partitions that ended before this instant go; None where rows are kept for ever.
        files: Dead files that no version within `kept` holds.
        size_bytes: Of these.
        versions: How many earlier versions go with them.
        hidden: Whether files show only when those versions are gone.
        kept: How long earlier versions stay readable.
        saves_a_month: Dollars.
    """

    partitions: tuple[str, ...] = ()
    rows_before: datetime | None = None
    files: int = 0
    size_bytes: int = 0
    versions: int = 0
    hidden: bool = False
    kept: timedelta
    saves_a_month: Cost

    @property
    def vacuums(self) -> bool:
        """Whether dead files are to go now."""
        return self.files >= WORTH_FILES or self.size_bytes >= WORTH_BYTES or (self.hidden and self.versions > 0)


def kept_for(retention: Retention, longest_read: timedelta = timedelta(0)) -> timedelta:
    """How long a file that the latest version does not hold stays, given the longest reading that is known."""
    return max(retention.versions_kept, 2 * longest_read)


def clearing(facts: TableFacts, prices: PriceList, now: datetime) -> Clearing:
    """Return what is to be cleared at that instant."""
    dead, keep = facts.dead, facts.retention.keep
    return Clearing(
        partitions=ended_before(facts, now - keep) if keep is not None else (),
        rows_before=now - keep if keep is not None else None,
        files=dead.files,
        size_bytes=dead.size_bytes,
        versions=dead.versions,
        kept=dead.kept,
        hidden=dead.hidden,
        saves_a_month=storage([dead.size_bytes], prices),
    )


def ended_before(facts: TableFacts, instant: datetime) -> tuple[str, ...]:
    """Return the keys of the table's partitions that ended before the instant, oldest first.

    One that is no key stays.
    """
    keys = sorted({file.partition for file in facts.files if file.partition is not None})
    partitions = facts.partitions
    return tuple(key for key in keys if partitions is not None and has_ended(partitions, key, instant))


def has_ended(partitions: Partitioning, key: str, instant: datetime) -> bool:
    """Whether the partition of the key ended before the instant; False for what is no key of the grain."""
    try:
        end = partitions.ends_at(key)
    except (ValueError, OverflowError):
        return False
    return end is not None and end < instant
