"""Thresholds on what is measured of a dataset: outside of them somebody is told, and nothing is stopped."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

_USUAL = 7


@dataclass(frozen=True)
class Threshold:
    """Bounds of a metric, both closed; outside of them there is an alert.

    >>> Threshold("row_count", at_least=100, may_fall=0.5).problem([1000, 400])
    'row_count is 400, more than 50% below its mean of 1000'

    Attributes:
        metric: What is measured of each write: `row_count`, `null_rate`, `duplicate_rate`, `outlier_rate`, `rule:<id>`.
        column: Of the metric; empty where it is of the whole.
        at_least: The least value.
        at_most: The greatest value.
        may_fall: The share by which a value may be below the mean of the seven before it.
        may_rise: The share by which it may be above.
        severity: Of the alert.
    """

    metric: str
    column: str = field(default="", kw_only=True)
    at_least: float | None = field(default=None, kw_only=True)
    at_most: float | None = field(default=None, kw_only=True)
    may_fall: float | None = field(default=None, kw_only=True)
    may_rise: float | None = field(default=None, kw_only=True)
    severity: Literal["warn", "error"] = field(default="warn", kw_only=True)

    @property
    def name(self) -> str:
        """The metric, with its column where it has one."""
        return f"{self.column}:{self.metric}" if self.column else self.metric

    def problem(self, values: Sequence[float]) -> str | None:
        """Say how the newest of a series of values is outside; None where it is within, or there is none."""
        if not values:
            return None
        *before, newest = values[-_USUAL - 1 :]
        mean = sum(before) / len(before) if before else None
        if self.at_least is not None and newest < self.at_least:
            return f"{self.name} is {newest:g}, below {self.at_least:g}"
        if self.at_most is not None and newest > self.at_most:
            return f"{self.name} is {newest:g}, above {self.at_most:g}"
        if mean is not None and self.may_fall is not None and newest < mean * (1 - self.may_fall):
            return f"{self.name} is {newest:g}, more than {self.may_fall:.0%} below its mean of {mean:g}"
        if mean is not None and self.may_rise is not None and newest > mean * (1 + self.may_rise):
            return f"{self.name} is {newest:g}, more than {self.may_rise:.0%} above its mean of {mean:g}"
        return None

    def broken_terms(self) -> Iterator[tuple[str, str]]:
        """Yield the terms that can never hold, or bound nothing, each with the fix."""
        bounds = (self.at_least, self.at_most, self.may_fall, self.may_rise)
        if all(bound is None for bound in bounds):
            yield f"threshold on {self.name}", "give at_least, at_most, may_fall or may_rise."
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            yield f"at_least {self.at_least:g} above at_most {self.at_most:g}", "exchange them."
        for bound in ("may_fall", "may_rise"):
            share = getattr(self, bound)
            if share is not None and share <= 0:
                yield f"{bound} {share:g}", "give a share above 0, such as 0.3."
