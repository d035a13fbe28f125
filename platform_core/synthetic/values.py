"""The values that one column may take: drawn, and listed where there are few. A broken rule is taken turned round."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Literal

import numpy as np
import polars as pl

from platform_core.contracts.columns import Column
from platform_core.rules import ValueRule
from platform_core.rules.intervals import Intervals, Line, between, everything, line_of
from platform_core.synthetic.numbering import GAP, Places
from platform_core.synthetic.patterns import UnreadablePatternError
from platform_core.synthetic.texts import candidates, listed, spelled
from platform_core.synthetic.vocabulary import BIRTH_DAYS, Texts

FEW = 100_000
"""Up to this many values a column's values are listed rather than drawn when they must differ."""

_WIDE = 10**9
"""With so many values, those that must differ are numbered upwards; with fewer they are shuffled."""

_PROBE = 256
_GOOD_ENOUGH = 0.5
"""The share of a candidate's texts that pass, at which no other candidate is tried."""

_TRIES = 64
_ITEMS = 3


class NoValueError(ValueError):
    """No value was found that the rules allow.

    Attributes:
        fix: What to do about it.
    """

    def __init__(self, reason: str, fix: str = "loosen one of the rules, or name the values with isin=[...].") -> None:
        self.fix = fix
        super().__init__(reason)


def _undrawable(rules: Sequence[ValueRule], broken: ValueRule | None, error: UnreadablePatternError) -> NoValueError:
    patterns = [rule.text.pattern for rule in (*rules, broken) if rule is not None and rule.text.pattern]
    return NoValueError(
        f"the pattern {' or '.join(map(repr, patterns))} cannot be drawn: {error}",
        "write it without look-around and back-references, or name the values with isin=[...].",
    )


@dataclass(frozen=True)
class Values:
    """Values to draw from.

    Attributes:
        draw: So many values, drawn independently.
        count: How many different ones there are, where they can be numbered.
        at: The values at places from 0 up to `count`, open; None where they cannot be numbered.
        serial: Whether there is room to number rows upwards, with gaps.
    """

    draw: Callable[[np.random.Generator, int], pl.Series]
    count: int = 0
    at: Callable[[Places], pl.Series] | None = None
    serial: bool = False


def values_of(
    column: Column,
    rules: Sequence[ValueRule],
    rng: np.random.Generator,
    *,
    broken: ValueRule | None,
    window: tuple[datetime, datetime],
    key: Literal["alone", "part"] | None,
) -> Values:
    """Return the values of a column by the rules on it, and against the broken one.

    Args:
        column: The column.
        rules: Rules on it that hold.
        rng: For trying candidate texts.
        broken: A rule on it that every value breaks.
        window: Where instants lie when rules leave the choice: closed, open.
        key: Whether no two values may be alike, or are part of what may not be; None where they may repeat.

    Raises:
        NoValueError: Nothing was found.
    """
    line = line_of(column.dtype)
    if line is not None:
        return _ordered(column, _allowed(line, rules, broken), window, key)
    few = _few(column, rules, broken)
    if few is not None:
        return _chosen(column, few, rules, broken)
    if column.dtype in {pl.String, pl.Categorical, pl.Binary}:
        return _texts(column, rules, rng, broken=broken, differing=key is not None)
    return _nested(column, rng, window)


def _allowed(line: Line, rules: Sequence[ValueRule], broken: ValueRule | None) -> Intervals:
    allowed = reduce(Intervals.__and__, (rule.allowed(line) for rule in rules), everything(line))
    return allowed if broken is None else allowed & ~broken.allowed(line)


def _ordered(
    column: Column, allowed: Intervals, window: tuple[datetime, datetime], key: Literal["alone", "part"] | None
) -> Values:
    if not allowed:
        raise NoValueError(f"no {column.dtype} satisfies the rules together.")
    if key == "alone" and not column.dtype.is_temporal():
        wide = _plausible_part(column, allowed, window, 10**15)
        if (wide.size or 0) >= _WIDE:
            return Values(wide.draw, (wide.size or 0) // GAP, lambda places: _at(wide, places), serial=True)
        if wide.size is not None:
            return Values(wide.draw, wide.size, lambda places: _at(wide, places))
    near = _plausible_part(column, allowed, window, 1000 if key is None else 100_000)
    if near.size is None:
        return Values(near.draw)
    count = near.size
    if key != "alone":
        return Values(near.draw, count, lambda places: _at(near, places))
    rest = allowed & ~near
    return Values(near.draw, count + (rest.size or 0), lambda places: _at_either(near, rest, places))


def _at(values: Intervals, places: Places) -> pl.Series:
    """Return the values at places, counted from 0 upwards over all pieces."""
    lows = [int(low) for low, _ in values.pieces]
    ends = [0]
    for low, high in values.pieces:
        ends.append(ends[-1] + (int(high) - int(low) + 1 if values.line.whole else 1))
    if not values.line.whole:
        return values.line.series(np.array([low for low, _ in values.pieces])[places])
    bounds = np.array([min(end, 2**62) for end in ends], dtype=np.int64)
    piece = np.searchsorted(bounds[1:], places, side="right")
    return values.line.series(np.array(lows, dtype=np.int64)[piece] + (places - bounds[piece]))


def _at_either(near: Intervals, rest: Intervals, places: Places) -> pl.Series:
    count = near.size or 0
    if not rest or not (places >= count).any():
        return _at(near, places)
    beyond = _at(rest, np.maximum(places - count, 0))
    return pl.select(
        pl.when(pl.Series(places < count)).then(_at(near, np.minimum(places, count - 1))).otherwise(beyond)
    ).to_series()


def _plausible_part(column: Column, allowed: Intervals, window: tuple[datetime, datetime], width: int) -> Intervals:
    """Return the plausible part of what is allowed."""
    line = allowed.line
    if isinstance(column.dtype, pl.Datetime) or column.dtype == pl.Date:
        low, high = line.up(window[0]), line.before(line.up(window[1]))
        if column.pii == "birth_date" and column.dtype == pl.Date:
            low, high = BIRTH_DAYS
        inside = allowed & between(line, low, high)
        return inside or allowed.plausible(low, high - low)
    if column.dtype == pl.Time:
        return allowed
    scale = 10**column.dtype.scale if isinstance(column.dtype, pl.Decimal) else 1
    return allowed.plausible(0, width * scale)


def _few(column: Column, rules: Sequence[ValueRule], broken: ValueRule | None) -> tuple[object, ...] | None:
    named = listed(rules, broken)
    if named is not None:
        return named
    if column.dtype == pl.Boolean:
        return (False, True)
    if isinstance(column.dtype, pl.Enum):
        return tuple(column.dtype.categories)
    if column.dtype != pl.String or column.pii is not None:
        return None
    try:
        return spelled(rules, FEW)
    except UnreadablePatternError as error:
        raise _undrawable(rules, broken, error) from error


def _chosen(column: Column, few: tuple[object, ...], rules: Sequence[ValueRule], broken: ValueRule | None) -> Values:
    known = set(column.dtype.categories) if isinstance(column.dtype, pl.Enum) else set(few)
    options = pl.Series(
        [option for option in dict.fromkeys(few) if option in known and option is not None], dtype=column.dtype
    )
    options = values_keeping(options, rules, broken)
    if options.is_empty():
        raise NoValueError(f"none of {len(few)} possible values satisfies the rules together.")
    return Values(
        lambda rng, rows: options.gather(rng.integers(0, options.len(), rows, dtype=np.uint32)),
        options.n_unique(), options.unique(maintain_order=True).gather,
    )  # fmt: skip


def values_keeping(values: pl.Series, rules: Sequence[ValueRule], broken: ValueRule | None) -> pl.Series:
    """Return the values that satisfy every rule and break the broken one."""
    conditions = [*(rule.holds() for rule in rules), *([] if broken is None else [~broken.holds()])]
    if not conditions:
        return values
    name = (*rules, *([] if broken is None else [broken]))[0].columns[0]
    return values.alias(name).to_frame().filter(conditions).to_series()


def _texts(
    column: Column, rules: Sequence[ValueRule], rng: np.random.Generator, *, broken: ValueRule | None, differing: bool
) -> Values:
    best, best_share = None, 0.0
    try:
        for draw in candidates(column, rules, broken, differing=differing):
            share = values_keeping(draw(rng, _PROBE).cast(column.dtype), rules, broken).len() / _PROBE
            if share > best_share:
                best, best_share = draw, share
            if best_share >= _GOOD_ENOUGH:
                break
    except UnreadablePatternError as error:
        raise _undrawable(rules, broken, error) from error
    if best is None:
        raise NoValueError("no text was found that satisfies the rules together.")
    return Values(_sieved(column, best, rules, broken=broken, share=best_share))


def _sieved(
    column: Column, draw: Texts, rules: Sequence[ValueRule], *, broken: ValueRule | None, share: float
) -> Callable[[np.random.Generator, int], pl.Series]:
    """Return a draw that goes on until enough texts have passed the rules."""
    if not rules and broken is None:
        return lambda rng, rows: draw(rng, rows).cast(column.dtype)

    def sieved(rng: np.random.Generator, rows: int) -> pl.Series:
        passed_values = pl.Series([], dtype=column.dtype)
        for _ in range(_TRIES):
            if passed_values.len() >= rows:
                break
            more = draw(rng, int((rows - passed_values.len()) / share * 1.1) + 8).cast(column.dtype)
            passed_values = passed_values.append(values_keeping(more, rules, broken).alias(""))
        if passed_values.len() < rows:
            raise NoValueError(
                f"{rows} texts were wanted, {passed_values.len()} found that satisfy the rules together."
            )
        return passed_values.head(rows)

    return sieved


def _nested(column: Column, rng: np.random.Generator, window: tuple[datetime, datetime]) -> Values:
    inner = _inner(column, rng, window)
    if isinstance(column.dtype, pl.Struct):
        names = [field.name for field in column.dtype.fields]
        return Values(lambda rng, rows: pl.DataFrame(
            [values.draw(rng, rows).alias(name) for name, values in zip(names, inner, strict=True)]
        ).to_struct())  # fmt: skip
    if isinstance(column.dtype, pl.Array):
        width = column.dtype.size
        return Values(lambda rng, rows: _in_rows(inner[0].draw(rng, rows * width), width).cast(column.dtype))
    if isinstance(column.dtype, pl.List):
        return Values(lambda rng, rows: _lists(rng, rows, inner[0]).cast(column.dtype))
    raise NoValueError(f"there are no synthetic values of type {column.dtype}.",
                       "declare another type, or leave the column out.")  # fmt: skip


def _inner(column: Column, rng: np.random.Generator, window: tuple[datetime, datetime]) -> list[Values]:
    """Return the values of what a nested type holds; its rules are on the whole, so the parts are free."""
    if isinstance(column.dtype, pl.Struct):
        dtypes = [field.dtype for field in column.dtype.fields]
    else:
        dtypes = [column.dtype.inner] if isinstance(column.dtype, pl.List | pl.Array) else []
    free = [Column(column.name, dtype() if isinstance(dtype, type) else dtype, nullable=False, unique=False,
                   description="", terms=column.terms, checks=()) for dtype in dtypes]  # fmt: skip
    return [values_of(inner_column, (), rng, broken=None, window=window, key=None) for inner_column in free]


def _lists(rng: np.random.Generator, rows: int, inner: Values) -> pl.Series:
    full = _in_rows(inner.draw(rng, rows * _ITEMS), _ITEMS)
    frame = pl.DataFrame({"items": full, "length": rng.integers(0, _ITEMS + 1, rows)})
    return frame.select(pl.col("items").list.slice(0, pl.col("length"))).to_series()


def _in_rows(items: pl.Series, width: int) -> pl.Series:
    """Return lists of so many items each; items that are lists themselves stay whole."""
    frame = items.alias("items").to_frame().with_row_index("row")
    return frame.group_by(pl.col("row") // width, maintain_order=True).agg("items")["items"]
