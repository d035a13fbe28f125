"""A column is filled in for a share of the rows."""

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from platform_core.rules.base import DbtTest, Dimension, Over, Severity, ShareRule, without_nones
from platform_core.rules.sql import identifier


@dataclass(frozen=True, kw_only=True)
class Complete(ShareRule):
    """The rule that the share of non-null values of a column is at least `at_least` (0 to 1, closed)."""

    kind: ClassVar[str] = "complete"
    takes: ClassVar[str] = "at_least"

    dimension: Dimension = "completeness"

    def _label(self) -> str:
        return f"{self.columns[0]} is filled in at least {self.at_least or 0:.0%} of rows"

    def good(self) -> pl.Expr:
        """Return whether there is a value."""
        return pl.col(self.columns[0]).is_not_null()

    @property
    def empties(self) -> str:
        """The column itself."""
        return self.columns[0]

    def dbt_test(self, partition: str | None) -> DbtTest:
        """Return the same share, in each partition."""
        per = partition if self.over == "partition" else None
        condition = f"{identifier(self.columns[0])} IS NOT NULL"
        return "share_holds", without_nones(condition=condition, at_least=self.at_least, per=per)


def complete(column: str, *, at_least: float, severity: Severity = "warn", over: Over = "partition") -> Complete:
    """Return a rule that the share of non-null values of `column` is at least `at_least` (0 to 1, closed)."""
    return Complete(columns=(column,), at_least=at_least, severity=severity, over=over)
