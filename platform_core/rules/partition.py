"""A row lies in one of the dataset's partitions."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import polars as pl

from platform_core.rules.base import Dimension, Predicate, Record, Schema, ValueRule
from platform_core.rules.intervals import Intervals, Line, between
from platform_core.rules.sql import identifier, literal

_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class InPartition(ValueRule):
    """The rule that an instant or a day is not before the first partition, nor behind the last one; a null is in none.

    Attributes:
        starts_at: The first instant of the first partition, in UTC.
        stops_at: The first instant after the last partition, in UTC; None where there is no last one.
        nullable: Whether the column may be null; where it may not, `not_null` is to blame for one.
    """

    kind: ClassVar[str] = "partition"
    always_computable: ClassVar[bool] = True

    dimension: Dimension = "timeliness"
    id: str = "partition"
    starts_at: datetime = _EARLIEST
    stops_at: datetime | None = None
    nullable: bool = False

    def good(self, value: pl.Expr) -> pl.Expr:
        """Return True from the first partition to the last."""
        instant = value.cast(pl.Datetime("us"))
        within = instant >= self.starts_at.replace(tzinfo=None)
        if self.stops_at is not None:
            within &= instant < self.stops_at.replace(tzinfo=None)
        return within.fill_null(value=not self.nullable)

    def accepts(self, value: Any) -> bool:
        """Whether the value lies in a partition."""
        start, stop = self.starts_at, self.stops_at
        if not isinstance(value, datetime):
            return bool(value >= start.date()) and (stop is None or bool(value < stop.date()))
        at = value if value.tzinfo else value.replace(tzinfo=UTC)
        return at >= start and (stop is None or at < stop)

    def predicate(self, schema: Schema) -> Predicate:
        """Return the verdict on the record's instant; a null is bad where it is not another rule's to say so."""
        column, accepts, null_is_good = self.column, self.accepts, not self.nullable

        def predicate(record: Record) -> bool:
            value = record[column]
            return null_is_good if value is None else accepts(value)

        return predicate

    def sql(self) -> str:
        """Return the comparison; where a null is bad, false of one."""
        name, start = identifier(self.column), literal(self.starts_at)
        within = f"{name} >= {start}"
        if self.stops_at is not None:
            within += f" AND {name} < {literal(self.stops_at)}"
        return f"coalesce({within}, {literal(not self.nullable)})"

    def allowed(self, line: Line) -> Intervals:
        """From the first partition to the last."""
        last = line.greatest if self.stops_at is None else line.down(self.stops_at - timedelta(microseconds=1))
        return between(line, line.up(self.starts_at), last)
