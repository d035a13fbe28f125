"""A polars expression, or a condition in SQL, is true of every row."""

from dataclasses import dataclass, field
from typing import ClassVar

import polars as pl

from platform_core.rules.base import Dimension, RowRule, Severity


@dataclass(frozen=True, kw_only=True)
class Expression(RowRule):
    """The rule that an expression of the declaration's own is true; a null result is good."""

    kind: ClassVar[str] = "expression"

    dimension: Dimension = "consistency"
    condition: pl.Expr = field(default_factory=lambda: pl.lit(value=True), compare=False)

    def expression(self) -> pl.Expr:
        """The expression itself."""
        return self.condition

    @property
    def equality(self) -> pl.Expr:
        """The expression, which may be an equality."""
        return self.condition


def expression(
    rule_id: str, holds: pl.Expr | str, *, label: str | None = None, severity: Severity = "error"
) -> Expression:
    """A row rule from a polars expression, or SQL text, that is true where the row is good. A null result is good."""
    condition = pl.sql_expr(holds) if isinstance(holds, str) else holds
    columns = tuple(dict.fromkeys(condition.meta.root_names()))
    return Expression(id=rule_id, label=label or "", columns=columns, severity=severity, condition=condition)
