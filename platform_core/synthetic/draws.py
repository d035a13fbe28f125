"""Rows by trial: a plan draws, what breaks a rule is drawn again, until there are enough or the budget is spent."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial, reduce
from itertools import count

import numpy as np
import numpy.typing as npt
import polars as pl

from platform_core.contracts.dataset import Dataset
from platform_core.quality import judge
from platform_core.rules import CheckRule, ReferenceRule, RowRule, Rule, ShareRule
from platform_core.synthetic.errors import CannotGenerate
from platform_core.synthetic.plan import Plan, Streams, Wish, plan_of, room
from platform_core.synthetic.pools import is_found

_ROUNDS = 48
_BUDGET = (30_000, 1000)
"""Draws after which a rule is given up: so many, and so many more for each row wanted."""

_LARGEST_BATCH = 1_000_000
_SPARE = 8
_FIRST = 16
"""Rows of the first block."""

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


@dataclass
class _Progress:
    """How far drawing has come.

    Attributes:
        cursor: How many rows were drawn, kept or not.
        prints: By unique columns, prints of the rows there are.
        counted: Rows with which shares of nulls and misses are counted.
    """

    cursor: int
    prints: "dict[tuple[str, ...], _Prints]"
    counted: pl.DataFrame

    def add(self, frame: pl.DataFrame) -> None:
        for unique, prints in self.prints.items():
            prints.add(frame.select(_print(unique)).to_series().to_numpy())


def rows_of(wish: Wish, rng: np.random.Generator, *, beside: pl.DataFrame | None = None) -> pl.DataFrame:
    """As many rows as wished that keep every rule of the wish and break its broken one.

    Args:
        wish: What is asked.
        rng: The source of chance.
        beside: Rows that are there already: the new ones share no unique value with them, and count with them.

    Raises:
        CannotGenerate: With the rule that most draws broke.
    """
    plan = plan_of(wish, lambda _: rng)
    present_rows = _typed(plan) if beside is None else beside
    progress = _Progress(0, {unique: _Prints() for unique in wish.uniques}, present_rows)
    progress.add(present_rows)
    drawn_rows, refusal = _filled(plan, wish.rows, lambda _: lambda __: rng, progress, reach=None)
    if refusal is not None:
        raise refusal
    return drawn_rows


def blocks_of(wish: Wish, streams: Callable[..., Streams], *, largest: int) -> Iterator[pl.DataFrame]:
    """Yield rows in blocks, each by streams of its own, so that no later row changes an earlier one.

    The first block has 16 rows, and a block as many as there were before it, up to `largest`. Rows end where unique
    columns leave no more room. A block refers to no further rows of another dataset than it has rows before it, or 16.
    Of the rows before a block only prints of the values of unique columns are kept, where these may repeat.

    Args:
        wish: What is asked; how many rows it wishes decides nothing.
        streams: From the numbers of the block and the round to the source of chance of each column.
        largest: Rows of a block.

    Raises:
        CannotGenerate: With the rule that most draws broke, when all rows before it were given.
    """
    plan = plan_of(replace(wish, rows=0), streams())
    most = room(wish, streams())
    progress = _Progress(0, {unique: _Prints() for unique in plan.guarded}, _typed(plan))
    start = 0
    for block in count():
        rows = min(max(_FIRST, start), largest)
        rows = rows if most is None else min(rows, most - start)
        if rows <= 0:
            return
        frame, refusal = _filled(plan, rows, partial(streams, block), progress, reach=max(start, _FIRST))
        progress.add(frame)
        start += frame.height
        if _shares(wish):
            progress.counted = pl.concat([progress.counted, frame]) if start < largest else _typed(plan)
        if frame.height:
            yield frame
        if refusal is not None:
            raise refusal


def _filled(
    plan: Plan, rows: int, chance: Callable[[int], Streams], progress: _Progress, *, reach: int | None
) -> tuple[pl.DataFrame, CannotGenerate | None]:
    """Draw so many rows by rounds, or as many as can be found, and why there are no more."""
    drawn_rows = _typed(plan)
    rejected, yield_rate, budget = _Rejected(), 1.0, _BUDGET[0] + _BUDGET[1] * rows
    for number in range(_ROUNDS):
        missing = rows - drawn_rows.height
        if missing <= 0 or budget <= 0:
            break
        size = missing if number == 0 and plan.certain else min(
            int(missing / yield_rate * 1.05) + _SPARE, max(_LARGEST_BATCH, missing)
        )  # fmt: skip
        batch, budget = plan.draw(chance(number), size, progress.cursor, reach), budget - size
        progress.cursor += size
        passed = _passing(plan, batch, drawn_rows, progress, rejected)
        yield_rate = max(passed.height / max(batch.height, 1), yield_rate / 8, 1e-4)
        drawn_rows = pl.concat([drawn_rows, passed.head(missing)]) if drawn_rows.height else passed.head(missing)
    return drawn_rows, _spent(plan.wish, drawn_rows, rows, rejected) if drawn_rows.height < rows else None


def _typed(plan: Plan) -> pl.DataFrame:
    return pl.DataFrame(schema={column.name: column.dtype for column in plan.wish.dataset.columns})


def _spent(wish: Wish, drawn_rows: pl.DataFrame, rows: int, rejected: _Rejected) -> CannotGenerate:
    return CannotGenerate(
        wish.dataset.name, f"rule {rejected.worst!r}",
        f"only {drawn_rows.height} of {rows} rows were found that satisfy it together with the other rules.",
        "write it as an equality of a column (it is then computed), tighten the columns' own rules, or ask for fewer.",
    )  # fmt: skip


def _passing(
    plan: Plan, batch: pl.DataFrame, drawn_rows: pl.DataFrame, progress: _Progress, rejected: _Rejected
) -> pl.DataFrame:
    verdicts = tuple(_verdicts(plan, batch))
    for rule, good in verdicts:
        rejected.note(rule.id, batch.height - int(good.sum()))
    if verdicts:
        batch = batch.filter(reduce(pl.Series.__and__, [good for _, good in verdicts]))
    for unique, prints in progress.prints.items():
        before = batch.height
        batch = batch.filter(_new(batch, unique, drawn_rows))
        batch = batch.filter(prints.lack(batch.select(_print(unique)).to_series().to_numpy())
                             | _partly_null(batch, unique))  # fmt: skip
        rejected.note("_".join(unique) + "_unique", before - batch.height)
    return _within_quotas(plan.wish, batch, progress.counted, drawn_rows)


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
        return is_found(batch, rule, wish.references) | ~known
    assert isinstance(rule, RowRule)  # noqa: S101 - for the type checker: a plan tests no other kind
    return batch.select(rule.holds().alias(rule.id)).to_series()


def _new(batch: pl.DataFrame, unique: tuple[str, ...], drawn_rows: pl.DataFrame) -> pl.Series:
    """Return whether the row repeats none before it. By hash: 10 times faster, and a collision is only drawn again."""
    prints = [frame.select(_print(unique)).to_series() for frame in (drawn_rows, batch)]
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
        if not run.size:
            return
        while self._runs and self._runs[-1].size <= 2 * run.size:
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")
        self._runs.append(run)

    def lack(self, prints: "npt.NDArray[np.uint64]") -> pl.Series:
        """Return whether a print was not there."""
        is_known = np.zeros(prints.size, dtype=bool)
        for run in self._runs:
            places = np.searchsorted(run, prints)
            is_known |= run[np.minimum(places, run.size - 1)] == prints
        return pl.Series(~is_known)


def _print(names: tuple[str, ...]) -> pl.Expr:
    return reduce(lambda left, right: left * 0x9E3779B1 + right, [pl.col(name).hash() for name in names]).alias("print")


def _within_quotas(wish: Wish, batch: pl.DataFrame, counted: pl.DataFrame, drawn_rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a batch, without those whose null or miss would exceed what the rows so far allow."""
    if not _shares(wish):
        return batch
    rows_so_far = pl.concat([counted, drawn_rows])
    while True:
        excess = _excess(wish, pl.concat([rows_so_far, batch])).tail(batch.height)
        if not excess.any():
            return batch
        batch = batch.filter(~excess)


def _shares(wish: Wish) -> list[Rule]:
    """Return the rules that allow a share of rows to be bad."""
    return [rule for rule in wish.rules if isinstance(rule, ShareRule)
            or (isinstance(rule, ReferenceRule) and not rule.judges_rows)]  # fmt: skip


def _excess(wish: Wish, frame: pl.DataFrame) -> pl.Series:
    """Return whether a share of nulls or misses, counted from the first row of its partition on, is above its quota."""
    keys = frame.with_columns(_period(wish.dataset).alias("key")).select("key")
    excess = pl.repeat(value=False, n=frame.height, dtype=pl.Boolean, eager=True)
    for rule in _shares(wish):
        counted = _counted(rule, frame, wish)
        if counted is not None:
            bad, known, quota = counted
            sums = keys.with_columns(bad.alias("bad"), known.alias("known")).select(
                pl.col("bad", "known").cum_sum().over("key")
            )
            excess |= bad & (sums["bad"] > sums["known"] * quota)
    return excess


def _period(dataset: Dataset) -> pl.Expr:
    """Return what rows of one partition share: the start of its period, 5 times faster to group by than its key."""
    if dataset.partitions is None:
        return pl.lit(0)
    return dataset.partitions.period()


def _counted(rule: Rule, frame: pl.DataFrame, wish: Wish) -> tuple[pl.Series, pl.Series, float] | None:
    """Return the rows that count against a dataset rule, the rows that count at all, and the share allowed."""
    if isinstance(rule, ShareRule):
        good = frame.select(rule.good().alias("good")).to_series()
        return ~good, good | ~good, 1 - (rule.at_least or 0)
    if isinstance(rule, ReferenceRule) and not rule.judges_rows:
        known = frame.select(pl.all_horizontal(pl.col(name).is_not_null() for name in rule.columns)).to_series()
        return known & ~is_found(frame, rule, wish.references), known, 1 - rule.coverage
    return None
