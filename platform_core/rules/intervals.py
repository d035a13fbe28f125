"""Number lines: every ordered type as closed intervals of ordinals, so that rules and negations are exact algebra.

Integers, decimals, dates, instants, times and durations lie on whole ordinals; floats on themselves. An open bound is
the next ordinal, so no interval is half open and an empty set is known to be empty.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from polars.datatypes.classes import IntegerType

Ordinal = int | float
Array = npt.NDArray[Any]

_INT64 = (-(2**63), 2**63 - 1)
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PER_MICROSECOND = {"ms": Fraction(1, 1000), "us": Fraction(1), "ns": Fraction(1000)}
_DAYS = (-719_162, 2_932_896)
"""The years 1 to 9999, counted from 1970: beyond them polars stops the process when a value is shown."""

_DAY_NANOSECONDS = 86_400 * 10**9


@dataclass(frozen=True)
class Line:
    """The ordinals of one polars type, from `least` to `greatest`, both closed."""

    dtype: pl.DataType
    least: Ordinal
    greatest: Ordinal

    @property
    def whole(self) -> bool:
        """Whether ordinals are integers."""
        return not self.dtype.is_float()

    def after(self, ordinal: Ordinal) -> Ordinal:
        """Return the next greater ordinal."""
        return int(ordinal) + 1 if self.whole else self._next(ordinal, math.inf)

    def before(self, ordinal: Ordinal) -> Ordinal:
        """Return the next smaller ordinal."""
        return int(ordinal) - 1 if self.whole else self._next(ordinal, -math.inf)

    def _next(self, ordinal: Ordinal, towards: float) -> float:
        kind = np.float32 if self.dtype == pl.Float32 else np.float64
        return float(np.nextafter(kind(ordinal), kind(towards)))

    def up(self, value: Any) -> Ordinal:
        """Return the smallest ordinal that is at least `value`."""
        place = self._place(value)
        return math.ceil(place) if self.whole else float(place)

    def down(self, value: Any) -> Ordinal:
        """Return the greatest ordinal that is at most `value`."""
        place = self._place(value)
        return math.floor(place) if self.whole else float(place)

    def _place(self, value: Any) -> Fraction | float:
        if self.dtype == pl.Float32:
            return float(np.float32(value))
        if self.dtype.is_float():
            return float(value)
        if isinstance(value, datetime | date | time | timedelta):
            return self._moment(value)
        scale = self.dtype.scale if isinstance(self.dtype, pl.Decimal) else 0
        return Fraction(value) * Fraction(10) ** scale

    def _moment(self, value: date | time | timedelta) -> Fraction:
        if isinstance(value, time):
            since = timedelta(hours=value.hour, minutes=value.minute, seconds=value.second)
            return Fraction(since // _MICROSECOND + value.microsecond) * 1000
        if not isinstance(value, timedelta):
            value = _instant(value) - _EPOCH
        microseconds = Fraction(value // _MICROSECOND)
        if self.dtype == pl.Date:
            return microseconds / (86_400 * 10**6)
        unit = self.dtype.time_unit if isinstance(self.dtype, pl.Datetime | pl.Duration) else "us"
        return microseconds * _PER_MICROSECOND[unit or "us"]

    def series(self, ordinals: Array) -> pl.Series:
        """Return the values at the given ordinals."""
        if isinstance(self.dtype, pl.Decimal):
            whole = pl.Series(ordinals).cast(pl.Decimal(38, self.dtype.scale))
            return (whole * Decimal(1).scaleb(-self.dtype.scale)).cast(self.dtype)
        return pl.Series(ordinals).cast(self.dtype)


def _instant(value: date) -> datetime:
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


def line_of(dtype: pl.DataType) -> Line | None:
    """Return the line of a type, or None where values have no order that bounds could use."""
    if dtype.is_float():
        limit = float(np.finfo(np.float32 if dtype == pl.Float32 else np.float64).max)
        return Line(dtype, -limit, limit)
    if isinstance(dtype, IntegerType):
        least, greatest = (pl.select(end).item() for end in (dtype.min(), dtype.max()))
        return Line(dtype, max(least, _INT64[0]), min(greatest, _INT64[1]))
    if isinstance(dtype, pl.Decimal):
        limit = min(10 ** (dtype.precision or 18) - 1, 10**18 - 1)
        return Line(dtype, -limit, limit)
    if dtype == pl.Date:
        return Line(dtype, *_DAYS)
    if isinstance(dtype, pl.Datetime):
        per_day = int(86_400 * 10**6 * _PER_MICROSECOND[dtype.time_unit])
        return Line(dtype, max(_DAYS[0] * per_day, _INT64[0]), min(_DAYS[1] * per_day, _INT64[1]))
    if dtype == pl.Time:
        return Line(dtype, 0, _DAY_NANOSECONDS - 1)
    return Line(dtype, *_INT64) if dtype.is_temporal() else None


@dataclass(frozen=True)
class Intervals:
    """Closed intervals on a line, ascending and apart."""

    line: Line
    pieces: tuple[tuple[Ordinal, Ordinal], ...]

    def __bool__(self) -> bool:
        return bool(self.pieces)

    def __and__(self, other: "Intervals") -> "Intervals":
        both = ((max(a, c), min(b, d)) for a, b in self.pieces for c, d in other.pieces)
        return Intervals(self.line, tuple(sorted(piece for piece in both if piece[0] <= piece[1])))

    def __invert__(self) -> "Intervals":
        if not self.pieces:
            return everything(self.line)
        first, last = self.pieces[0][0], self.pieces[-1][1]
        gaps = [(self.line.least, self.line.before(first))] if first > self.line.least else []
        gaps += [(self.line.after(left[1]), self.line.before(right[0])) for left, right in pairwise(self.pieces)]
        gaps += [(self.line.after(last), self.line.greatest)] if last < self.line.greatest else []
        return Intervals(self.line, tuple(gap for gap in gaps if gap[0] <= gap[1]))

    @property
    def size(self) -> int | None:
        """The number of ordinals; None where floats make it endless."""
        if self.line.whole:
            return sum(int(high) - int(low) + 1 for low, high in self.pieces)
        return len(self.pieces) if all(low == high for low, high in self.pieces) else None

    def near(self, low: Ordinal, high: Ordinal) -> "Intervals":
        """Return the part within [low, high]; all of it where no part lies there."""
        return (self & Intervals(self.line, ((low, high),))) or self

    def plausible(self, low: Ordinal, width: Ordinal) -> "Intervals":
        """Return a stretch of about `width`: beside the declared bound where there is one, else from `low`."""
        first, last = self.pieces[0][0], self.pieces[-1][1]
        if first > self.line.least and last < self.line.greatest:
            return self.near(first, min(last, first + 2**62))
        if first > self.line.least:
            return self.near(first, first + width)
        if last < self.line.greatest:
            return self.near(last - width, last)
        return (self & Intervals(self.line, ((low, low + width),))) or self._beside(width)

    def _beside(self, width: Ordinal) -> "Intervals":
        """Return what lies closest to the middle, where the ends of the line are allowed and its middle is not."""
        ends = (self.pieces[0][1] - width, self.pieces[-1][0] + width)
        return self.near(*ends)

    def draw(self, rng: np.random.Generator, rows: int) -> pl.Series:
        """Values drawn evenly."""
        lows, highs = (np.array(ends) for ends in zip(*self.pieces, strict=True))
        chosen = self._chosen(rng, rows, lows, highs) if len(self.pieces) > 1 else np.zeros(rows, dtype=np.int64)
        low, high = lows[chosen], highs[chosen]
        if self.line.whole:
            return self.line.series(rng.integers(low, high, endpoint=True))
        share = rng.random(rows)
        return self.line.series(np.clip(low * (1 - share) + high * share, low, high))

    def _chosen(self, rng: np.random.Generator, rows: int, lows: Array, highs: Array) -> Array:
        """Return the piece of each row, wide ones oftener."""
        halves = highs / 2 - lows / 2 + (0.5 if self.line.whole else 0)
        weights = halves / halves.max() if halves.any() else np.ones(len(halves))
        return np.searchsorted(np.cumsum(weights / weights.sum())[:-1], rng.random(rows), side="right")

    def every(self) -> pl.Series:
        """All values, ascending; only where `size` says how many."""
        runs = [np.arange(int(low), int(high) + 1) for low, high in self.pieces] if self.line.whole else [
            np.array([low]) for low, _ in self.pieces
        ]  # fmt: skip
        return self.line.series(np.concatenate(runs)) if runs else pl.Series([], dtype=self.line.dtype)


def everything(line: Line) -> Intervals:
    """Return the whole line."""
    return Intervals(line, ((line.least, line.greatest),))


def points(line: Line, values: Iterable[Any]) -> Intervals:
    """Return the ordinals that are exactly one of the values."""
    exact = {line.up(value) for value in values if value is not None and line.up(value) == line.down(value)}
    return Intervals(line, tuple((point, point) for point in sorted(exact) if line.least <= point <= line.greatest))


def between(line: Line, low: Ordinal, high: Ordinal) -> Intervals:
    """Return the ordinals in [low, high] that the type has; empty where low is above high."""
    return Intervals(line, ((low, high),)) & everything(line)
