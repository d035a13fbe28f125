"""Days on their way to a text file, looked up in a calendar instead of being spelled one by one.

An encoder takes longer over a date than over any other value, and tables have few different ones. So a calendar of the
years that a column spans is spelled once, by the encoder itself, and a day's text is found by its number. It is done
for dates, and for instants that are all midnights; others are left to the encoder.
"""

from collections.abc import Callable
from datetime import date
from functools import lru_cache

import polars as pl

Spell = Callable[[pl.Series], pl.Series]
"""The texts that an encoder makes of values, in their order; none of them is null."""

_PAGE_DAYS = 2048
"""A calendar begins and ends at multiples of so many days, so that one is of use to many chunks."""

_EPOCH = date(1970, 1, 1).toordinal()
_COMMON = (date(1, 1, 1), date(9999, 1, 1))
_IN_NANOSECONDS = (date(1678, 1, 1), date(2262, 1, 1))
"""Days that 64 bits of nanoseconds reach: the first is in it, the end is not."""

_LEAST_USES = 4
"""Rows for each day of the calendar, below which to spell it costs as much as it gains."""


def spelled_days(rows: pl.DataFrame, spell: Spell) -> pl.DataFrame:
    """Return the rows, with days as the texts that their encoder makes of them.

    What is no day stays as it is, and null null.

    Args:
        rows: Of any types; only columns of dates, and of instants without a time zone, are looked at.
        spell: The encoder. Its results are kept, so it must be a function that stays.
    """
    expressions = [_spelled(rows[name], spell) for name, dtype in rows.schema.items() if _may_be_days(dtype)]
    return rows.with_columns(expression for expression in expressions if expression is not None)


def _may_be_days(dtype: pl.DataType) -> bool:
    return dtype == pl.Date or (isinstance(dtype, pl.Datetime) and dtype.time_zone is None)


def _spelled(values: pl.Series, spell: Spell) -> pl.Series | None:
    """Return the texts of a column, or None where a calendar is no help."""
    days = values.cast(pl.Date, strict=False)
    numbers = days.to_physical()
    least, largest = numbers.min(), numbers.max()
    if not isinstance(least, int) or not isinstance(largest, int):
        return None
    earliest, beyond = _reach(values.dtype)
    first = max(least // _PAGE_DAYS * _PAGE_DAYS, earliest)
    end = min((largest // _PAGE_DAYS + 1) * _PAGE_DAYS, beyond)
    if least < first or largest >= end or (end - first) * _LEAST_USES > len(values):
        return None
    if values.dtype != pl.Date and not days.cast(values.dtype).equals(values):
        return None
    return _calendar(spell, values.dtype, first, end).gather(numbers - first).alias(values.name)


def _reach(dtype: pl.DataType) -> tuple[int, int]:
    """Return the days that a calendar may have, numbered from 1970-01-01."""
    first, end = _IN_NANOSECONDS if dtype == pl.Datetime("ns") else _COMMON
    return first.toordinal() - _EPOCH, end.toordinal() - _EPOCH


@lru_cache(maxsize=32)
def _calendar(spell: Spell, dtype: pl.DataType, first: int, end: int) -> pl.Series:
    """Return the texts of days, numbered from 1970-01-01: the first is in it, the end is not."""
    return spell(pl.int_range(first, end, dtype=pl.Int32, eager=True).cast(pl.Date).cast(dtype))
