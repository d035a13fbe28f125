"""A rule on rows that a share of them must keep, or that only some of them must keep."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import polars as pl

from platform_core.rules.base import (
    DbtTest,
    Flaw,
    Over,
    Predicate,
    Record,
    RowRule,
    Rule,
    Schema,
    Severity,
    ShareRule,
    without_nones,
)
from platform_core.rules.expressions import Expression, expression
from platform_core.rules.nulls import NotNull


@dataclass(frozen=True, kw_only=True)
class Mostly(ShareRule):
    """The rule that at least a share of the rows keeps a row rule; no row is refused for it."""

    kind: ClassVar[str] = "mostly"

    rule: RowRule = field(default_factory=NotNull)

    def _label(self) -> str:
        return f"{self.rule.label}, in at least {self.at_least or 0:.6g} of the rows"

    def good(self) -> pl.Expr:
        """Return whether the row keeps the rule."""
        return self.rule.holds()

    def fitted(self, schema: Schema) -> Self:
        """With the inner rule's values in the types of the columns."""
        return replace(self, rule=self.rule.fitted(schema))

    @property
    def empties(self) -> str | None:
        """The inner rule's column."""
        return self.rule.empties

    @property
    def stronger(self) -> Rule:
        """The inner rule, of every row."""
        return self.rule.stronger

    @property
    def broken_by(self) -> tuple[Rule, tuple[Rule, ...]]:
        """Rows that break the inner rule."""
        return self.rule.broken_by

    def dbt_test(self, partition: str | None) -> DbtTest | None:
        """Return the same share, in each partition."""
        condition = self.rule.sql()
        if condition is None:
            return None
        per = partition if self.over == "partition" else None
        return "share_holds", without_nones(condition=condition, at_least=self.at_least, per=per)

    def flaws(self, schema: Schema) -> Iterator[Flaw]:
        """Those of the inner rule, and a share that is none."""
        yield from ShareRule.flaws(self, schema)
        yield from self.rule.flaws(schema)
        if self.rule.compares_rows or self.rule.on_input:
            yield Flaw(f"is a share of {self.rule.kind!r}, which is no verdict on a row by itself.", "take it whole.")


@dataclass(frozen=True, kw_only=True)
class OnlyWhere(RowRule):
    """The rule that rows for which a condition is true keep a row rule; of the others nothing is asked."""

    kind: ClassVar[str] = "only_where"

    rule: RowRule = field(default_factory=NotNull)
    condition: Expression = field(default_factory=lambda: expression("where", "true"))

    def _label(self) -> str:
        return f"{self.rule.label}, where {self.condition.label}"

    def expression(self) -> pl.Expr:
        """Return whether the condition is not true, or the rule holds."""
        return ~self.condition.expression().fill_null(value=False) | self.rule.holds()

    def predicate(self, schema: Schema) -> Predicate:
        """Return the inner rule on records for which the condition is true."""
        asks, holds = self.condition.truth(schema), self.rule.predicate(schema)

        def predicate(record: Record) -> bool:
            return not asks(record) or holds(record)

        return predicate

    @property
    def is_python(self) -> bool:
        """Whether both are."""
        return self.rule.is_python and self.condition.is_python

    def sql(self) -> str | None:
        """Both conditions."""
        where, condition = self.condition.sql(), self.rule.sql()
        if where is None or condition is None:
            return None
        return f"NOT coalesce({where}, FALSE) OR coalesce({condition}, TRUE)"

    def fitted(self, schema: Schema) -> Self:
        """With the inner rule's values in the types of the columns."""
        return replace(self, rule=self.rule.fitted(schema))

    @property
    def stronger(self) -> Rule:
        """The inner rule, of every row."""
        return self.rule.stronger

    @property
    def broken_by(self) -> tuple[Rule, tuple[Rule, ...]]:
        """Rows for which the condition is true and that break the inner rule."""
        target, beside = self.rule.broken_by
        return target, (*beside, self.condition, *(NotNull(columns=(name,)) for name in self.condition.columns))

    def flaws(self, schema: Schema) -> Iterator[Flaw]:
        """Those of the inner rule."""
        yield from self.rule.flaws(schema)
        if self.rule.compares_rows or self.rule.on_input:
            yield Flaw(f"restricts {self.rule.kind!r}, which is no verdict on a row by itself.", "take it whole.")


def mostly(
    rule: RowRule, *, at_least: float, severity: Severity = "warn", over: Over = "partition", label: str | None = None
) -> Mostly:
    """Return a rule that at least this share of the rows (0 to 1, closed) keeps a row rule, whose id it has."""
    return Mostly(id=rule.id, label=label or "", columns=rule.columns, severity=severity, dimension=rule.dimension,
                  at_least=at_least, over=over, rule=rule)  # fmt: skip


def only_where(rule: RowRule, condition: pl.Expr | str, *, label: str | None = None) -> OnlyWhere:
    """Return a row rule asked only of rows for which the condition is true; id and severity are the row rule's."""
    condition_rule = expression(f"{rule.id}_where", condition)
    columns = tuple(dict.fromkeys([*rule.columns, *condition_rule.columns]))
    return OnlyWhere(id=rule.id, label=label or "", columns=columns, severity=rule.severity, dimension=rule.dimension,
                     rule=rule, condition=condition_rule)  # fmt: skip
