"""JSON texts read as lists and structs; a value that the type cannot hold as it is makes the text unreadable.

Polars alone would cut 1.5 to 1 in a list of whole numbers, and read a number without room, or a wrong day, as null.
"""

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from functools import cache
from typing import Any

import polars as pl
from polars.exceptions import PolarsError


def decoded(texts: pl.Series, wanted: pl.DataType) -> pl.Series:
    """JSON texts in the nested type, null where one is no JSON or of another type.

    Polars gives up on a series for one such text, so a series on which it does is halved until the text stands alone.
    """
    if texts.null_count() == texts.len():
        return pl.Series(texts.name, [None] * texts.len(), dtype=wanted)
    try:
        return _on_one_line(texts, wanted).str.json_decode(wanted)
    except PolarsError:
        if texts.len() == 1:
            return pl.Series(texts.name, [None], dtype=wanted)
    half = texts.len() // 2
    return pl.concat([decoded(texts[:half], wanted), decoded(texts[half:], wanted)])


def _on_one_line(texts: pl.Series, wanted: pl.DataType) -> pl.Series:
    """Texts that hold one JSON value each, null for the others: Polars reads an empty line as none, and two as two."""
    return pl.Series(texts.name, [None if text is None else _compact(text, wanted) for text in texts], dtype=pl.String)


def _compact(text: str, wanted: pl.DataType) -> str | None:
    try:
        value = json.loads(text)
        return json.dumps(value) if _keeps(value, wanted) else None
    except (ValueError, ArithmeticError, RecursionError):
        return None


def _keeps(value: Any, wanted: Any) -> bool:
    """Whether the type takes the value as it is: Polars cuts 1.5 to 1 in a list of whole numbers."""
    if value is None:
        return True
    if isinstance(wanted, pl.List | pl.Array):
        return isinstance(value, list) and all(_keeps(each, wanted.inner) for each in value)
    if isinstance(wanted, pl.Struct):
        return isinstance(value, dict) and all(_keeps(value.get(field.name), field.dtype) for field in wanted.fields)
    if wanted.is_numeric():
        return isinstance(value, int | float) and not isinstance(value, bool) and _has_room(value, wanted)
    if wanted in (pl.Date, pl.Datetime, pl.Time):
        return isinstance(value, str) and _FROM_ISO[wanted.base_type()](value) is not None
    return True


_FROM_ISO: Mapping[Any, Callable[[str], object]] = {
    pl.Date: date.fromisoformat, pl.Datetime: datetime.fromisoformat, pl.Time: time.fromisoformat,
}  # fmt: skip


def _has_room(value: float, wanted: pl.DataType) -> bool:
    """Whether the number fits without a digit or its size lost; a float may be rounded."""
    if isinstance(wanted, pl.Decimal):
        return round(Decimal(str(value)), wanted.scale) == Decimal(str(value))
    if not wanted.is_integer():
        return True
    low, high = _bounds(wanted)
    return value == int(value) and low <= value <= high


@cache
def _bounds(wanted: Any) -> tuple[int, int]:
    low, high = pl.select(low=wanted.min(), high=wanted.max()).row(0)
    return low, high
