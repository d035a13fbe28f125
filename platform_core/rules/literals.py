"""A declaration's values in the types of their columns, so that all engines compare the same two values."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl


def fitted(value: Any, dtype: pl.DataType) -> Any:
    """Return a value, or each of several, as the column's type holds it; one that does not fit is left as it is.

    A float beside a decimal becomes the decimal that is written alike, beside 32-bit floats the nearest of them; a
    whole number beside floats a float; a day beside instants its first instant in UTC; an instant is of their zone.
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
    if isinstance(dtype, pl.Datetime) and dtype.time_zone and isinstance(value, datetime):
        return _in_zone(value, dtype.time_zone)
    return value


def _in_zone(value: datetime, zone: str) -> datetime:
    """Return the same instant in the column's zone, for Polars compares no other; naive ones are as they are."""
    if value.tzinfo is None or str(value.tzinfo) == zone:
        return value
    return value.astimezone(UTC if zone == "UTC" else ZoneInfo(zone))


def _decimal(value: float) -> Any:
    try:
        return Decimal(repr(value))
    except InvalidOperation:
        return value
