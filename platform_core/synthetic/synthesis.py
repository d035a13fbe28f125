"""Rows of a contract that stay what they are: by seed, name and number of the row, however many are asked for.

Rows are drawn in blocks, each by a generator of its own for every column. Rules on whole tables are the exception:
where the rows as drawn break one, others are chosen, and the choice follows from how many rows are wanted.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

import numpy as np
import polars as pl

from platform_core.contracts.dataset import Dataset
from platform_core.contracts.ruleset import rules_of
from platform_core.rules import DatasetRule, ShareRule
from platform_core.synthetic.draws import blocks_of, rows_of
from platform_core.synthetic.errors import CannotGenerate
from platform_core.synthetic.plan import Streams, Wish, plan_of, room
from platform_core.synthetic.recipes.blocks import generator
from platform_core.synthetic.verdicts import red_rules
from platform_core.synthetic.windows import Window, window_of

BLOCK = 1 << 16
"""At most so many rows are drawn together."""

NO_REFERENCES: Mapping[str, pl.DataFrame] = {}
_OVERSAMPLE = 8
_SLICES = 16
_PROBE = 1024
"""So many rows tell whether a table's rows, as drawn, keep the rules on the whole."""


def synthesize(
    dataset: Dataset,
    rows: int,
    seed: int = 0,
    *,
    references: Mapping[str, pl.DataFrame] = NO_REFERENCES,
    now: datetime | None = None,
    window: Window | None = None,
) -> pl.DataFrame:
    """Make so many rows that keep every rule of the contract, those on the whole table too.

    A row follows from the contract, the seed, the references and its number: more rows change none, unless a rule on
    the whole table asks for a choice of rows. `synthesize_batches` says what else stays the same.

    Args:
        dataset: The contract.
        rows: How many.
        seed: The same gives the same rows.
        references: For each reference rule, by its id, the values that are there, columns named as the rule's own.
        now: No instant is drawn that is not before it, unless a rule asks for one.
        window: Where instants lie, closed, open, when rules leave the choice: a partition, for example.

    Raises:
        CannotGenerate: With the rule, or column, for which no rows were found, and what to change.
    """
    wish = _wish(dataset, rows, references, now, window)
    plan_of(wish, _streams(dataset, seed)())  # refuses more rows than can differ
    frame = pl.concat([_empty(dataset), *_cut(_blocks(wish, seed), rows, BLOCK)])
    return _chosen(wish, frame, lambda: _many(wish, seed))


def synthesize_batches(
    dataset: Dataset,
    rows: int,
    seed: int = 0,
    *,
    size: int = BLOCK,
    references: Mapping[str, pl.DataFrame] = NO_REFERENCES,
    now: datetime | None = None,
    window: Window | None = None,
) -> Iterator[pl.DataFrame]:
    """Yield so many rows in batches; in memory are one block, and prints of unique values that may repeat.

    Batches of another size change no row. A further column changes no other one, unless rows have to be drawn again
    for a rule on it, or it belongs to a key. Rows that are added at the end of the references change no row that is
    not a key by them, as long as there are at least as many as rows here.
    Rules on the whole table are sought in stretches of 8,192 rows, where the first rows break one: means, shares and
    quantiles then hold over all; numbers of different values, and of rows, are left to chance.

    Args:
        dataset: The contract.
        rows: How many.
        seed: The same gives the same rows.
        size: Rows of a batch.
        references: For each reference rule, by its id, the values that are there, columns named as the rule's own.
        now: No instant is drawn that is not before it, unless a rule asks for one.
        window: Where instants lie, closed, open, when rules leave the choice.

    Raises:
        CannotGenerate: More rows than can differ, or a rule for which no rows were found.
    """
    wish = _wish(dataset, rows, references, now, window)
    plan_of(wish, _streams(dataset, seed)())
    measured = _measured(wish)
    probe = pl.concat([_empty(dataset), *_cut(_blocks(wish, seed), min(rows, _PROBE), BLOCK)]) if measured else None
    blocks = _blocks(wish, seed)
    if probe is not None and probe.height and broken_by(probe, measured, wish):
        blocks = _stretches(blocks, measured, wish)
    yield from _cut(blocks, rows, size)


def most_rows(dataset: Dataset, references: Mapping[str, pl.DataFrame], rows: int, seed: int = 0) -> int:
    """How many of so many rows can be made, since unique columns leave room for no more."""
    most = room(_wish(dataset, rows, references, None, None), _streams(dataset, seed)())
    return rows if most is None else min(rows, most)


def passing(wish: Wish, rng: np.random.Generator) -> pl.DataFrame:
    """Return the wished rows by one source of chance, such that the rules on the whole hold too."""
    return _chosen(wish, rows_of(wish, rng), lambda: many_rows(wish, rng))


def many_rows(wish: Wish, rng: np.random.Generator, *, beside: pl.DataFrame | None = None) -> pl.DataFrame:
    """Rows to choose the wished ones of, by one source of chance; they repeat no unique value of rows beside them."""
    most = room(wish, lambda _: rng)
    return rows_of(_multiplied(wish, most if beside is None or most is None else most - beside.height), rng,
                   beside=beside)  # fmt: skip


def slices(many: pl.DataFrame, rows: int, rules: Sequence[DatasetRule]) -> Iterator[pl.DataFrame]:
    """Choices of so many rows out of many: the first, then low, middling, high, extreme by column."""
    yield many.head(rows)
    for name in dict.fromkeys(name for rule in rules for name in rule.columns):
        ordered = many.sort(name, nulls_last=True, maintain_order=True)
        for start in np.linspace(0, many.height - rows, _SLICES, dtype=int):
            yield ordered.slice(int(start), rows)
        yield pl.concat([ordered.head(rows // 2), ordered.tail(rows - rows // 2)])


def broken_by(frame: pl.DataFrame, rules: Sequence[DatasetRule], wish: Wish) -> list[str]:
    """Return the ids of those of the rules that the frame breaks."""
    rule_ids = {rule.id for rule in rules}
    return [rule_id for rule_id in red_rules(frame, wish.dataset, wish.references) if rule_id in rule_ids]


def _wish(
    dataset: Dataset, rows: int, references: Mapping[str, pl.DataFrame], now: datetime | None, window: Window | None
) -> Wish:
    if rows < 0:
        raise CannotGenerate(dataset.name, "rows", f"{rows} rows are asked for.", "ask for none or more.")
    rules = tuple(rule.stronger for rule in rules_of(dataset))
    return Wish(dataset, rules, references, window or window_of(dataset, rows, now), rows)


def _streams(dataset: Dataset, seed: int) -> "_Chance":
    return _Chance(seed, dataset.name)


class _Chance:
    """From the numbers of a block and a round to the source of chance of each column."""

    def __init__(self, seed: int, name: str) -> None:
        self._seed, self._name = seed, name

    def __call__(self, *numbers: int) -> Streams:
        return lambda column: generator(self._seed, self._name, column, *numbers)


def _blocks(wish: Wish, seed: int) -> Iterator[pl.DataFrame]:
    return blocks_of(wish, _streams(wish.dataset, seed), largest=BLOCK)


def _many(wish: Wish, seed: int) -> pl.DataFrame:
    wide = _multiplied(wish, room(wish, _streams(wish.dataset, seed)()))
    return pl.concat([_empty(wish.dataset), *_cut(_blocks(wish, seed), wide.rows, BLOCK)])


def _multiplied(wish: Wish, most: int | None) -> Wish:
    rows = wish.rows * _OVERSAMPLE
    return Wish(wish.dataset, wish.rules, wish.references, wish.window, rows if most is None else min(most, rows),
                wish.broken)  # fmt: skip


def _measured(wish: Wish) -> list[DatasetRule]:
    return [rule for rule in wish.rules if isinstance(rule, DatasetRule) and not isinstance(rule, ShareRule)]


def _chosen(wish: Wish, frame: pl.DataFrame, more: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    """Return the frame, or other rows out of more, such that the rules on the whole hold."""
    measured = _measured(wish)
    if not measured or not broken_by(frame, measured, wish):
        return frame
    _judge_volume(wish, measured)
    red: list[str] = []
    for attempt in slices(more(), wish.rows, measured):
        red = broken_by(attempt, measured, wish)
        if not red:
            return attempt
    raise CannotGenerate(
        wish.dataset.name, f"rule {red[0]!r}", f"no {wish.rows} rows were found that satisfy it.",
        "narrow the columns it measures, ask for another number of rows, or widen its bounds.",
    )  # fmt: skip


def _stretches(blocks: Iterator[pl.DataFrame], measured: list[DatasetRule], wish: Wish) -> Iterator[pl.DataFrame]:
    """Choose an eighth of each stretch of rows such that the rules on the whole hold in it; else its first rows."""
    for many in _cut(blocks, None, BLOCK):
        rows = max(1, many.height // _OVERSAMPLE)
        choices = (part for part in slices(many, rows, measured) if not broken_by(part, measured, wish))
        yield next(choices, many.head(rows))


def _judge_volume(wish: Wish, rules: list[DatasetRule]) -> None:
    for rule in rules:
        if rule.rows_allowed is None:
            continue
        low, high = rule.rows_allowed[0] or 0, rule.rows_allowed[1]
        if wish.rows < low or (high is not None and wish.rows > high and wish.dataset.partitions is None):
            raise CannotGenerate(
                wish.dataset.name, f"rule {rule.id!r}", f"{wish.rows} rows are wanted, and {rule.label} allowed.",
                f"ask for {low:g} rows or more." if wish.rows < low else f"ask for {high:g} rows or fewer.",
            )  # fmt: skip


def _cut(blocks: Iterator[pl.DataFrame], rows: int | None, size: int) -> Iterator[pl.DataFrame]:
    """Cut blocks into batches of so many rows, up to a number of rows."""
    remaining, parts = rows, list[pl.DataFrame]()
    while remaining is None or remaining > 0:
        block = next(blocks, None)
        if block is None:
            break
        block = block if remaining is None else block.head(remaining)
        remaining = None if remaining is None else remaining - block.height
        parts.append(block)
        while sum(part.height for part in parts) >= size:
            joined = pl.concat(parts)
            yield joined.head(size)
            parts = [joined.slice(size)]
    if sum(part.height for part in parts):
        yield pl.concat(parts)


def _empty(dataset: Dataset) -> pl.DataFrame:
    return pl.DataFrame(schema={column.name: column.dtype for column in dataset.columns})
