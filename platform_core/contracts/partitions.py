"""Partitions: the stored partition of a row is derived from its columns by one rule, never taken on trust.

A table is divided by time, by category, or by both. Every kind gives a row one text, its partition's key, and that text
is Dagster's own key of the same partition.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

Grain = Literal["hourly", "daily", "weekly", "monthly", "quarterly", "yearly"]

FORMATS: dict[Grain, str] = {
    "hourly": "%Y-%m-%d-%H:00",
    "daily": "%Y-%m-%d",
    "weekly": "%Y-%m-%d",
    "monthly": "%Y-%m",
    "quarterly": "%Y-%m",
    "yearly": "%Y",
}
"""How a partition's key is written: of a week its Monday, of a quarter its first month. Keys sort as time does."""

GRAINS: tuple[Grain, ...] = tuple(FORMATS)
"""From the finest to the coarsest."""

_EVERY: dict[Grain, str] = {
    "hourly": "1h", "daily": "1d", "weekly": "1w", "monthly": "1mo", "quarterly": "1q", "yearly": "1y",
}  # fmt: skip

_MONTHS: dict[Grain, int] = {"monthly": 1, "quarterly": 3, "yearly": 12}

_SPANS: dict[Grain, timedelta] = {
    "hourly": timedelta(hours=1),
    "daily": timedelta(days=1),
    "weekly": timedelta(days=7),
    "monthly": timedelta(days=31),
    "quarterly": timedelta(days=92),
    "yearly": timedelta(days=366),
}

SEPARATOR = "|"
"""What stands between the two parts of a key; Dagster's own."""

ILLEGAL_KEY = r"\||\.\.\.|[\x00-\x1f]"
"""What no category may hold: Dagster separates keys by the first two, and refuses the rest in a key."""

_Fault = tuple[str, str, str]


@dataclass(frozen=True)
class Partitions:
    """Partitions of one grain from `start` (closed) to `end` (open), by the instant or day in column `on`."""

    grain: Grain
    start: str
    on: str

    column: str = "_partition"
    """The stored column that holds the key."""
    end: str | None = None
    """The key of the first partition that is no longer one; None for partitions that go on as time does."""
    zone: str = "UTC"
    """Whose midnight ends a day; a day of Europe/Berlin has 23 hours in March and 25 in October."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns from which a key is made."""
        return (self.on,)

    @property
    def time(self) -> "Partitions | None":
        """The part by time."""
        return self

    @property
    def categories(self) -> "tuple[Categories, ...]":
        """The parts by category: none."""
        return ()

    @property
    def label(self) -> str:
        """The kind of partitions in a word."""
        return self.grain if self.zone == "UTC" else f"{self.grain} ({self.zone})"

    @property
    def described(self) -> str:
        """The partitions in words, for a person who compares two declarations."""
        until = f" to before {self.end}" if self.end else ""
        return f"{self.label} on {self.on} from {self.start}{until}"

    @property
    def format(self) -> str:
        """The strftime format of a key."""
        return FORMATS[self.grain]

    @property
    def well_formed(self) -> bool:
        """Whether zone, `start` and `end` can be read, so that keys can be asked for."""
        return not any(True for _ in self.faults())

    def faults(self) -> Iterator[_Fault]:
        """Yield what cannot be: culprit, what is wrong with it, fix."""
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError):
            yield f"partitions in zone {self.zone!r}", "is no time zone.", 'write it as "Europe/Berlin".'
            return
        if self.grain == "hourly" and self.zone != "UTC":
            yield (f"partitions in zone {self.zone!r}", "is given for hours, of which one comes twice in autumn.",
                   "leave zone out: hours are of UTC, and days in the zone can be made of them.")  # fmt: skip
        for word, key in (("from", self.start), ("to", self.end)):
            if key is None:
                continue
            nearest = self._nearest(key)
            if nearest is None:
                yield (f"partitions {word} {key!r}", "is not a key of that grain.", f"write it as {self.format!r}.")
            elif nearest != key:
                yield f"partitions {word} {key!r}", f"begins no {self.grain} partition.", f"write {nearest!r}."
        if self.end is not None and self._nearest(self.start) and self.end <= self.start:
            yield f"partitions to {self.end!r}", "end before they begin.", "end is the first key that is no longer one."

    def _nearest(self, key: str) -> str | None:
        """Return the key of the partition in which what is written begins; None where it cannot be read."""
        try:
            start = datetime.strptime(key, self.format)  # noqa: DTZ007 - a wall clock's time
        except ValueError:
            return None
        return self._write(start)

    def _write(self, local: datetime) -> str:
        """Return the key of the partition that holds a time of the zone's wall clock."""
        if self.grain == "weekly":
            local -= timedelta(days=local.weekday())
        elif self.grain == "quarterly":
            local = local.replace(day=1, month=(local.month - 1) // 3 * 3 + 1)
        # strftime writes the year 824 in three digits; keys have four, so that they sort
        return local.strftime(self.format.replace("%Y", f"{local.year:04}"))

    @property
    def starts_at(self) -> datetime:
        """The first instant of the first partition, in UTC."""
        return self._instant(self.start)

    @property
    def stops_at(self) -> datetime | None:
        """The first instant after the last partition, in UTC; None where there is no last one."""
        return None if self.end is None else self._instant(self.end)

    def _instant(self, key: str) -> datetime:
        return self._in_utc(self.begins_local(key))

    def _in_utc(self, local: datetime) -> datetime:
        return local.replace(tzinfo=ZoneInfo(self.zone)).astimezone(UTC)

    def begins_at(self, key: str) -> datetime:
        """Return the first instant of the partition of that key, in UTC.

        Raises:
            ValueError: It is no key of the grain.
        """
        return self._instant(key)

    def begins_local(self, key: str) -> datetime:
        """Return the partition's first instant on the wall clock of its zone, without a zone.

        Raises:
            ValueError: It is no key of the grain.
        """
        return datetime.strptime(key, self.format)  # noqa: DTZ007 - a wall clock's time

    def ends_at(self, key: str) -> datetime:
        """Return the first instant after the partition of that key, in UTC.

        Raises:
            ValueError: It is no key of the grain.
        """
        return self._in_utc(self._later(self.begins_local(key), 1))

    def later(self, instant: datetime, count: int) -> datetime:
        """Return the beginning of the partition so many after the one that begins at the instant; both in UTC."""
        local = instant.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)
        return self._in_utc(self._later(local, count))

    def _later(self, local: datetime, count: int) -> datetime:
        if self.grain not in _MONTHS:
            return local + count * _SPANS[self.grain]
        months = local.month - 1 + count * _MONTHS[self.grain]
        return local.replace(year=local.year + months // 12, month=months % 12 + 1)

    @property
    def longest(self) -> timedelta:
        """The time that the longest partition of the grain spans, but for an hour of a change of clocks."""
        return _SPANS[self.grain]

    def key_at(self, instant: datetime) -> str:
        """Return the key of the partition of an instant, whether there is such a partition or not."""
        return self._write(instant.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None))

    def key(self) -> pl.Expr:
        """Return the partition's key of each row; null where `on` is null."""
        return self.period().dt.strftime(self.format).alias(self.column)

    def period(self) -> pl.Expr:
        """Return what rows of one partition share: the wall clock's time as their partition begins."""
        instant = pl.col(self.on)
        if self.zone != "UTC":
            instant = instant.dt.convert_time_zone(self.zone).dt.replace_time_zone(None)
        return instant.cast(pl.Datetime("us")).dt.truncate(_EVERY[self.grain])

    def holds(self, now: datetime) -> pl.Expr:
        """Whether a row lies in a partition that has begun; null where `on` is null."""
        last = self.key_at(now) if self.end is None else min(self.key_at(now), self.key_at(self._last_instant))
        return self.key().is_between(pl.lit(self.start), pl.lit(last))

    @property
    def _last_instant(self) -> datetime:
        return (self.stops_at or datetime.max.replace(tzinfo=UTC)) - timedelta(microseconds=1)


@dataclass(frozen=True)
class Categories:
    """A partition for each value of column `on`: the values declared, or those that come."""

    on: str

    values: tuple[str | int, ...] | None = None
    """All there are, in their order; None lets the data say."""
    name: str = ""
    """Which datasets grow together where the data says; by default the column's name."""
    column: str = "_partition"
    """The stored column that holds the key."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns from which a key is made."""
        return (self.on,)

    @property
    def time(self) -> Partitions | None:
        """The part by time: none."""
        return None

    @property
    def categories(self) -> "tuple[Categories, ...]":
        """The parts by category."""
        return (self,)

    @property
    def shared_name(self) -> str:
        """The name under which the values that came are kept."""
        return self.name or self.on

    @property
    def label(self) -> str:
        """The kind of partitions in a word."""
        return f"by {self.on}"

    @property
    def described(self) -> str:
        """The partitions in words, for a person who compares two declarations."""
        return self.label if self.values is None else f"{self.label}: {', '.join(map(str, self.values))}"

    @property
    def well_formed(self) -> bool:
        """Whether every value can be a key."""
        return not any(True for _ in self.faults())

    def faults(self) -> Iterator[_Fault]:
        """Yield what cannot be: culprit, what is wrong with it, fix."""
        if self.values is None:
            return
        if not self.values:
            yield "partitions: values", "is empty.", "name the values, or leave values out to let the data say."
        for value in self.values:
            text = str(value)
            if not text or pl.select(pl.lit(text).str.contains(ILLEGAL_KEY)).item():
                yield (f"partitions: value {text!r}", "cannot be a partition's key.",
                       "a key has a character or more, and no '|', no '...' and no line end.")  # fmt: skip
        if len({*map(str, self.values)}) < len(self.values):
            yield "partitions: values", "names one twice.", "name each once."

    def ends_at(self, key: str) -> datetime | None:  # noqa: ARG002 - as partitions by time are asked
        """Return the first instant after the partition of that key: None, for a category has no age."""
        return None

    def key(self) -> pl.Expr:
        """Return the partition's key of each row; null where `on` is null."""
        return pl.col(self.on).cast(pl.String).alias(self.column)

    def period(self) -> pl.Expr:
        """Return what rows of one partition share."""
        return pl.col(self.on)

    def holds(self, now: datetime) -> pl.Expr:  # noqa: ARG002 - as partitions by time are asked
        """Whether a row lies in a partition; null where `on` is null."""
        if self.values is not None:
            return self.key().is_in([str(value) for value in self.values])
        return (self.key() != "") & ~self.key().str.contains(ILLEGAL_KEY)


@dataclass(frozen=True)
class Pairs:
    """A partition for each pair of a period and a category, or of two categories, such as a day and a country."""

    first: Partitions | Categories
    second: Categories

    column: str = "_partition"
    """The stored column that holds the key."""

    @property
    def parts(self) -> tuple[Partitions | Categories, ...]:
        """Both, in the order in which they stand in a key: by the names of their columns, as Dagster has it."""
        return tuple(sorted((self.first, self.second), key=lambda part: part.on))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns from which a key is made."""
        return tuple(part.on for part in self.parts)

    @property
    def time(self) -> Partitions | None:
        """The part by time."""
        return self.first.time

    @property
    def categories(self) -> tuple[Categories, ...]:
        """The parts by category."""
        return (*self.first.categories, self.second)

    @property
    def label(self) -> str:
        """The kind of partitions in a word."""
        return f"{self.first.label}, {self.second.label}"

    @property
    def described(self) -> str:
        """The partitions in words, for a person who compares two declarations."""
        return f"{self.first.described}, {self.second.described}"

    @property
    def well_formed(self) -> bool:
        """Whether both can be asked for keys."""
        return not any(True for _ in self.faults())

    def faults(self) -> Iterator[_Fault]:
        """Yield what cannot be: culprit, what is wrong with it, fix."""
        yield from self.first.faults()
        yield from self.second.faults()
        if self.first.on == self.second.on:
            yield "partitions", f"are twice by {self.first.on!r}.", "name another column in one of them."

    def ends_at(self, key: str) -> datetime | None:
        """Return the first instant after the partition of that key, in UTC; None where it has no age.

        Raises:
            ValueError: It is no pair of keys.
        """
        ends = [part.ends_at(own) for part, own in zip(self.parts, key.split(SEPARATOR), strict=True)]
        return next((end for end in ends if end is not None), None)

    def key(self) -> pl.Expr:
        """Return the partition's key of each row; null where one of both is null."""
        return pl.concat_str([part.key() for part in self.parts], separator=SEPARATOR).alias(self.column)

    def period(self) -> pl.Expr:
        """Return what rows of one partition share."""
        return pl.struct(part.period().alias(part.on) for part in self.parts)

    def holds(self, now: datetime) -> pl.Expr:
        """Whether a row lies in a partition that has begun; null where one of both is null."""
        return pl.all_horizontal(part.holds(now) for part in self.parts)


Partitioning = Partitions | Categories | Pairs
"""How a table is divided."""


def yearly(start: str, *, on: str, end: str | None = None, zone: str = "UTC") -> Partitions:
    """Return a partition a calendar year from `start` (`"2013"`) on, by column `on` read in the zone; before `end`."""
    return Partitions("yearly", start, on, end=end, zone=zone)


def quarterly(start: str, *, on: str, end: str | None = None, zone: str = "UTC") -> Partitions:
    """Return a partition a quarter, named by its first month, from `start` (`"2013-04"`), by `on`; before `end`."""
    return Partitions("quarterly", start, on, end=end, zone=zone)


def monthly(start: str, *, on: str, end: str | None = None, zone: str = "UTC") -> Partitions:
    """Return a partition a month from `start` (`"2013-01"`) on, by column `on` read in the zone; before `end`."""
    return Partitions("monthly", start, on, end=end, zone=zone)


def weekly(start: str, *, on: str, end: str | None = None, zone: str = "UTC") -> Partitions:
    """Return a partition a week, named by its Monday, from `start` (`"2024-01-01"`), by `on`; before `end`."""
    return Partitions("weekly", start, on, end=end, zone=zone)


def daily(start: str, *, on: str, end: str | None = None, zone: str = "UTC") -> Partitions:
    """Return a partition a day from `start` (`"2013-01-31"`) on, by column `on` read in the zone; before `end`."""
    return Partitions("daily", start, on, end=end, zone=zone)


def hourly(start: str, *, on: str, end: str | None = None) -> Partitions:
    """Return a partition an hour from `start` (`"2013-01-31-00:00"`) on, by column `on` read in UTC; before `end`."""
    return Partitions("hourly", start, on, end=end)


def by(on: str, *, values: Sequence[str | int] | None = None, name: str = "") -> Categories:
    """Return a partition for each value of a column of texts or whole numbers: those of `values`, or those that come.

    Datasets whose values come from data share them by `name`, which is the column's name where none is given.
    """
    return Categories(on, None if values is None else tuple(values), name)


def pairs(first: Partitions | Categories, second: Categories) -> Pairs:
    """Return a partition for each pair of both, such as `pairs(daily("2024-01-31", on="day"), by("country"))`."""
    return Pairs(first, second)
