"""What a target format cannot hold at all, refused by the name of the column before a library fails at it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import polars as pl

from platform_resources.conversion.targets import Target
from platform_resources.errors import ConversionError
from platform_resources.readers.rows import Rows

_FOLDING = ("json", "jsonl", "delta")
_NAMING = ("json", "jsonl", "csv", "arrow")
_CALENDARS = ("json", "jsonl", "csv", "delta")
_MOST_DAYS = 95_000_000
"""From 1970, either way: some 260,000 years; the calendars of Polars and delta-rs end soon after, in a panic."""

_YEARS = (-4_371_587, 2_932_896)
"""The first and last day of the years that texts write in four digits, -9999 to 9999; readers know no others."""

_PER_DAY = {"ms": 86_400_000, "us": 86_400_000_000}


@contextmanager
def fitting(rows: Rows, target: Target) -> Iterator[Rows]:
    """Yield the rows, looked at as they are read.

    Raises:
        ConversionError: A name, or a date, is none that the format has; also where a library made another error of it.
    """
    refuse_names(rows.schema, target)
    met: list[ConversionError] = []
    reach = (-_MOST_DAYS, _MOST_DAYS) if target.format == "delta" else _YEARS

    def frames() -> Iterator[pl.DataFrame]:
        for frame in rows.frames():
            if far := _far(frame, reach, dates_only=target.format == "delta"):
                met.append(_refusal(target, far))
                raise met[0]
            yield frame

    try:
        yield replace(rows, frames=frames) if target.format in _CALENDARS else rows
    except Exception:
        if met:
            raise met[0] from None
        raise


def refuse_names(schema: pl.Schema, target: Target) -> None:
    """Refuse columns that the format cannot tell apart.

    Raises:
        ConversionError: Two differ only in case, or one has no name.
    """
    if target.format in _NAMING and "" in schema:
        raise ConversionError(
            target.location,
            f"a column without a name cannot be written as {target.format}",
            fix="name it, or write Parquet",
        )
    counts = Counter(name.lower() for name in schema)
    alike = [name for name in schema if counts[name.lower()] > 1]
    if target.format in _FOLDING and alike:
        raise ConversionError(
            target.location,
            f"columns {', '.join(alike)} differ only in case, which {target.format} cannot tell apart here",
            fix="rename one of them, or write Parquet, Arrow or CSV",
        )


def _refusal(target: Target, column: str) -> ConversionError:
    where = "more than 260,000 years away" if target.format == "delta" else "outside of the years -9999 to 9999"
    return ConversionError(
        target.location,
        f"column {column} has a date {where}, which {target.format} cannot hold",
        fix="correct it, or write Parquet or Arrow",
    )


def _far(frame: pl.DataFrame, reach: tuple[int, int], *, dates_only: bool) -> str | None:
    """Return the first column with a day before the first one of the reach, or behind the last."""
    for name, dtype in frame.schema.items():
        if isinstance(dtype, pl.Date) or (
            isinstance(dtype, pl.Datetime) and dtype.time_unit in _PER_DAY and not dates_only
        ):
            day = _PER_DAY[dtype.time_unit] if isinstance(dtype, pl.Datetime) else 1
            numbers = frame[name].to_physical()
            least, largest = numbers.min(), numbers.max()
            if (
                isinstance(least, int)
                and isinstance(largest, int)
                and not (reach[0] <= least // day and largest // day <= reach[1])
            ):
                return name
    return None
