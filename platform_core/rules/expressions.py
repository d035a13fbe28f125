"""A polars expression, or a condition in SQL, is true of every row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import polars as pl

from platform_core.rules.base import Dimension, Predicate, Record, RowRule, Rule, Schema, Severity
from platform_core.rules.sql import portable_condition


@dataclass(frozen=True, kw_only=True)
class Expression(RowRule):
    """The rule that an expression of the declaration's own is true; a null result is good.

    Attributes:
        condition: The expression.
        text: The SQL it was made of, if any.
    """

    kind: ClassVar[str] = "expression"

    dimension: Dimension = "consistency"
    condition: pl.Expr = field(default_factory=lambda: pl.lit(value=True), compare=False)
    text: str | None = None

    def expression(self) -> pl.Expr:
        """Return the expression itself."""
        return self.condition

    def truth(self, schema: Schema) -> Predicate:
        """Return a function that is true of a record for which the expression is true, not null."""
        types = {name: schema[name] for name in self.columns}
        condition = self.condition.fill_null(value=False).alias("holds")

        def truth(record: Record) -> bool:
            row = pl.DataFrame({name: [record[name]] for name in types}, schema=types)
            return bool(row.select(condition).item()) if types else bool(pl.select(condition).item())

        return truth

    def sql(self) -> str | None:
        """Return the SQL, where DuckDB reads it as Polars does.

        Comparisons, connectives, sums and products of columns.
        """
        return None if self.text is None else portable_condition(self.text)

    @property
    def equality(self) -> pl.Expr:
        """The expression, which may be an equality."""
        return self.condition

    @classmethod
    def of_item(cls, columns: Sequence[str], item: Mapping[str, Any], common: Mapping[str, Any]) -> Rule:
        """Return the rule whose `condition` is SQL.

        Raises:
            TypeError: There is no condition, or it is no SQL.
        """
        condition = item.get("condition")
        if not isinstance(condition, str):
            raise TypeError("has no condition")
        try:
            parsed_rule = expression(common.get("id") or "expression", condition)
        except (pl.exceptions.PolarsError, ValueError) as error:
            raise TypeError(f"has the condition {condition!r}, which is no SQL ({error})") from error
        return cls(columns=parsed_rule.columns, condition=parsed_rule.condition, text=condition, **common)


def expression(
    rule_id: str, holds: pl.Expr | str, *, label: str | None = None, severity: Severity = "error"
) -> Expression:
    """Return a row rule from a Polars expression or SQL text, true where the row is good; null is good."""
    text = holds if isinstance(holds, str) else None
    condition = pl.sql_expr(holds) if isinstance(holds, str) else holds
    columns = tuple(dict.fromkeys(condition.meta.root_names()))
    return Expression(id=rule_id, label=label or "", columns=columns, severity=severity, condition=condition, text=text)
