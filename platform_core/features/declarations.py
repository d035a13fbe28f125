"""What a feature is: a measure of the events of a key, over a time that ends just before an instant."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Kind = Literal["count", "total", "mean", "last", "distinct", "rate", "age"]


@dataclass(frozen=True)
class Measure:
    """What is measured of the events in the window; `column` is empty where only their number or time counts."""

    kind: Kind
    column: str = ""


@dataclass(frozen=True)
class Feature:
    """One column of features.

    Attributes:
        name: the column.
        measure: what it says.
        over: events of `[instant - over, instant)` count; an event is not seen by its own feature.
        by: the columns of the key.
    """

    name: str
    measure: Measure
    over: timedelta
    by: tuple[str, ...]


def feature(name: str, measure: Measure, *, over: timedelta, by: str | tuple[str, ...]) -> Feature:
    """Declare a feature.

    >>> feature("orders_last_hour", count(), over=timedelta(hours=1), by="customer").by
    ('customer',)

    Raises:
        ValueError: the time is not positive, or there is no key.
    """
    key = (by,) if isinstance(by, str) else tuple(by)
    if over <= timedelta(0) or not key:
        raise ValueError(f"feature {name!r}: over={over}, by={key}. Fix: give a time above 0 and a key")
    return Feature(name, measure, over, key)


def count() -> Measure:
    """Measure how many events there are; 0 without any."""
    return Measure("count")


def total(column: str) -> Measure:
    """Measure the sum of a column; 0 without any."""
    return Measure("total", column)


def mean(column: str) -> Measure:
    """Measure the mean of a column; null without any."""
    return Measure("mean", column)


def last(column: str) -> Measure:
    """Measure the value of the latest event; of events of one instant the largest. Null without any."""
    return Measure("last", column)


def distinct(column: str) -> Measure:
    """Measure how many different values there are, nulls aside; 0 without any."""
    return Measure("distinct", column)


def rate() -> Measure:
    """Measure events a second, their number times 1 / seconds, over the feature's time; 0 without any."""
    return Measure("rate")


def age() -> Measure:
    """Measure the time since the latest event; null without any."""
    return Measure("age")
