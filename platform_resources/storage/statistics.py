"""What a table's files say of their columns without a row being read: numbers of rows and nulls, least and greatest.

Bounds are wider than the values where a format writes them so: Delta cuts instants to milliseconds, both Delta and
Iceberg cut texts. What may be anything is left out: a bound that is NaN, a text that may have been cut.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

UNCUT_BYTES = 16
"""Of a text this long or longer the rest may be missing; Iceberg's default."""

MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class FileStatistics:
    """One data file.

    Attributes:
        rows: How many it has, at most: deleted rows may be among them.
        nulls: By column, how many are null; a column of which it is not known is not there.
        bounds: By column, least and greatest of its values, both closed; NaN lies outside of them.
    """

    rows: int
    nulls: Mapping[str, int] = field(default_factory=dict)
    bounds: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)


def trusted_bounds(least: Any, greatest: Any, *, as_json: bool = False) -> tuple[Any, Any] | None:
    """Return the bounds that all values lie within; None where they say nothing that is sure.

    Args:
        least: As the file says.
        greatest: As the file says.
        as_json: Whether they were written as JSON, as Delta does: instants cut to milliseconds, decimals as floats.
    """
    if least is None or greatest is None:
        return None
    if isinstance(least, float) and (math.isnan(least) or math.isnan(greatest)):
        return None
    if isinstance(least, Decimal) and as_json:  # Delta writes decimals as floats
        return None
    if isinstance(least, str | bytes):
        size = len(least.encode() if isinstance(least, str) else least)
        return (least, greatest) if least == greatest and size < UNCUT_BYTES else None
    if isinstance(greatest, datetime) and as_json:
        try:
            return least - MILLISECOND, greatest + MILLISECOND
        except OverflowError:
            return None
    return least, greatest
