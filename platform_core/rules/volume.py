"""There are as many rows as there should be."""

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from platform_core.rules.base import DatasetRule, DbtTest, Dimension, FaultKind, Over, Severity, without_nones


@dataclass(frozen=True, kw_only=True)
class Volume(DatasetRule):
    """The rule that the number of rows lies in [at_least, at_most], both closed."""

    kind: ClassVar[str] = "volume"
    takes: ClassVar[str] = "at_least"
    fault: ClassVar[FaultKind] = "count"

    dimension: Dimension = "completeness"
    id: str = "volume"

    def _label(self) -> str:
        most = "any number" if self.at_most is None else f"{self.at_most:,}"
        return f"rows between {self.at_least or 0:,} and {most}"

    @property
    def measure(self) -> pl.Expr:
        """The number of rows."""
        return pl.len()

    @property
    def rows_allowed(self) -> tuple[float | None, float | None]:
        """Both bounds."""
        return self.at_least, self.at_most

    def dbt_test(self, partition: str | None) -> DbtTest:
        """Return the same count, in each partition."""
        per = partition if self.over == "partition" else None
        return "measure_holds", without_nones(
            aggregate="count(*)", at_least=self.at_least, at_most=self.at_most, per=per
        )


def volume(
    *,
    at_least: int | None = None,
    at_most: int | None = None,
    severity: Severity = "warn",
    over: Over = "partition",
) -> Volume:
    """Return a rule that the number of rows lies in [at_least, at_most], both closed."""
    return Volume(at_least=at_least, at_most=at_most, severity=severity, over=over)
