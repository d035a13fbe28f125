"""Rows by trial: a plan draws, what breaks a rule is drawn again, until there are enough or the budget is spent."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial, reduce

import numpy as np
import numpy.typing as npt
import polars as pl

from platform_core.contracts.dataset import Dataset
from platform_core.quality import judge
from platform_core.rules import CheckRule, ReferenceRule, RowRule, Rule, ShareRule
from platform_core.synthetic.errors import CannotGenerate
from platform_core.synthetic.plan import Plan, Streams, Wish, plan_of
from platform_core.synthetic.pools import found

_ROUNDS = 48
_BUDGET = (30_000, 1000)
"""Draws after which a rule is given up: so many, and so many more for each row wanted."""

_LARGEST_BATCH = 1_000_000
_SPARE = 8
_CLOCK = datetime(9999, 12, 31, tzinfo=UTC)
"""Rows are drawn whatever the clock says; faults of rules that read it move the clock."""


@dataclass
class _Rejected:
    """How many rows each rule has sent back, to name the culprit when the budget is spent."""

    counts: Counter[str] = field(default_factory=Counter)

    def note(self, rule: str, count: int) -> None:
        if count:
            self.counts[rule] += count

    @property
    def worst(self) -> str:
        return self.counts.most_common(1)[0][0] if self.counts else "rows"


def rows_of(wish: Wish, rng: np.random.Generator, *, beside: pl.DataFrame | None = None) -> pl.DataFrame:
    """As many rows as wished that keep every rule of the wish and break its broken one.

    Args:
        wish: What is asked.
        rng: The source of chance.
        beside: Rows that are there already: the new ones share no unique value with them, and count with them.

    Raises:
        CannotGenerate: With the rule that most draws broke.
    """
    plan = plan_of(wish, rng)
    taken = _typed(plan) if beside is None else beside
    return _filled(plan, wish.rows, taken, lambda _: rng, counted=taken)


def blocks_of(wish: Wish, streams: Callable[..., Streams], *, size: int) -> Iterator[pl.DataFrame]:
    """Yield the wished rows in blocks of so many, each by streams of its own, so that no later row changes an earlier.

    Of the rows before a block only prints of the values of unique columns are kept, or the values where all are listed.

    Args:
        wish: What is asked; its rows are as many as there may ever be.
        streams: From the numbers of the block and the round to the source of chance of each column.
        size: Rows of a block.

    Raises:
        CannotGenerate: With the rule that most draws broke.
    """
    plan = plan_of(wish, streams())
    listed = [product.unique for product in plan.products]
    names = list(dict.fromkeys(name for unique in listed for name in unique))
    earlier = {unique: _Prints() for unique in wish.uniques if unique not in listed}
    empty = _typed(plan)
    taken = empty.select(names)
    for block, start in enumerate(range(0, wish.rows, size)):
        rows = min(size, wish.rows - start)
        frame = _filled(plan, rows, taken, partial(streams, block), counted=empty, earlier=earlier)
        taken = pl.concat([taken, frame.select(names)])
        for unique, prints in earlier.items():
            prints.add(frame.select(_print(unique)).to_series().to_numpy())
        yield frame


def _filled(
    plan: Plan,
    rows: int,
    taken: pl.DataFrame,
    chance: Callable[[int], np.random.Generator | Streams],
    *,
    counted: pl.DataFrame,
    earlier: "Mapping[tuple[str, ...], _Prints] | None" = None,
) -> pl.DataFrame:
    """Draw so many rows by rounds; shares are counted from the first of the `counted` rows on."""
    kept = _typed(plan)
    rejected, yield_rate, budget = _Rejected(), 1.0, _BUDGET[0] + _BUDGET[1] * rows
    for number in range(_ROUNDS):
        missing = rows - kept.height
        if missing <= 0 or budget <= 0:
            break
        size = min(int(missing / yield_rate * 1.05) + _SPARE, max(_LARGEST_BATCH, missing))
        there = pl.concat([taken, kept.select(taken.columns)])
        batch, budget = plan.draw(chance(number), size, there), budget - size
        beside = kept if earlier else there
        passed = _passing(plan, batch, beside, pl.concat([counted, kept]), rejected, earlier or {})
        yield_rate = max(passed.height / max(batch.height, 1), yield_rate / 8, 1e-4)
        kept = pl.concat([kept, passed.head(missing)])
    if kept.height < rows:
        raise _spent(plan.wish, kept, rejected)
    return kept


def _typed(plan: Plan) -> pl.DataFrame:
    return pl.DataFrame(schema={column.name: column.dtype for column in plan.wish.dataset.columns})


def _spent(wish: Wish, kept: pl.DataFrame, rejected: _Rejected) -> CannotGenerate:
    return CannotGenerate(
        wish.dataset.name, f"rule {rejected.worst!r}",
        f"only {kept.height} of {wish.rows} rows were found that satisfy it together with the other rules.",
        "write it as an equality of a column (it is then computed), tighten the columns' own rules, or ask for fewer.",
    )  # fmt: skip


def _passing(
    plan: Plan,
    batch: pl.DataFrame,
    there: pl.DataFrame,
    counted: pl.DataFrame,
    rejected: _Rejected,
    earlier: "Mapping[tuple[str, ...], _Prints]",
) -> pl.DataFrame:
    verdicts = tuple(_verdicts(plan, batch))
    for rule, good in verdicts:
        rejected.note(rule.id, batch.height - int(good.sum()))
    if verdicts:
        batch = batch.filter(reduce(pl.Series.__and__, [good for _, good in verdicts]))
    for unique in plan.wish.uniques:
        before = batch.height
        batch = batch.filter(_new(batch, unique, [there]))
        if unique in earlier:
            batch = batch.filter(earlier[unique].lack(batch.select(_print(unique)).to_series().to_numpy())
                                 | _partly_null(batch, unique))  # fmt: skip
        rejected.note("_".join(unique) + "_unique", before - batch.height)
    return _within_quotas(plan.wish, batch, counted)


def _verdicts(plan: Plan, batch: pl.DataFrame) -> Iterator[tuple[Rule, pl.Series]]:
    """For each rule to be tried, true where the row is as wished."""
    by_check = [rule.id for rule in plan.tests if isinstance(rule, CheckRule)]
    fails = judge(batch, plan.wish.dataset, plan.wish.references, now=_CLOCK).fails if by_check else pl.DataFrame()
    for rule in plan.tests:
        good = ~fails[rule.id] if isinstance(rule, CheckRule) else _good(batch, rule, plan.wish)
        yield rule, ~good if rule is plan.wish.broken else good


def _good(batch: pl.DataFrame, rule: Rule, wish: Wish) -> pl.Series:
    if isinstance(rule, ReferenceRule):
        known = batch.select(pl.all_horizontal(pl.col(name).is_not_null() for name in rule.columns)).to_series()
        return found(batch, rule, wish.references) | ~known
    assert isinstance(rule, RowRule)  # noqa: S101 - for the type checker: a plan tests no other kind
    return batch.select(rule.holds().alias(rule.id)).to_series()


def _new(batch: pl.DataFrame, unique: tuple[str, ...], there: list[pl.DataFrame]) -> pl.Series:
    """True where the row repeats none before it. By hash: 10 times faster, and a collision is only drawn again."""
    prints = [frame.select(_print(unique)).to_series() for frame in (*there, batch)]
    first = reduce(pl.Series.append, prints, pl.Series([], dtype=pl.UInt64)).is_first_distinct()
    return first.tail(batch.height) | _partly_null(batch, unique)


def _partly_null(batch: pl.DataFrame, unique: tuple[str, ...]) -> pl.Series:
    return batch.select(pl.any_horizontal(pl.col(name).is_null() for name in unique)).to_series()


class _Prints:
    """Prints of rows there were: sorted runs, each more than twice the next, so that adding stays cheap."""

    def __init__(self) -> None:
        self._runs: list[npt.NDArray[np.uint64]] = []

    def add(self, prints: "npt.NDArray[np.uint64]") -> None:
        run = np.sort(prints)
        while self._runs and self._runs[-1].size <= 2 * run.size:
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")
        self._runs.append(run)

    def lack(self, prints: "npt.NDArray[np.uint64]") -> pl.Series:
        """True where a print was not there."""
        there = np.zeros(prints.size, dtype=bool)
        for run in self._runs:
            places = np.searchsorted(run, prints)
            there |= run[np.minimum(places, run.size - 1)] == prints
        return pl.Series(~there)


def _print(names: tuple[str, ...]) -> pl.Expr:
    return reduce(lambda left, right: left * 0x9E3779B1 + right, [pl.col(name).hash() for name in names]).alias("print")


def _within_quotas(wish: Wish, batch: pl.DataFrame, there: pl.DataFrame) -> pl.DataFrame:
    """The rows of a batch, without those whose null or miss would exceed what the rows so far allow."""
    while True:
        excess = _excess(wish, pl.concat([there, batch])).tail(batch.height)
        if not excess.any():
            return batch
        batch = batch.filter(~excess)


def _excess(wish: Wish, frame: pl.DataFrame) -> pl.Series:
    """True where a share of nulls or misses, counted from the first row of its partition on, is above its quota."""
    keys = frame.with_columns(_period(wish.dataset).alias("key")).select("key")
    excess = pl.repeat(value=False, n=frame.height, dtype=pl.Boolean, eager=True)
    for rule in wish.rules:
        counted = _counted(rule, frame, wish)
        if counted is not None:
            bad, known, quota = counted
            sums = keys.with_columns(bad.alias("bad"), known.alias("known")).select(
                pl.col("bad", "known").cum_sum().over("key")
            )
            excess |= bad & (sums["bad"] > sums["known"] * quota)
    return excess


def _period(dataset: Dataset) -> pl.Expr:
    """What rows of one partition share: the start of its period, 5 times faster to group by than its key."""
    if dataset.partitions is None:
        return pl.lit(0)
    return dataset.partitions.period()


def _counted(rule: Rule, frame: pl.DataFrame, wish: Wish) -> tuple[pl.Series, pl.Series, float] | None:
    """The rows that count against a dataset rule, the rows that count at all, and the share allowed."""
    if isinstance(rule, ShareRule):
        good = frame.select(rule.good().alias("good")).to_series()
        return ~good, good | ~good, 1 - (rule.at_least or 0)
    if isinstance(rule, ReferenceRule) and not rule.judges_rows:
        known = frame.select(pl.all_horizontal(pl.col(name).is_not_null() for name in rule.columns)).to_series()
        return known & ~found(frame, rule, wish.references), known, 1 - rule.coverage
    return None
