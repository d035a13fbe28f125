"""JSON texts read as lists and structs; a value that the type cannot hold as it is makes the text unreadable.

Polars alone would cut 1.5 to 1 in a list of whole numbers, read a number without room or a wrong day as null, drop keys
that a struct does not have, and take an instant without a zone for UTC.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from functools import cache
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

_SHOWN = 40


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


def _on_one_line(texts: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Texts that hold one JSON value each, null for the others: Polars reads an empty line as none, and two as two."""
    return pl.Series(texts.name, [None if text is None else _compact(text, dtype) for text in texts], dtype=pl.String)


def _compact(text: str, dtype: pl.DataType) -> str | None:
    try:
        value = json.loads(text, parse_float=Decimal, object_pairs_hook=_without_repetition)
        return text.replace("\r", " ").replace("\n", " ") if _keeps(value, dtype) else None
    except (ValueError, ArithmeticError, RecursionError):
        return None


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise ValueError("a key is there twice")
    return mapping


def _keeps(value: Any, dtype: Any) -> bool:
    """Whether Polars will give the value as it stands in the text."""
    if value is None:
        return True
    if isinstance(dtype, pl.List | pl.Array):
        return isinstance(value, list) and all(_keeps(part, dtype.inner) for part in value)
    if isinstance(dtype, pl.Struct):
        kinds = {field.name: field.dtype for field in dtype.fields}
        return isinstance(value, dict) and all(
            name in kinds and _keeps(part, kinds[name]) for name, part in value.items()
        )
    if dtype.is_numeric():
        return isinstance(value, int | Decimal) and not isinstance(value, bool) and _has_room(Decimal(value), dtype)
    if dtype == pl.Boolean:
        return isinstance(value, bool)
    return isinstance(value, str) and _is_written_so(value, dtype)


def first_misfit(value: object, wanted: pl.DataType) -> str | None:
    """Name the place within a nested value that the type cannot hold, and why; None where the whole is no JSON.

    >>> first_misfit('[{"k": "x", "colour": "red"}]', pl.List(pl.Struct({"k": pl.String})))
    "[0].colour: is a key that the contract lacks; it has 'k'."
    """
    try:
        parsed = json.loads(value, parse_float=Decimal) if isinstance(value, str) else _plain(value)
    except (ValueError, RecursionError):
        return None
    return next(_misfits(parsed, wanted, ""), None)


def _plain(value: object) -> Any:
    return value.to_list() if isinstance(value, pl.Series) else value


def _misfits(value: Any, dtype: Any, path: str) -> Iterator[str]:
    if value is None:
        return
    if isinstance(dtype, pl.List | pl.Array) and isinstance(value, list | pl.Series):
        for place, part in enumerate(value):
            yield from _misfits(part, dtype.inner, f"{path}[{place}]")
    elif isinstance(dtype, pl.Struct) and isinstance(value, dict):
        kinds = {field.name: field.dtype for field in dtype.fields}
        for name, part in value.items():
            if name not in kinds:
                yield f"{path}.{name}: is a key that the contract lacks; it has {', '.join(map(repr, kinds))}."
            else:
                yield from _misfits(part, kinds[name], f"{path}.{name}")
    elif isinstance(dtype, pl.List | pl.Array | pl.Struct) or not _fits(value, dtype):
        yield f"{path}: {str(value)[:_SHOWN]!r} is no {dtype}."


def _fits(value: Any, dtype: Any) -> bool:
    try:
        return _keeps(Decimal(repr(value)) if isinstance(value, float) else value, dtype)
    except (ValueError, ArithmeticError):
        return False


def _is_written_so(value: str, dtype: pl.DataType) -> bool:
    """Whether a text is one of the type; half a character is none, and an instant without a zone is not guessed at."""
    value.encode()
    pattern = _PATTERNS.get(dtype.base_type())
    if pattern is None:
        return True
    if not pattern.fullmatch(value):
        return False
    _FROM_ISO[dtype.base_type()](value)
    return True


_CLOCK = r"\d\d:\d\d:\d\d(\.\d{1,6})?"
_PATTERNS: Mapping[Any, re.Pattern[str]] = {
    pl.Date: re.compile(r"\d{4}-\d\d-\d\d", re.ASCII),
    pl.Time: re.compile(_CLOCK, re.ASCII),
    pl.Datetime: re.compile(r"\d{4}-\d\d-\d\d[T ]" + _CLOCK + r"(Z|[+-]\d\d:\d\d)", re.ASCII),
}
_FROM_ISO: Mapping[Any, Callable[[str], object]] = {
    pl.Date: date.fromisoformat, pl.Datetime: datetime.fromisoformat, pl.Time: time.fromisoformat,
}  # fmt: skip


def _has_room(value: Decimal, dtype: pl.DataType) -> bool:
    """Whether the number fits without a digit or its size lost; a float may be rounded.

    Polars reads a number that is not written as a whole one as a 64-bit float, whatever it is to become.
    """
    whole = value.as_tuple().exponent == 0
    as_read = value if whole else Decimal(repr(float(value)))
    if isinstance(dtype, pl.Decimal):
        return as_read == value and round(value, dtype.scale) == value
    if dtype.is_float():
        return bool(pl.Series([float(value)]).cast(dtype).is_finite().all())
    low, high = _bounds(dtype)
    return as_read == value == int(value) and low <= value <= high


@cache
def _bounds(dtype: Any) -> tuple[int, int]:
    low, high = pl.select(low=dtype.min(), high=dtype.max()).row(0)
    return low, high
