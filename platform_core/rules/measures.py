"""An aggregate of the rows lies between bounds."""

from dataclasses import dataclass, field
from typing import ClassVar

import polars as pl

from platform_core.rules.base import DatasetRule, Over, Severity


@dataclass(frozen=True, kw_only=True)
class Measure(DatasetRule):
    """The rule that an aggregate of the declaration's own lies in [at_least, at_most], both closed."""

    kind: ClassVar[str] = "measure"

    aggregate: pl.Expr = field(default_factory=pl.len, compare=False)

    def _label(self) -> str:
        return f"{self.id.replace('_', ' ')} {self.bounds_words}"

    @property
    def measure(self) -> pl.Expr:
        """The aggregate itself."""
        return self.aggregate


def measure(
    rule_id: str,
    aggregate: pl.Expr,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    label: str | None = None,
    severity: Severity = "warn",
    over: Over = "partition",
) -> Measure:
    """Return a rule that an aggregate of the rows (`pl.col("x").mean()`) lies in [at_least, at_most], both closed."""
    return Measure(
        id=rule_id,
        label=label or "",
        columns=tuple(aggregate.meta.root_names()),
        severity=severity,
        aggregate=aggregate,
        at_least=at_least,
        at_most=at_most,
        over=over,
    )
