"""Frames that must fail, and why: for every rule of a contract, rows in which that rule is broken and no other.

Where one rule cannot be broken without another, the other is named with the reason. A rule that no row can break is an
error of the contract, and raised: its check would be green for ever.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import combinations

import numpy as np
import polars as pl

from platform_core.contracts.dataset import Dataset
from platform_core.contracts.ruleset import rules_of
from platform_core.quality.drift import version_compared
from platform_core.rules import Balance, CheckRule, DatasetRule, ReferenceRule, RowRule, Rule, ShareRule
from platform_core.rules.base import FaultKind
from platform_core.synthetic.draws import rows_of
from platform_core.synthetic.errors import CannotBreak, CannotGenerate
from platform_core.synthetic.plan import Wish, room
from platform_core.synthetic.synthesis import NO_REFERENCES, many_rows, passing, slices
from platform_core.synthetic.verdicts import latest, red_rules
from platform_core.synthetic.windows import first_partition

_ROWS = 40
_MOST_ROWS = 1000
_LARGEST_TABLE = 1_000_000
_TRIES = 4
_DRIFTING_ROWS = 80
"""Of each partition: more than a rule on drift wants by default."""
_ROUNDING = 1e-9
"""40 rows of which 0.8 must be filled leave 7.999… to spoil."""


@dataclass(frozen=True)
class Implied:
    """A rule that is broken too, and why it cannot be otherwise."""

    rule_id: str
    reason: str


@dataclass(frozen=True)
class Fault:
    """A frame in which one rule is broken.

    Attributes:
        rule_id: The rule.
        frame: Rows; typed, unless `raw`.
        also: The rules that are broken with it, each with the reason.
        raw: Whether the frame is as it would come from outside and goes through `conform`.
        what: What was done, in words.
        now: The instant at which the frame is judged; None is the latest of its own.
        references: Beside those that were given: what the good rows balance with.
    """

    rule_id: str
    frame: pl.DataFrame
    also: tuple[Implied, ...] = ()
    raw: bool = False
    what: str = ""
    now: datetime | None = None
    references: Mapping[str, pl.DataFrame] = field(default_factory=dict)

    @property
    def red(self) -> frozenset[str]:
        """The ids of all rules that this frame breaks."""
        return frozenset({self.rule_id, *(implied.rule_id for implied in self.also)})


def faults(
    dataset: Dataset,
    rng: np.random.Generator,
    *,
    references: Mapping[str, pl.DataFrame] = NO_REFERENCES,
    only: Collection[str] | None = None,
) -> Iterator[Fault]:
    """For every rule of the dataset (or those whose ids are in `only`), a frame that breaks it; `schema` has two.

    Raises:
        CannotBreak: With the rule that no row can break.
        CannotGenerate: Not even good rows were found.
    """
    case = _Case(dataset, rng, references)
    for rule in rules_of(dataset):
        if only is None or rule.id in only:
            yield from _planter(rule)(case, rule)


@dataclass(frozen=True)
class _Case:
    """A dataset with good rows to plant faults in, all of the first partition."""

    dataset: Dataset
    rng: np.random.Generator
    references: Mapping[str, pl.DataFrame]

    @cached_property
    def good(self) -> pl.DataFrame:
        return passing(self.wish(rows=self._rows), self.rng)

    @cached_property
    def _rows(self) -> int:
        """Enough rows that one more bad one changes no share beyond its quota, and a unique column can spare one."""
        needed_rows = max([_ROWS, *(_needed(rule) for rule in rules_of(self.dataset))])
        most = room(self.wish(rows=0), lambda _: self.rng)
        return needed_rows if most is None else max(1, min(needed_rows, most - 1))

    def wish(self, *, rows: int, without: Collection[str] = (), broken: Rule | None = None) -> Wish:
        kept_rules = tuple(
            rule for rule in rules_of(self.dataset)
            if rule.id not in without and (broken is None or rule.id != broken.id)
        )  # fmt: skip
        at_fault, beside = (None, ()) if broken is None else broken.broken_by
        kept_rules = (*(rule.stronger for rule in kept_rules), *beside)
        return Wish(self.dataset, kept_rules, self.references, first_partition(self.dataset), rows, at_fault)

    def red(self, frame: pl.DataFrame, now: datetime | None = None) -> frozenset[str]:
        return frozenset(red_rules(frame, self.dataset, self.references, now=now))

    def cannot(self, rule: Rule, why: str) -> CannotBreak:
        return CannotBreak(self.dataset.name, rule.id, why)


def _needed(rule: Rule) -> int:
    if isinstance(rule, DatasetRule) and rule.rows_allowed:
        return int(rule.rows_allowed[0] or 0) + 2
    share = _share(rule)
    return min(_MOST_ROWS, int(4 / (1 - share))) if share is not None and share < 1 else 0


def _share(rule: Rule) -> float | None:
    """Return the share of rows that must be good, where the rule speaks of one."""
    if isinstance(rule, ReferenceRule):
        return rule.coverage
    return rule.at_least if isinstance(rule, ShareRule) else None


def _planter(rule: Rule) -> Callable[[_Case, Rule], Iterator[Fault]]:
    planters: Mapping[FaultKind, Callable[[_Case, Rule], Iterator[Fault]]] = {
        "shape": _shapes,
        "unreadable": _unreadable,
        "twin": _alike,
        "rows": _rows,
        "count": _volume,
        "sample": _measure,
        "clock": _clock,
        "drift": _drift,
        "balance": _balance,
    }
    return planters[rule.fault]


def _shapes(case: _Case, rule: Rule) -> Iterator[Fault]:
    source = case.dataset.source
    may_lack_nulls = source is not None and source.spelling.missing_columns == "null"
    needed = [column.name for column in case.dataset.columns if not (column.nullable and may_lack_nulls)]
    for missing in needed[-1:]:
        yield Fault(rule.id, case.good.drop(missing), raw=True, what=f"column {missing!r} is missing")
    if source is None or source.extra_columns == "refuse":
        extra = case.good.with_columns(pl.lit("?").alias("column_of_no_contract"))
        yield Fault(rule.id, extra, raw=True, what="column 'column_of_no_contract' is one too many")


def _unreadable(case: _Case, rule: Rule) -> Iterator[Fault]:
    for column in case.dataset.columns:
        if column.dtype not in {pl.String, pl.Categorical, pl.Binary} and not column.dtype.is_nested():
            texts = case.good[column.name].cast(pl.String)
            last = pl.int_range(pl.len()) == pl.len() - 1
            frame = case.good.with_columns(pl.when(last).then(pl.lit("no value")).otherwise(texts).alias(column.name))
            yield Fault(rule.id, frame, raw=True, what=f"{column.name!r} holds the text 'no value'")
            return
    raise case.cannot(rule, "every column is text or nested, and any text can be read as text.")


def _rows(case: _Case, rule: Rule) -> Iterator[Fault]:
    """Bad rows in place of the last good ones: one for a row rule, just too many for a dataset rule."""
    count = _too_many(rule, case.good.height)
    if count > case.good.height:
        raise case.cannot(rule, "it holds whatever the rows are.")
    stay = case.good.head(case.good.height - count)
    why = "no draw broke it"
    for without in _give_ways(case.dataset, rule):
        try:
            fault = _best(case, rule, count, stay, without)
        except CannotGenerate as error:
            why = f"{error.culprit}: {error.reason}"
            continue
        if fault is not None:
            yield fault
            return
    raise case.cannot(rule, why)


def _too_many(rule: Rule, rows: int) -> int:
    share = _share(rule)
    return int(rows * (1 - (1.0 if share is None else share)) + _ROUNDING) + 1


def _best(case: _Case, rule: Rule, count: int, stay: pl.DataFrame, without: tuple[str, ...]) -> Fault | None:
    """Return the fault with the fewest other rules broken in a few tries; None if the rule itself stayed whole."""
    wish = case.wish(rows=count, without=without, broken=rule)
    best: tuple[pl.DataFrame, frozenset[str]] | None = None
    for _ in range(_TRIES):
        frame = pl.concat([stay, rows_of(wish, case.rng, beside=stay)])
        red = case.red(frame)
        if rule.id in red and (best is None or len(red) < len(best[1])):
            best = frame, red
        if red <= {rule.id, *without}:
            break
    return None if best is None else _fault(case, rule, *best, without)


def _fault(case: _Case, rule: Rule, frame: pl.DataFrame, red: Collection[str], without: Collection[str] = ()) -> Fault:
    also = tuple(
        Implied(other.id, _reason(rule, other, proven=other.id in without))
        for other in rules_of(case.dataset) if other.id in red and other.id != rule.id
    )  # fmt: skip
    return Fault(rule.id, frame, also, what=f"not: {rule.label}")


def _reason(rule: Rule, other: Rule, *, proven: bool) -> str:
    if isinstance(other, RowRule) and other.compares_rows and set(other.columns) <= set(rule.columns):
        return f"rows alike in {', '.join(rule.columns)} are alike in {', '.join(other.columns)}"
    if proven:
        return f"no row was found that breaks {rule.id!r} ({rule.label}) and keeps {other.id!r} ({other.label})"
    return f"every row tried that breaks {rule.id!r} ({rule.label}) breaks {other.id!r} ({other.label}) too"


def _give_ways(dataset: Dataset, rule: Rule) -> Iterator[tuple[str, ...]]:
    """Rules that may have to be broken along: none, then one, two, then all that speak of the same columns."""
    near = [
        other.id for other in rules_of(dataset)
        if other.id not in {rule.id, "schema", "types"} and _speaks_of(other, rule.columns)
    ]  # fmt: skip
    for size in (0, 1, 2):
        yield from combinations(near, size)
    if len(near) > 2:  # noqa: PLR2004 - beyond the pairs
        yield tuple(near)


def _speaks_of(rule: Rule, columns: tuple[str, ...]) -> bool:
    return bool(set(rule.columns) & set(columns)) or not columns or isinstance(rule, CheckRule)


def _alike(case: _Case, rule: Rule) -> Iterator[Fault]:
    """Yield a row that repeats another: all of it where it may, else as little as must be."""
    others = case.wish(rows=0).uniques
    apart = {name for columns in others if not set(columns) <= set(rule.columns) for name in columns}
    fresh = rows_of(case.wish(rows=1), case.rng, beside=case.good)
    own = [name for name in case.good.columns if name in apart - set(rule.columns)]
    attempts = []
    for index in range(min(_TRIES, case.good.height)):
        twin = case.good[index]
        attempts.append(twin.with_columns(fresh[name] for name in own))
        attempts.append(fresh.with_columns(twin[name] for name in rule.columns))
    frames = [pl.concat([case.good, bad]) for bad in attempts]
    judged = [(frame, red) for frame, red in ((frame, case.red(frame)) for frame in frames) if rule.id in red]
    if not judged:
        raise case.cannot(rule, "a row that repeats another was accepted.")
    yield _fault(case, rule, *min(judged, key=lambda pair: len(pair[1])))


def _volume(case: _Case, rule: Rule) -> Iterator[Fault]:
    low, high = getattr(rule, "at_least", None), getattr(rule, "at_most", None)
    if low:
        few = case.good.head(int(low) - 1)
        yield _fault(case, rule, few, case.red(few))
        return
    if high is None or high >= _LARGEST_TABLE:
        raise case.cannot(rule, f"it takes more than {_LARGEST_TABLE:,} rows.")
    try:
        many = rows_of(case.wish(rows=int(high) + 1, broken=rule), case.rng)
    except CannotGenerate as error:
        raise case.cannot(rule, f"{error.culprit}: {error.reason}") from error
    yield _fault(case, rule, many, case.red(many))


def _clock(case: _Case, rule: Rule) -> Iterator[Fault]:
    """Good rows, judged when their clock shows too early an hour, or too late a one."""
    now = latest(case.good, case.dataset)
    for age in (timedelta(days=-1), *(timedelta(days=days) for days in (1, 30, 3650))):
        red = case.red(case.good, now + age)
        if rule.id in red:
            fault = _fault(case, rule, case.good, red)
            yield replace(fault, now=now + age, what=f"judged at {now + age:%Y-%m-%d}")
            return
    raise case.cannot(rule, "no clock makes its rows too old or too new.")


def _measure(case: _Case, rule: Rule) -> Iterator[Fault]:
    """Rows chosen so that what is measured falls outside its bounds; every row by itself is good."""
    assert isinstance(rule, DatasetRule)  # noqa: S101 - for the type checker: `_planter` sends no other
    for without in _give_ways(case.dataset, rule):
        wish = replace(case.wish(rows=case.good.height, without=without, broken=rule), broken=None)
        for frame in (*slices(many_rows(wish, case.rng), wish.rows, [rule]), case.good.head(1)):
            red = case.red(frame)
            if rule.id in red:
                yield _fault(case, rule, frame, red, without)
                return
    raise case.cannot(rule, "no choice of rows moved the measure beyond its bounds.")


def _drift(case: _Case, rule: Rule) -> Iterator[Fault]:
    """Two partitions whose rows are good by themselves, the later one's chosen to be unlike the earlier one's."""
    assert isinstance(rule, DatasetRule)  # noqa: S101 - for the type checker: `_planter` sends no other
    time = case.dataset.partitions.time if case.dataset.partitions else None
    if time is None or version_compared(rule) is not None:
        raise case.cannot(rule, "it compares with a version of the table, and generated rows have none.")
    rows = max(case.good.height, _DRIFTING_ROWS)
    start = time.later(time.starts_at, 7 if rule.compares_with == "weekday" else 1)
    early = case.wish(rows=rows)
    late = replace(early, window=(start, time.later(start, 1)))
    for without in _give_ways(case.dataset, rule):
        wishes = [replace(wish, rules=case.wish(rows=0, without=without, broken=rule).rules) for wish in (early, late)]
        many = many_rows(wishes[0], case.rng)
        later = many_rows(wishes[1], case.rng, beside=many)
        for before in slices(many, rows, [rule]):
            for after in slices(later, rows, [rule]):
                frame = pl.concat([before, after])
                red = case.red(frame)
                if rule.id in red:
                    yield _fault(case, rule, frame, red, without)
                    return
    raise case.cannot(rule, "no choice of rows was far enough from those of the partition before.")


def _balance(case: _Case, rule: Rule) -> Iterator[Fault]:
    """Rows of which the last are missing, beside what all add up to; where none is missed, beside another sum."""
    assert isinstance(rule, Balance)  # noqa: S101 - for the type checker: `_planter` sends no other
    theirs = {rule.id: rule.own_side(case.good)}
    balanced = replace(case, references={**case.references, **theirs})
    for height in range(case.good.height - 1, -1, -1):
        fewer = case.good.head(height)
        red = balanced.red(fewer)
        if rule.id in red:
            yield replace(_fault(balanced, rule, fewer, red), references=theirs)
            return
    more = {rule.id: rule.more_than(theirs[rule.id])}
    red = replace(case, references={**case.references, **more}).red(case.good)
    if rule.id not in red:
        raise case.cannot(rule, "it adds up to the same of any rows.")
    yield replace(_fault(balanced, rule, case.good, red), references=more)
