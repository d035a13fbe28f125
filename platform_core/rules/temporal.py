"""Instants and days: none of the future, none missing between the first and the last, the last one recent."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

import polars as pl

from platform_core.rules.base import (
    NOW,
    DatasetRule,
    Dimension,
    FaultKind,
    Flaw,
    Over,
    Predicate,
    Record,
    RowRule,
    Schema,
    Severity,
)
from platform_core.rules.sql import identifier, literal

_SKEW = timedelta(seconds=5)


@dataclass(frozen=True, kw_only=True)
class NotFuture(RowRule):
    """The rule that an instant is not later than the instant of the judgement, by more than `skew`.

    A day is later once its first instant in UTC is. The clock is passed in: in column `NOW`, or in a record by that
    name.
    """

    kind: ClassVar[str] = "not_future"
    takes: ClassVar[str] = "skew"
    reads_clock: ClassVar[bool] = True
    fault: ClassVar[FaultKind] = "clock"

    dimension: Dimension = "timeliness"
    skew: timedelta = _SKEW

    def _label(self) -> str:
        return f"{self.columns[0]} is not in the future"

    def expression(self) -> pl.Expr:
        """Return True up to the clock; a missing clock is no verdict, and false."""
        value = pl.col(self.columns[0]).cast(pl.Datetime("us"))
        latest = pl.col(NOW).cast(pl.Datetime("us")) + self.skew
        return value.is_null() | (value <= latest).fill_null(value=False)

    def predicate(self, schema: Schema) -> Predicate:
        """Return True up to the record's clock."""
        column, skew = self.columns[0], self.skew

        def predicate(record: Record) -> bool:
            value, now = record[column], record[NOW]
            if value is None:
                return True
            if not isinstance(value, datetime):
                value = datetime(value.year, value.month, value.day, tzinfo=now.tzinfo)
            return bool(value <= now + skew)

        return predicate

    def sql(self) -> str:
        """Return True up to the clock of the query."""
        return f"{identifier(self.columns[0])} <= now() + {literal(self.skew)}"

    def flaws(self, schema: Schema) -> Iterator[Flaw]:
        """Yield a column that is no time."""
        yield from _flaws_of_time(self.columns, schema)
        if not isinstance(self.skew, timedelta):
            yield Flaw(f"has skew={self.skew!r}.", "give a timedelta.")


@dataclass(frozen=True, kw_only=True)
class Fresh(DatasetRule):
    """The rule that the latest instant of a column is at most `within` before the instant of the judgement.

    What is measured is that age in hours; it is judged over the whole table unless `over` says otherwise.
    """

    kind: ClassVar[str] = "fresh"
    takes: ClassVar[str] = "at_most"
    reads_clock: ClassVar[bool] = True
    fault: ClassVar[FaultKind] = "clock"

    dimension: Dimension = "timeliness"
    over: Over = "table"

    def _label(self) -> str:
        return f"the latest {self.columns[0]} is at most {self.at_most:g} hours old"

    @property
    def measure(self) -> pl.Expr:
        """The age of the latest value in hours."""
        value = pl.col(self.columns[0]).cast(pl.Datetime("us")).max()
        age = pl.col(NOW).first().cast(pl.Datetime("us")) - value
        return age.dt.total_microseconds() / (3600 * 10**6)

    def flaws(self, schema: Schema) -> Iterator[Flaw]:
        """Yield a column that is no time."""
        yield from DatasetRule.flaws(self, schema)
        yield from _flaws_of_time(self.columns, schema)


@dataclass(frozen=True, kw_only=True)
class NoGaps(DatasetRule):
    """The rule that between two consecutive instants of a column lie at most `at_most` hours."""

    kind: ClassVar[str] = "no_gaps"
    takes: ClassVar[str] = "at_most"

    dimension: Dimension = "completeness"

    def _label(self) -> str:
        return f"{self.columns[0]} leaves no gap of more than {self.at_most:g} hours"

    @property
    def measure(self) -> pl.Expr:
        """The greatest gap in hours; null where there are fewer than two values."""
        values = pl.col(self.columns[0]).cast(pl.Datetime("us")).drop_nulls().sort()
        return values.diff().max().dt.total_microseconds() / (3600 * 10**6)

    def flaws(self, schema: Schema) -> Iterator[Flaw]:
        """Yield a column that is no time."""
        yield from DatasetRule.flaws(self, schema)
        yield from _flaws_of_time(self.columns, schema)


def _flaws_of_time(columns: tuple[str, ...], schema: Schema) -> Iterator[Flaw]:
    for name in columns:
        dtype = schema.get(name)
        if dtype is not None and not (isinstance(dtype, pl.Datetime) or dtype == pl.Date):
            yield Flaw(f"is about time, and {name} is {dtype}.", "name a UtcTimestamp or a Day.")


def not_future(column: str, *, skew: timedelta = _SKEW, severity: Severity = "error") -> NotFuture:
    """Return a row rule that an instant or day is not in the future, by the clock that the judge is given."""
    return NotFuture(columns=(column,), skew=skew, severity=severity)


def fresh(column: str, *, within: timedelta, severity: Severity = "warn") -> Fresh:
    """Return a rule that the latest value of a column is at most `within` old."""
    return Fresh(columns=(column,), at_most=within / timedelta(hours=1), severity=severity)


def no_gaps(column: str, *, longest: timedelta, severity: Severity = "warn", over: Over = "partition") -> NoGaps:
    """Return a rule that between two consecutive values of a column lies at most `longest`."""
    return NoGaps(columns=(column,), at_most=longest / timedelta(hours=1), severity=severity, over=over)
