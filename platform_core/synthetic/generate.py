"""Frames that pass: rows that keep every rule of their contract, from a seeded source of chance."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import polars as pl

from platform_core.contracts.dataset import Dataset
from platform_core.contracts.ruleset import rules_of
from platform_core.quality import judge
from platform_core.rules import DatasetRule, Rule, ShareRule
from platform_core.synthetic.draws import rows_of
from platform_core.synthetic.errors import CannotGenerate
from platform_core.synthetic.plan import Wish, room
from platform_core.synthetic.windows import Window, window_of

NO_REFERENCES: Mapping[str, pl.DataFrame] = {}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OVERSAMPLE = 8
_SLICES = 16


def generate(
    dataset: Dataset,
    rows: int,
    rng: np.random.Generator,
    *,
    references: Mapping[str, pl.DataFrame] = NO_REFERENCES,
    now: datetime | None = None,
    window: Window | None = None,
) -> pl.DataFrame:
    """So many rows in the contract's types that pass all its rules; the same seed gives the same rows.

    Rows come in no order. Nullable columns hold nulls, loose references miss now and then, within what the rules allow.

    Args:
        dataset: The contract.
        rows: How many.
        rng: The source of chance; it is advanced.
        references: For each reference rule, by its id, the values that are there, columns named as the rule's own.
        now: No instant is drawn that is not before it, unless a rule asks for one.
        window: Where instants lie, closed, open, when rules leave the choice: a partition, for example.

    Raises:
        CannotGenerate: With the rule, or column, for which no rows were found, and what to change.
    """
    rules = tuple(rule.stronger for rule in rules_of(dataset))
    wish = Wish(dataset, rules, references, window or window_of(dataset, rows, now), rows)
    return passing(wish, rng)


def passing(wish: Wish, rng: np.random.Generator) -> pl.DataFrame:
    """The wished rows such that the rules on the whole hold too."""
    measured = [rule for rule in wish.rules if isinstance(rule, DatasetRule) and not isinstance(rule, ShareRule)]
    frame = rows_of(wish, rng)
    if not measured or not broken_by(frame, measured, wish):
        return frame
    _judge_volume(wish, measured)
    for attempt in slices(wish, measured, rng):
        red = broken_by(attempt, measured, wish)
        if not red:
            return attempt
    raise CannotGenerate(
        wish.dataset.name, f"rule {red[0]!r}", f"no {wish.rows} rows were found that satisfy it.",
        "narrow the columns it measures, ask for another number of rows, or widen its bounds.",
    )  # fmt: skip


def _judge_volume(wish: Wish, rules: list[DatasetRule]) -> None:
    for rule in rules:
        if rule.rows_allowed is None:
            continue
        low, high = rule.rows_allowed[0] or 0, rule.rows_allowed[1]
        if wish.rows < low or (high is not None and wish.rows > high and _is_whole(wish)):
            raise CannotGenerate(
                wish.dataset.name, f"rule {rule.id!r}", f"{wish.rows} rows are wanted, and {rule.label} allowed.",
                f"ask for {low:g} rows or more." if wish.rows < low else f"ask for {high:g} rows or fewer.",
            )  # fmt: skip


def _is_whole(wish: Wish) -> bool:
    return wish.dataset.partitions is None


def slices(wish: Wish, rules: list[DatasetRule], rng: np.random.Generator) -> Iterator[pl.DataFrame]:
    """Choices of the wished number of rows out of many: another draw, then low, middling, high, extreme by column."""
    many = rows_of(replace(wish, rows=_enough(wish, rng)), rng)
    yield many.head(wish.rows)
    for name in dict.fromkeys(name for rule in rules for name in rule.columns):
        ordered = many.sort(name, nulls_last=True, maintain_order=True)
        for start in np.linspace(0, many.height - wish.rows, _SLICES, dtype=int):
            yield ordered.slice(int(start), wish.rows)
        yield pl.concat([ordered.head(wish.rows // 2), ordered.tail(wish.rows - wish.rows // 2)])


def _enough(wish: Wish, rng: np.random.Generator) -> int:
    most = room(wish, rng)
    return wish.rows * _OVERSAMPLE if most is None else min(most, wish.rows * _OVERSAMPLE)


def broken_by(frame: pl.DataFrame, rules: list[DatasetRule] | list[Rule], wish: Wish) -> list[str]:
    """The ids of those of the rules that the frame breaks."""
    asked = {rule.id for rule in rules}
    return [rule_id for rule_id in red_rules(frame, wish.dataset, wish.references) if rule_id in asked]


def latest(frame: pl.DataFrame, dataset: Dataset) -> datetime:
    """The latest instant in the columns whose rules read the clock: at it rows are fresh, and none is in the future."""
    names = {name for rule in rules_of(dataset) if rule.reads_clock for name in rule.columns}
    instants = [frame[name].cast(pl.Datetime("us")).max() for name in sorted(names)]
    known = [instant for instant in instants if isinstance(instant, datetime)]
    return max(known, default=_EPOCH.replace(tzinfo=None)).replace(tzinfo=UTC)


def red_rules(
    frame: pl.DataFrame, dataset: Dataset, references: Mapping[str, pl.DataFrame], *, now: datetime | None = None
) -> tuple[str, ...]:
    """The ids of all rules that a frame breaks, taken as the only rows of its table; `now` is its latest instant."""
    now = now or latest(frame, dataset)
    red = [result.rule.id for result in judge(frame, dataset, references, now=now).results if not result.passed]
    whole = [replace(rule, over="partition") for rule in dataset.rules
             if isinstance(rule, DatasetRule) and rule.over == "table"]  # fmt: skip
    if whole:
        table = replace(dataset, partitions=None, rules=whole)
        results = judge(frame, table, references, now=now).results
        red += [result.rule.id for result in results if not result.passed and result.rule in whole]
    return tuple(dict.fromkeys(red))
