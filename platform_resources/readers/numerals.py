"""Which numbers that are written as texts a double holds without a loss: one rule for CSV, JSON, landed files.

`007.5` and `+5` are codes, `9007199254740993.0` is more than a double holds, and `1e400` is no infinity.
"""

from decimal import Decimal

import polars as pl

_EXACT = 15
"""So many characters of a number, or fewer, a double always gives back."""

_TELLING = 18
"""So many characters, a point among them, are no more digits than tell a double from all others."""

_FRACTIONS = 2**53
"""From here on a double has none, and not every whole number either."""

_MOST = 400


def survives(text: str) -> bool:
    """Whether a double says the same number, in as few digits as tell it from others or in the 17 that C prints.

    >>> [survives(each) for each in ("0.1", "1.50", "0.10000000000000001", "9007199254740993.0", "1e400")]
    [True, True, True, False, False]
    """
    if len(text) > _MOST:
        return False
    value = float(text)
    digits = repr(value)
    return digits == text or Decimal(text) in (Decimal(digits), Decimal(format(value, ".17g")))


def are_doubles(texts: pl.Series) -> bool:
    """Whether doubles say all of them, null aside: no digit is lost, no zero before a number, no number to infinity.

    >>> are_doubles(pl.Series(["0.1", "-2", "nan"])), are_doubles(pl.Series(["1", "1e400"]))
    (True, False)
    """
    values = texts.cast(pl.Float64, strict=False)
    if values.null_count() > texts.null_count() or _is_padded(texts) or _vanish(texts, values):
        return False
    long = texts.str.len_bytes() > _EXACT
    return not long.any() or _survive(texts.filter(long), values.filter(long))


def _is_padded(texts: pl.Series) -> bool:
    """Whether one begins with a plus, or a zero before another digit."""
    zeros = texts.is_between("00", "0:", closed="left") | texts.is_between("-00", "-0:", closed="left")
    return bool(((texts < "-") | zeros).any())


def _vanish(texts: pl.Series, values: pl.Series) -> bool:
    """Whether one that is finite and not zero became infinity or zero."""
    endless, zero = values.is_infinite(), values == 0
    return bool(
        (endless.any() and texts.filter(endless).str.contains("[0-9]").any())
        or (zero.any() and texts.filter(zero).str.contains("^-?[0.]*[1-9]").any())
    )


def _survive(texts: pl.Series, values: pl.Series) -> bool:
    """Whether a double says each of them, in the digits that tell it from others; longer ones are looked at singly."""
    if not texts.str.contains("[.eE]").all():
        return False
    short = texts.str.contains(".", literal=True) & (texts.str.len_bytes() <= _TELLING) & (values.abs() < _FRACTIONS)
    odd = texts.filter(~(short | (values.cast(pl.String) == texts)))
    return all(map(survives, odd.unique().to_list()))
