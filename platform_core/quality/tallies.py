"""What columns come to: values, and an order-free total of each, so that two places can be compared without their rows.

Numbers are added up, days and microseconds counted from 1970, true ones counted, texts by the first eight digits of
their MD5, which every database can compute too.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import polars as pl

_CLOSE = 1e-9
"""Sums of fractions depend on their order in the last digits: of what they add up, however much of it cancels out."""


TextSum = Callable[[pl.Series], int]
"""Adds up the first eight digits of the MD5 of each text; nulls count nothing. The core knows nothing that is fast."""


@dataclass(frozen=True)
class ColumnTotal:
    """What one column comes to.

    Attributes:
        filled: Values that are not null.
        kind: What is added up: `number`, `flag`, `day`, `instant` or `text`; empty where nothing can be.
        total: The sum; None where there is none.
        spread: The sum without signs, of numbers with a fraction; 0 where it is not known.
    """

    filled: int
    kind: str = ""
    total: Decimal | float | int | None = None
    spread: float = 0.0

    def __add__(self, other: "ColumnTotal") -> "ColumnTotal":
        """Add the totals of two parts; where one has values and no total, the whole has none."""
        filled = self.filled + other.filled
        parts = [part for part in (self, other) if part.filled]
        if not parts or any(part.total is None for part in parts):
            return ColumnTotal(filled)
        total: Decimal | float | int = parts[0].total or 0
        for part in parts[1:]:
            total = _sum(total, part.total or 0)
        return ColumnTotal(filled, parts[0].kind, total, self.spread + other.spread)

    def is_summed_like(self, there: "ColumnTotal") -> bool:
        """Tell whether both have a total, of one kind; a database may have flags as numbers."""
        kinds = {self.kind, there.kind}
        return self.total is not None and there.total is not None and (len(kinds) == 1 or kinds == {"flag", "number"})

    def agrees(self, there: "ColumnTotal") -> bool:
        """Tell whether two columns have as many values, and come to the same where both have a total of one kind."""
        if self.filled != there.filled:
            return False
        if self.total is None or there.total is None or not self.is_summed_like(there):
            return True
        if isinstance(self.total, float) or isinstance(there.total, float):
            least = _CLOSE * max(1.0, self.spread, there.spread)
            return math.isclose(float(self.total), float(there.total), rel_tol=_CLOSE, abs_tol=least)
        return Decimal(self.total) == Decimal(there.total)


def _sum(one: Decimal | float, other: Decimal | float) -> Decimal | float | int:
    if isinstance(one, float) or isinstance(other, float):
        return float(one) + float(other)
    return one + other


def total_columns(rows: pl.DataFrame, names: Sequence[str], sum_texts: TextSum) -> dict[str, ColumnTotal]:
    """Add up each of the named columns."""
    return {name: _total(rows[name], sum_texts) for name in names}


def add_totals(one: Mapping[str, ColumnTotal], other: Mapping[str, ColumnTotal]) -> dict[str, ColumnTotal]:
    """Add up the totals of two parts of a table, column by column."""
    return {name: one[name] + total if name in one else total for name, total in other.items()}


def _total(values: pl.Series, sum_texts: TextSum) -> ColumnTotal:
    filled, dtype = len(values) - values.null_count(), values.dtype
    if dtype.is_float():
        total, spread = float(values.sum()), float(values.abs().sum())
        return ColumnTotal(filled, "number", total, spread) if math.isfinite(spread) else ColumnTotal(filled)
    if dtype.is_integer():
        return ColumnTotal(filled, "number", int(values.cast(pl.Int128).sum()))
    if dtype.is_decimal():
        return ColumnTotal(filled, "number", Decimal(str(values.sum())), float(values.abs().sum()))
    if dtype == pl.Boolean:
        return ColumnTotal(filled, "flag", int(values.sum()))
    if dtype == pl.Date:
        return ColumnTotal(filled, "day", int(values.cast(pl.Int32).cast(pl.Int64).sum()))
    if isinstance(dtype, pl.Datetime) and dtype.time_unit == "us":
        return ColumnTotal(filled, "instant", int(values.cast(pl.Int64).cast(pl.Int128).sum()))
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        return ColumnTotal(filled, "text", sum_texts(values.cast(pl.String)))
    return ColumnTotal(filled)
