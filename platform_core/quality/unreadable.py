"""Why a value cannot be read as its column's type: the column, the value, and what was expected."""

import re
from collections.abc import Iterator

import polars as pl

from platform_core.contracts.columns import Column
from platform_core.contracts.dataset import Dataset
from platform_core.contracts.sources import AS_IS, Spelling
from platform_core.privacy.masking import MASK
from platform_core.quality.nested import first_misfit
from platform_core.quality.source_texts import LEAP_SECOND, spelling_of

_SHOWN = 40
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+")
_SHORT_YEAR = re.compile(r"[0-9]{1,3}-")
_FINE = re.compile(r"[0-9][.,][0-9]{6}[0-9]*[1-9]")
_DECIMAL = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")


def why_unreadable(column: Column, value: object, spelling: Spelling = AS_IS) -> str:
    """Return the reason in one sentence; a value of personal data is masked, and a long one cut.

    Args:
        column: Which cannot hold the value.
        value: As it came.
        spelling: How the source writes its values, by its declaration.
    """
    misfit = first_misfit(value, column.dtype) if column.dtype.is_nested() and not column.pii else None
    if misfit is not None:
        return f"{column.name}{misfit}"
    text = str(value)
    shown = MASK if column.pii else repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…")
    declared = _declared_reason(column, spelling)
    return f"{column.name}: {shown} {declared or _reason(text.strip(), column.dtype)}"


def _declared_reason(column: Column, spelling: Spelling) -> str:
    """Return the reason where the source declares how such values are written; empty where it does not."""
    if column.name in spelling.formats:
        return f"is not written as the source declares, {spelling.formats[column.name]!r}."
    if column.dtype.is_numeric() and (spelling.decimal != "." or spelling.thousands):
        thousands = f" and {spelling.thousands!r} between thousands" * bool(spelling.thousands)
        return f"is no number as the source declares, with {spelling.decimal!r} before places{thousands}."
    return ""


def unreadable_values(raw: pl.DataFrame, unreadable: pl.DataFrame, dataset: Dataset) -> Iterator[str]:
    """Yield the first value of each column that could not be read, with the reason.

    Args:
        raw: The rows as they came.
        unreadable: From `conform`: where a value could not be read.
        dataset: The contract.
    """
    for column in dataset.columns:
        if column.name in raw.columns and unreadable[column.name].any():
            place = unreadable[column.name].arg_max()
            yield why_unreadable(column, raw[column.name][place or 0], spelling_of(dataset))


def unreadable_rows(raw: pl.DataFrame, unreadable: pl.DataFrame, dataset: Dataset) -> list[str]:
    """Give of each row why its values cannot be read, all columns of it; empty where they can, or are not there."""
    spelling = spelling_of(dataset)
    columns = [column for column in dataset.columns if column.name in raw.columns and unreadable[column.name].any()]
    return [
        " ".join(
            why_unreadable(column, raw[column.name][place], spelling)
            for column in columns
            if unreadable[column.name][place]
        )
        for place in range(raw.height)
    ]


def _reason(text: str, dtype: pl.DataType) -> str:  # noqa: C901, PLR0911 - one sentence a type
    if isinstance(dtype, pl.Datetime):
        if re.search(LEAP_SECOND, text):
            return "has a 60th second, which UtcTimestamp has no room for."
        if _FINE.search(text):
            return "has digits below a microsecond, which UtcTimestamp has no room for."
        if _INSTANT.fullmatch(text):
            return "has no zone; UtcTimestamp wants one, such as 2024-03-03T09:00:00Z."
        return "is no instant; UtcTimestamp wants 2024-03-03T09:00:00Z, or +01:00 for Z."
    if dtype == pl.Date:
        short = ", with four digits of the year" if _SHORT_YEAR.match(text) else ""
        return f"is no day; Day wants 2024-03-03{short}."
    if dtype == pl.Time:
        return "is no time of day; 09:00:00 is wanted."
    if dtype == pl.Boolean:
        return "is neither true nor false; true, yes, y, t, 1 and their opposites are read."
    if isinstance(dtype, pl.Decimal) and _DECIMAL.fullmatch(text):
        return f"does not fit {dtype.precision or 38} digits with {dtype.scale} places."
    if dtype.is_integer() and _DECIMAL.fullmatch(text):
        return "has places; a whole number is wanted." if "." in text else f"lies beyond {dtype}."
    if isinstance(dtype, pl.Enum):
        return f"is none of {', '.join(dtype.categories)}."
    if dtype.is_numeric():
        kind = "whole number" if dtype.is_integer() else "number"
        return f"is no {kind}; digits and a point are wanted, without signs of currency or thousands."
    return f"is no {dtype}."
