"""Cleaning as pure transforms that count what they changed: duplicates, gaps, outliers, e-mail and date formats."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

Imputation = Literal["mean", "median", "mode", "forward"]

_EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"


@dataclass(frozen=True)
class Cleaned:
    """A frame and how many of its rows or values were changed, by step; steps can follow one another."""

    frame: pl.DataFrame
    changes: Mapping[str, int] = field(default_factory=dict)

    def _then(self, frame: pl.DataFrame, step: str, count: int) -> "Cleaned":
        return Cleaned(frame, {**self.changes, step: self.changes.get(step, 0) + count})

    def without_duplicates(self, columns: Sequence[str] | None = None) -> "Cleaned":
        """Drop rows that repeat an earlier one, in all columns or in those named; the first stays, order is kept."""
        frame = self.frame.unique(subset=columns, keep="first", maintain_order=True)
        step = f"duplicates by {', '.join(columns)} dropped" if columns else "duplicates dropped"
        return self._then(frame, step, self.frame.height - frame.height)

    def imputed(self, column: str, how: Imputation) -> "Cleaned":
        """Fill nulls and NaN by the mean, the median, the most frequent value, or the last value before.

        A column without a value stays as it is, and so do nulls before the first value with `forward`. Means of whole
        numbers are rounded to whole numbers.
        """
        dtype = self.frame.schema[column]
        before = self.frame[column].fill_nan(None) if dtype.is_float() else self.frame[column]
        present = before.drop_nulls()
        if how == "forward":
            after = before.forward_fill()
        elif present.is_empty():
            after = before
        else:
            after = before.fill_null(_filling(present, how))
        frame = self.frame.with_columns(after.cast(dtype).alias(column))
        return self._then(frame, f"{column} imputed by {how}", before.null_count() - after.null_count())

    def without_outliers(self, column: str, *, fence: float = 1.5) -> "Cleaned":
        """Set to null what lies farther than `fence` times the distance of the quartiles beyond them."""
        value = self.frame[column].cast(pl.Float64)
        low, high = value.quantile(0.25), value.quantile(0.75)
        if low is None or high is None:
            return self._then(self.frame, f"{column} outliers nulled", 0)
        room = fence * (high - low)
        outlying = ((value < low - room) | (value > high + room)).fill_null(value=False)
        frame = self.frame.with_columns(pl.when(pl.Series(outlying)).then(None).otherwise(pl.col(column)).alias(column))
        return self._then(frame, f"{column} outliers nulled", int(outlying.sum()))

    def with_email(self, column: str) -> "Cleaned":
        """Trim e-mail addresses and put them in small letters; what is none becomes null."""
        before = self.frame[column]
        trimmed = before.str.strip_chars().str.to_lowercase()
        after = self.frame.select(
            pl.when(trimmed.str.contains(_EMAIL)).then(trimmed).otherwise(None).alias(column)
        ).to_series()
        changed = int((before.is_not_null() & ~before.eq_missing(after)).sum())
        return self._then(self.frame.with_columns(after), f"{column} e-mail addresses normalised", changed)

    def with_dates(self, column: str, formats: Sequence[str]) -> "Cleaned":
        """Turn texts into dates by the first of the formats that fits; what fits none becomes null.

        Counted are the texts that became null. `%d/%m/%Y` before `%m/%d/%Y` reads 03/04 as the third of April.
        """
        before = self.frame[column]
        trimmed = before.str.strip_chars()
        read = [trimmed.str.to_date(format_, strict=False) for format_ in formats]
        after = self.frame.select(pl.coalesce(read).alias(column)).to_series()
        lost = after.null_count() - before.null_count()
        return self._then(self.frame.with_columns(after), f"{column} dates unreadable", lost)


def _filling(present: pl.Series, how: Imputation) -> object:
    if how == "mode":
        return present.mode().sort()[0]
    if present.dtype.is_temporal():
        return present.median() if how == "median" else present.mean()
    value = present.mean() if how == "mean" else present.median()
    return round(float(value)) if present.dtype.is_integer() else value  # type: ignore[arg-type]  # numbers have one
