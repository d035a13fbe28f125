"""Rules by which the bucket moves old data to cheaper classes, and removes what is over; computed from contracts.

What a rule may touch follows from what still reads:

- Data files alone: a rule's prefix begins a table's data files and none of its metadata, so no log is ever archived.
- Classes that make a reader wait only where an owner declared `read_back` and nobody needs rows of every age.
- Nothing leaves STANDARD before `read_back` and the longest freshness are over, and the longest partition with them: a
  file is at most as old as the partition it belongs to.
- Only plain Parquet expires by a rule. The log of Delta and Iceberg names its files, so a bucket that removed one would
  break the table; their rows go by a commit (`clearing`), and the files with a vacuum.
- A class must pay: what it saves until the rows go, or in a year, is more than its transitions, reads and minima cost.

Uploads that were never completed are removed below the whole lake, and so are earlier versions of objects, where the
bucket keeps any, after a month, or the longest time for which a table keeps its own.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from platform_core.upkeep.cost import Cost, scan, storage, transition
from platform_core.upkeep.facts import TableFacts
from platform_core.upkeep.prices import MONTH, ClassName, PriceList

DAY = timedelta(days=1)
APART = timedelta(days=30)
"""S3 moves nothing to STANDARD_IA in its first 30 days, and onward from it not before another 30."""
EVIDENCE = timedelta(days=60)
"""Without a declared `read_back`, readings must be known for as long before they say that old data is read seldom."""
HORIZON = timedelta(days=365)
SMALLEST = 128 << 10
"""A smaller object is not moved by S3 unless asked to, and would be billed as this size."""
UPLOADS_DAYS = 7
EARLIER = timedelta(days=30)
"""A bucket that keeps versions does so against mistakes; they are kept for as long at least."""
MOST_RULES = 1000
"""As many rules a bucket can have, ours and others'."""


@dataclass(frozen=True, kw_only=True)
class Move:
    """From a number of whole days after an object was made, it lies in the class."""

    days: int
    to: ClassName


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule of a bucket.

    Attributes:
        name: Unlike that of any other rule of the platform; the bucket's rule id begins with the platform's own prefix.
        prefix: Of the keys that it is about.
        moves: In the order of days, each to a cheaper class.
        expire_days: After which objects go; None keeps them.
        earlier_versions_days: After which an object that was replaced or deleted goes, in a bucket that keeps versions.
        uploads_days: After which an upload that was never completed goes.
    """

    name: str
    prefix: str
    moves: tuple[Move, ...] = ()
    expire_days: int | None = None
    earlier_versions_days: int | None = None
    uploads_days: int | None = None


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """What is to become of one table's data, and why.

    Attributes:
        dataset: Its name.
        rules: None, or one for each of its data prefixes.
        why: Each choice, and each refusal, in a sentence.
        saves_a_year: Dollars, once data is as old as the rules want, at its present size.
    """

    dataset: str
    rules: tuple[Rule, ...]
    why: tuple[str, ...]
    saves_a_year: Cost


def lake_rule(prefix: str, tables: Iterable[TableFacts]) -> Rule:
    """Return the rule for all that lies below the lake: uploads never completed, and earlier versions of objects."""
    longest = max([EARLIER, *(table.retention.versions_kept for table in tables)])
    return Rule(
        name="lake",
        prefix=f"{prefix}/" if prefix else "",
        uploads_days=UPLOADS_DAYS,
        earlier_versions_days=_days(longest),
    )


def lifecycle(facts: TableFacts, prices: PriceList, *, freshness: timedelta | None = None) -> Lifecycle:
    """Return the rules of one table that lies on S3."""
    why: list[str] = []
    hot = _hot(facts, freshness, why)
    moves = tuple(_moves(facts, prices, hot, why)) if hot is not None else ()
    expire = _expire_days(facts, why)
    kept_moves = tuple(move for move in moves if expire is None or move.days < expire)
    rules = tuple(
        Rule(
            name=f"{facts.name}:{data_prefix}",
            prefix=f"{facts.prefix}/{data_prefix}",
            moves=kept_moves,
            expire_days=expire,
        )
        for data_prefix in facts.data_prefixes
        if kept_moves or expire is not None
    )
    return Lifecycle(dataset=facts.name, rules=rules, why=tuple(why), saves_a_year=_savings(facts, prices, kept_moves))


def _hot(facts: TableFacts, freshness: timedelta | None, why: list[str]) -> timedelta | None:
    """Return the age up to which files stay in STANDARD; None where nothing speaks for an end of it."""
    if facts.partitions is None or facts.partitions.time is None:
        why.append("stays in STANDARD: without partitions its rows have no age")
        return None
    span = facts.partitions.time.longest
    declared = facts.retention.read_back
    if declared is not None:
        why.append(f"read {declared.days} days back, as declared")
        return max(declared, freshness or timedelta(0)) + span
    if facts.history.window < EVIDENCE:
        known = f"readings are known for {facts.history.window.days} days only, not {EVIDENCE.days}"
        why.append(f"stays in STANDARD: no read_back is declared, and {known}")
        return None
    reached = _reached(facts)
    why.append(
        f"read {reached.days} days back by {len(facts.history.reads)} readings in {facts.history.window.days} days"
    )
    return max(2 * reached, freshness or timedelta(0)) + span


def _reached(facts: TableFacts) -> timedelta:
    """How far back readings of named partitions went; what those of the whole table cost is counted elsewhere."""
    partitions = facts.partitions
    reaches = [timedelta(0)]
    for read in facts.history.reads:
        for key in read.partitions or ():
            try:
                end = partitions.ends_at(key) if partitions else None
            except (ValueError, OverflowError):
                continue
            if end is not None:
                reaches.append(read.at - end)
    return max(reaches)


def _moves(facts: TableFacts, prices: PriceList, hot: timedelta, why: list[str]) -> Iterator[Move]:
    """Yield the classes that pay, each after the one before by as much as that one is billed at least."""
    after, last = max(hot, APART), prices["STANDARD"].gigabyte_month
    for name in list(prices.classes)[1:]:
        if prices[name].waits and not _may_wait(facts, why):
            break
        life = HORIZON if facts.retention.keep is None else facts.retention.keep - after
        if prices[name].gigabyte_month >= last:
            continue
        if life <= prices[name].least:
            why.append(
                f"not {name}: rows go {max(life, timedelta(0)).days} days on, and {prices[name].least.days} are billed"
            )
            continue
        saved = _saved(facts, prices, name, life).total
        if saved <= 0:
            why.append(f"not {name}: it would cost {-saved:.2f} dollars more than STANDARD, with "
                       f"{_whole_reads(facts):.1f} whole readings a month")  # fmt: skip
            continue
        yield Move(days=_days(after), to=name)
        after += max(prices[name].least, APART)
        last = prices[name].gigabyte_month


def _may_wait(facts: TableFacts, why: list[str]) -> bool:
    """Whether its old data may lie where a reading waits for hours."""
    if facts.retention.read_back is None:
        why.append("not archived: no read_back is declared, so old rows may be read at any time")
    elif facts.whole_readers:
        why.append(f"not archived: {'; '.join(facts.whole_readers)}")
    return facts.retention.read_back is not None and not facts.whole_readers


def _saved(facts: TableFacts, prices: PriceList, name: ClassName, life: timedelta) -> Cost:
    """Return what a class saves against STANDARD while the table's files live in it, its transitions paid."""
    sizes = [size for size in facts.sizes if size >= SMALLEST]
    months = life / MONTH
    storage_saved = storage(sizes, prices) - storage(sizes, prices, name)
    read = (scan(sizes, prices) - scan(sizes, prices, name)) * _whole_reads(facts)
    return (storage_saved + read) * months - transition(len(sizes), prices, name)


def _whole_reads(facts: TableFacts) -> float:
    """Return readings of the whole table a month."""
    reads = facts.history.reads
    whole = sum(read.partitions is None for read in reads)
    return facts.history.a_month * whole / len(reads) if reads else 0.0


def _savings(facts: TableFacts, prices: PriceList, moves: Sequence[Move]) -> Cost:
    return _saved(facts, prices, moves[-1].to, HORIZON) if moves else Cost()


def _expire_days(facts: TableFacts, why: list[str]) -> int | None:
    keep = facts.retention.keep
    if keep is None or facts.partitions is None or facts.partitions.time is None:
        return None
    if facts.format != "parquet":
        why.append(f"rows are kept {keep.days} days; they go by a commit, because the log names its files")
        return None
    why.append(f"expires {keep.days} days after a partition's end")
    return _days(keep + facts.partitions.time.longest)


def _days(length: timedelta) -> int:
    """Whole days, at least one, that are not shorter."""
    return max(1, ceil(length / DAY))


def are_ordered(moves: Sequence[Move], prices: PriceList) -> bool:
    """Whether each move comes later than the one before, and to a cheaper class."""
    costs = [prices[move.to].gigabyte_month for move in moves]
    days = [move.days for move in moves]
    return days == sorted(set(days)) and costs == sorted(set(costs), reverse=True)
