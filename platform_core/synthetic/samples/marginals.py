"""One column of a sample on its own: which values, how often; no value of few rows, and no extreme, is kept.

A column is one of four kinds. Numbers and instants are kept as a curve of quantiles, each the mean of some
neighbouring values, between the 0.5 % and the 99.5 % of them. Categories are kept with their shares where enough rows
have them. Identifiers are not kept at all: new ones are counted up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import polars as pl

from platform_core.synthetic.samples.normal import Floats

Kind = Literal["number", "category", "identifier", "nothing"]
RARE = 10
"""A value, or a group, of fewer rows is nobody's to see again."""
_POINTS, _TAIL, _DISCRETE = 101, 0.005, 256
_PROBABILITIES = np.linspace(0, 1, _POINTS)


@dataclass(frozen=True)
class ColumnShape:
    """What holds of a column in every group.

    Attributes:
        name: The column's.
        kind: How it is kept.
        dtype: Polars' name of its type.
        decimals: Of a float; None where it has too many to count.
        values: Of a category, those that enough rows have, in the order in which they go along with other columns.
        nullable: Whether the sample has nulls.
        prefix: Of an identifier that is text.
        width: The digits of an identifier.
        step: What all numbers are multiples of, such as the microseconds of an hour; of instants.
        after: The instant that this one never comes before; it is kept as what lies between.
    """

    name: str
    kind: Kind
    dtype: str
    decimals: int | None = None
    values: tuple[Any, ...] = ()
    nullable: bool = False
    prefix: str | None = None
    width: int = 0
    after: str | None = None
    step: int = 1


@dataclass(frozen=True)
class Marginal:
    """How a column is spread in one group: shares of its values, or a curve of quantiles; and its share of nulls."""

    nulls: float
    curve: tuple[float, ...]


def shape_of(column: pl.Series, *, personal: bool, after: str | None = None) -> ColumnShape:
    """Look at a column of the whole sample.

    Args:
        column: Its values.
        personal: Whether no value of it may be kept, however common.
        after: The instant that it never comes before.

    Raises:
        ValueError: Its type is nested or binary.
    """
    filled, dtype = column.drop_nulls(), str(column.dtype)
    facts: dict[str, Any] = {"name": column.name, "dtype": dtype, "nullable": column.null_count() > 0}
    if filled.is_empty() or column.dtype == pl.Null:
        return ColumnShape(kind="nothing", **facts)
    if column.dtype.is_nested() or column.dtype == pl.Binary:
        raise ValueError(f"{column.name}: {dtype} cannot be learnt. Fix: leave the column out of the sample.")
    distinct = filled.n_unique()
    is_key = distinct == filled.len() > RARE and (column.dtype.is_integer() or column.dtype == pl.String)
    if personal or is_key:
        return _identifier(filled, facts)
    if column.dtype.is_temporal():
        return ColumnShape(kind="number", decimals=0, after=after, step=_step(filled), **facts)
    if column.dtype.is_numeric() and not (column.dtype.is_integer() and distinct <= _DISCRETE):
        return ColumnShape(kind="number", decimals=_decimals(filled), **facts)
    counts = filled.value_counts().filter(pl.col("count") >= RARE)
    values = counts[column.name].sort().to_list()
    if counts["count"].sum() * 2 < filled.len():
        return (
            ColumnShape(kind="number", decimals=0, **facts) if column.dtype.is_numeric() else _identifier(filled, facts)
        )
    return ColumnShape(kind="category", values=tuple(values), **facts)


def _identifier(filled: pl.Series, facts: Mapping[str, Any]) -> ColumnShape:
    """Find a spelling that no value of the sample has."""
    texts = filled.cast(pl.String)
    width = max(8, *texts.str.len_chars().cast(pl.Int64).to_list()) if texts.len() else 8
    if filled.dtype != pl.String:
        return ColumnShape(kind="identifier", width=width, **facts)
    prefix = "S"
    while texts.str.contains(f"^{prefix}[0-9]+$").any():
        prefix += "S"
    return ColumnShape(kind="identifier", prefix=prefix, width=width, **facts)


def _step(instants: pl.Series) -> int:
    """Find the widest of day, hour, minute, second and millisecond of which all instants are whole."""
    unit = {"ms": 1000, "us": 10**6, "ns": 10**9}.get(getattr(instants.dtype, "time_unit", None) or "", 0)
    places = instants.to_physical()
    steps = [unit * 86400, unit * 3600, unit * 60, unit, unit // 1000]
    return next((step for step in steps if step > 1 and (places % step == 0).all()), 1)


def _decimals(values: pl.Series) -> int | None:
    if values.dtype.is_integer():
        return 0
    floats = values.cast(pl.Float64).head(10_000)
    return next((places for places in range(5) if (floats.round(places) == floats).all()), None)


def numbers_of(column: pl.Series, shape: ColumnShape) -> Floats:
    """Return a column as numbers, NaN for null: of a category the place of its value; of one that is rare, NaN."""
    if shape.kind == "category":
        places = {value: float(place) for place, value in enumerate(shape.values)}
        frame = column.replace_strict(places, default=None, return_dtype=pl.Float64)
    elif column.dtype.is_temporal():
        frame = column.to_physical().cast(pl.Float64)
    else:
        frame = column.cast(pl.Float64)
    return cast("Floats", frame.to_numpy().astype(float))


def marginal_of(numbers: Floats, shape: ColumnShape, nulls: float) -> Marginal:
    """Measure how numbers are spread; NaN does not count."""
    known = np.sort(numbers[~np.isnan(numbers)])
    if shape.kind == "category":
        counts = np.bincount(known.astype(int), minlength=len(shape.values)).astype(float)
        return Marginal(nulls, tuple((counts / max(counts.sum(), 1)).tolist()))
    if known.size == 0:
        return Marginal(1.0, ())
    places = np.clip(_PROBABILITIES, _TAIL, 1 - _TAIL) * (known.size - 1)
    half = min(RARE, known.size) // 2
    sums = np.concatenate([[0.0], np.cumsum(known - known[0])])
    low = np.clip(places.astype(int) - half, 0, known.size - 1)
    high = np.clip(places.astype(int) + half + 1, 1, known.size)
    means = known[0] + (sums[high] - sums[low]) / (high - low)
    common = known[places.astype(int)]
    runs = np.searchsorted(known, common, side="right") - np.searchsorted(known, common, side="left")
    return Marginal(nulls, tuple(np.maximum.accumulate(np.where(runs >= RARE, common, means)).tolist()))


def shares_below(numbers: Floats, shape: ColumnShape, marginal: Marginal) -> Floats:
    """Return for each number the middle of the shares below and up to it; NaN stays."""
    if shape.kind == "category":
        ends = np.cumsum(marginal.curve)
        middles = ends - np.asarray(marginal.curve) / 2
        result: Floats = np.full(numbers.shape, np.nan)
        known = ~np.isnan(numbers)
        result[known] = middles[numbers[known].astype(int)]
        return result
    if not marginal.curve:
        return np.full(numbers.shape, np.nan)
    known = np.sort(numbers[~np.isnan(numbers)])
    middle = (np.searchsorted(known, numbers, side="left") + np.searchsorted(known, numbers, side="right")) / 2
    return np.asarray(np.where(np.isnan(numbers), np.nan, middle / max(known.size, 1)), dtype=float)


def values_at(shares: Floats, shape: ColumnShape, marginal: Marginal) -> Floats:
    """Return the number that has each share of the others below it."""
    if shape.kind == "category":
        ends = np.cumsum(marginal.curve)
        places = np.searchsorted(ends, shares * ends[-1], side="right")
        return np.asarray(np.minimum(places, len(shape.values) - 1), dtype=float)
    values = np.asarray(np.interp(shares, _PROBABILITIES, marginal.curve), dtype=float)
    if shape.step > 1:
        values = np.floor(values / shape.step) * shape.step
    return values if shape.decimals is None else np.asarray(np.round(values, shape.decimals))
