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


def conversions_of(
    raw: pl.DataFrame, typed: pl.DataFrame, unreadable: pl.DataFrame | None = None
) -> tuple[Conversion, ...]:
    """Compare a frame with the same rows in the contract's types.

    A value counts as lost where it does not come back: by a round trip through the contract's type. Of texts those are
    lost that could not be read; where the frame has nothing but texts, as from CSV, they are no other type than was
    sent, and are left out.

    Args:
        raw: As it came.
        typed: The same rows as the contract types them.
        unreadable: By column of the contract, true where a value could not be read; texts are left out without.
    """
    has_types = not all(isinstance(dtype, _NO_TYPE) for dtype in raw.schema.values())
    found = []
    for name in typed.columns:
        if name not in raw.columns or raw.schema[name] in (typed.schema[name], pl.Null):
            continue
        if not isinstance(raw.schema[name], _TEXT):
            found += [] if raw.schema[name].is_nested() else [_conversion(name, raw[name], typed[name])]
        elif unreadable is not None and has_types and not isinstance(typed.schema[name], _TEXT):
            found.append(_reading(name, raw[name], typed[name], unreadable[name]))
    return tuple(found)


_TEXT = (pl.String, pl.Categorical, pl.Enum)
_NO_TYPE = (*_TEXT, pl.Null)


def _reading(name: str, before: pl.Series, after: pl.Series, unreadable: pl.Series) -> Conversion:
    return Conversion(
        column=name, before=str(before.dtype), after=str(after.dtype), values=before.len() - before.null_count(),
        lost=int(unreadable.sum()),
    )  # fmt: skip


def _conversion(name: str, before: pl.Series, after: pl.Series) -> Conversion:
    original = before.fill_nan(None) if before.dtype.is_float() else before
    back = after.cast(original.dtype, strict=False)
    # Whole numbers beyond 2^53 come back from a float as their neighbours; compared as they came, they differ.
    lost = int((original.is_not_null() & ~back.eq_missing(original)).sum())
    return Conversion(
        column=name,
        before=str(original.dtype),
        after=str(after.dtype),
        values=original.len() - original.null_count(),
        lost=lost,
    )


def joined(conversions: Sequence[Conversion]) -> tuple[Conversion, ...]:
    """Add up conversions of the same column and types."""
    sums: dict[tuple[str, str, str], tuple[int, int]] = {}
    for conversion in conversions:
        values, lost = sums.get((conversion.column, conversion.before, conversion.after), (0, 0))
        sums[conversion.column, conversion.before, conversion.after] = (
            values + conversion.values,
            lost + conversion.lost,
        )
    return tuple(
        Conversion(column=column, before=before, after=after, values=values, lost=lost)
        for (column, before, after), (values, lost) in sums.items()
    )
