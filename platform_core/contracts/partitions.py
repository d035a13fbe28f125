"""Time partitions: the stored partition is derived from one timestamp column by one rule, in UTC."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import polars as pl

Grain = Literal["hourly", "daily", "monthly"]

FORMATS: dict[Grain, str] = {"hourly": "%Y-%m-%d-%H:00", "daily": "%Y-%m-%d", "monthly": "%Y-%m"}
"""How a partition's key is written: Dagster's own formats, so that keys are the same everywhere."""


@dataclass(frozen=True)
class Partitions:
    """Partitions of one grain from `start` (closed) on, by the UTC instant in column `on`."""

    grain: Grain
    start: str
    on: str

    column: str = "_partition"
    """The stored column that holds the key."""

    @property
    def format(self) -> str:
        """The strftime format of a key."""
        return FORMATS[self.grain]

    @property
    def well_formed(self) -> bool:
        """Whether `start` is a key of the grain."""
        try:
            return bool(self.starts_at)
        except ValueError:
            return False

    @property
    def starts_at(self) -> datetime:
        """The first instant of the first partition, in UTC."""
        return datetime.strptime(self.start, self.format).replace(tzinfo=UTC)

    def ends_at(self, key: str) -> datetime:
        """The first instant after the partition of that key, in UTC.

        Raises:
            ValueError: It is no key of the grain.
        """
        start = datetime.strptime(key, self.format).replace(tzinfo=UTC)
        if self.grain == "monthly":
            return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
        return start + self.longest

    @property
    def longest(self) -> timedelta:
        """The time that the longest partition of the grain spans."""
        return {"hourly": timedelta(hours=1), "daily": timedelta(days=1), "monthly": timedelta(days=31)}[self.grain]

    def key(self) -> pl.Expr:
        """The partition's key of each row; null where `on` is null."""
        return pl.col(self.on).dt.strftime(self.format).alias(self.column)


def monthly(start: str, *, on: str) -> Partitions:
    """A partition a calendar month from `start` (`"2013-01"`) on, by column `on` read in UTC."""
    return Partitions("monthly", start, on)


def daily(start: str, *, on: str) -> Partitions:
    """A partition a calendar day from `start` (`"2013-01-31"`) on, by column `on` read in UTC."""
    return Partitions("daily", start, on)


def hourly(start: str, *, on: str) -> Partitions:
    """A partition an hour from `start` (`"2013-01-31-00:00"`) on, by column `on` read in UTC."""
    return Partitions("hourly", start, on)
