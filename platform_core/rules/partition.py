"""A row lies in one of the dataset's partitions."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import polars as pl

from platform_core.rules.base import Dimension, Predicate, Record, Schema, ValueRule
from platform_core.rules.intervals import Intervals, Line, between
from platform_core.rules.sql import identifier, literal

_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class InPartition(ValueRule):
    """The rule that an instant or a day is not before the first partition. A null lies in no partition.

    Attributes:
        starts_at: The first instant of the first partition, in UTC.
        nullable: Whether the column may be null; where it may not, `not_null` is to blame for one.
    """

    kind: ClassVar[str] = "partition"
    always_computable: ClassVar[bool] = True

    dimension: Dimension = "timeliness"
    id: str = "partition"
    starts_at: datetime = _EARLIEST
    nullable: bool = False

    def good(self, value: pl.Expr) -> pl.Expr:
        """True from the first partition on."""
        late_enough = value.cast(pl.Datetime("us")) >= self.starts_at.replace(tzinfo=None)
        return late_enough.fill_null(value=not self.nullable)

    def accepts(self, value: Any) -> bool:
        """Whether the value lies in a partition."""
        start = self.starts_at
        if not isinstance(value, datetime):
            return bool(value >= start.date())
        return value >= (start if value.tzinfo else start.replace(tzinfo=None))

    def predicate(self, schema: Schema) -> Predicate:
        """The verdict on the record's instant; a null is bad where it is not another rule's to say so."""
        column, accepts, null_is_good = self.column, self.accepts, not self.nullable

        def predicate(record: Record) -> bool:
            value = record[column]
            return null_is_good if value is None else accepts(value)

        return predicate

    def sql(self) -> str:
        """The comparison; where a null is bad, false of one."""
        name, start = identifier(self.column), literal(self.starts_at)
        return f"coalesce({name} >= {start}, {literal(not self.nullable)})"

    def allowed(self, line: Line) -> Intervals:
        """From the first partition on."""
        return between(line, line.up(self.starts_at), line.greatest)
