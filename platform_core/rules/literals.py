"""A declaration's values in the types of their columns, so that all engines compare the same two values."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
import polars as pl


def fitted(value: Any, dtype: pl.DataType) -> Any:
    """Return a value, or each of several, as the column's type holds it; one that does not fit is left as it is.

    A float beside a decimal becomes the decimal that is written alike, beside 32-bit floats the nearest of them; a
    whole number beside floats a float; a day beside instants its first instant in UTC.
    """
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return _fitted(value, dtype)
    return tuple(_fitted(item, dtype) for item in value)


def _fitted(value: Any, dtype: pl.DataType) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(dtype, pl.Decimal) and isinstance(value, float | int):
        return _decimal(value)
    if dtype.is_float() and isinstance(value, int | float | Decimal):
        number = float(value)
        return float(np.float32(number)) if dtype == pl.Float32 else number
    if dtype.is_integer() and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(dtype, pl.Datetime) and isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC if dtype.time_zone else None)
    return value


def _decimal(value: float) -> Any:
    try:
        return Decimal(repr(value))
    except InvalidOperation:
        return value
