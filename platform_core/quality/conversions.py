"""Safe casts on the way in: which columns came in another type than the contract's, and how many values lost by it."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """A column that was cast.

    Attributes:
        column: Its name.
        before: The type in which it came.
        after: The contract's type.
        values: How many values there were.
        lost: How many are not the same any more: rounded, or refused because the type has no such value.
    """

    column: str
    before: str
    after: str
    values: int
    lost: int

    @property
    def words(self) -> str:
        """What happened, in words."""
        loss = f"{self.lost:,} of {self.values:,} values lost something" if self.lost else "nothing lost"
        return f"{self.column}: {self.before} to {self.after}, {loss}"


def conversions_of(raw: pl.DataFrame, typed: pl.DataFrame) -> tuple[Conversion, ...]:
    """Compare a frame with the same rows in the contract's types; texts are read, not cast, and are left out.

    A value counts as lost where it does not come back: by a round trip through the contract's type.
    """
    pairs = [
        (name, raw.schema[name], typed.schema[name]) for name in typed.columns
        if name in raw.columns and _is_cast(raw.schema[name], typed.schema[name])
    ]  # fmt: skip
    return tuple(_conversion(name, raw[name], typed[name]) for name, _, _ in pairs)


def _is_cast(before: pl.DataType, after: pl.DataType) -> bool:
    is_text = isinstance(before, pl.String | pl.Categorical | pl.Enum)
    return before not in (after, pl.Null) and not is_text and not before.is_nested()


def _conversion(name: str, before: pl.Series, after: pl.Series) -> Conversion:
    came = before.fill_nan(None) if before.dtype.is_float() else before
    back = after.cast(came.dtype, strict=False)
    # Whole numbers beyond 2^53 come back from a float as their neighbours; compared as they came, they differ.
    lost = int((came.is_not_null() & ~back.eq_missing(came)).sum())
    return Conversion(
        column=name, before=str(came.dtype), after=str(after.dtype), values=came.len() - came.null_count(), lost=lost
    )


def joined(conversions: Sequence[Conversion]) -> tuple[Conversion, ...]:
    """Add up conversions of the same column and types."""
    sums: dict[tuple[str, str, str], tuple[int, int]] = {}
    for each in conversions:
        values, lost = sums.get((each.column, each.before, each.after), (0, 0))
        sums[each.column, each.before, each.after] = values + each.values, lost + each.lost
    return tuple(
        Conversion(column=column, before=before, after=after, values=values, lost=lost)
        for (column, before, after), (values, lost) in sums.items()
    )
