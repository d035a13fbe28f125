"""A value of a row compared with another of the same row."""

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import polars as pl

from platform_core.rules.base import Dimension, Flaw, Predicate, Record, RowRule, Schema, Severity, id_of
from platform_core.rules.sql import identifier

_OPERATORS: Mapping[str, tuple[Callable[[Any, Any], Any], str, str]] = {
    "==": (operator.eq, "=", "eq"), "!=": (operator.ne, "<>", "ne"), ">": (operator.gt, ">", "gt"),
    ">=": (operator.ge, ">=", "ge"), "<": (operator.lt, "<", "lt"), "<=": (operator.le, "<=", "le"),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Compare(RowRule):
    """The rule that two columns of a row compare as `operator` says; a null on either side is good."""

    kind: ClassVar[str] = "compare"
    takes: ClassVar[str] = "operator"

    dimension: Dimension = "consistency"
    operator: str = "=="

    def __post_init__(self) -> None:
        if not self.id and self.operator in _OPERATORS:
            object.__setattr__(self, "id", id_of(self.columns, _OPERATORS[self.operator][2]))
        super().__post_init__()

    def _label(self) -> str:
        return f" {self.operator} ".join(self.columns)

    def expression(self) -> pl.Expr:
        """Return the comparison."""
        verdict: pl.Expr = _OPERATORS[self.operator][0](*map(pl.col, self.columns))
        return verdict

    def predicate(self, schema: Schema) -> Predicate:
        """Return the comparison of the record's values; None and NaN are nulls."""
        (left, right), compare = self.columns, _OPERATORS[self.operator][0]

        def predicate(record: Record) -> bool:
            pair = record[left], record[right]
            return any(value is None or value != value for value in pair) or bool(compare(*pair))  # noqa: PLR0124

        return predicate

    def sql(self) -> str:
        """Return the comparison."""
        return f" {_OPERATORS[self.operator][1]} ".join(map(identifier, self.columns))

    @property
    def equality(self) -> pl.Expr | None:
        """The comparison, where it is one of equals."""
        return self.expression()

    def flaws(self, schema: Schema) -> Iterator[Flaw]:
        """Yield an unknown operator, other than two columns, or types that do not compare alike in all engines."""
        if self.operator not in _OPERATORS:
            yield Flaw(f"has no operator {self.operator!r}.", f"use one of {', '.join(_OPERATORS)}.")
        if len(self.columns) != 2 or len(set(self.columns)) != 2:  # noqa: PLR2004 - two sides
            yield Flaw(f"compares {len(set(self.columns))} columns.", "name two columns.")
            return
        left, right = (schema.get(name) for name in self.columns)
        if left is not None and right is not None and left != right and not _both(left, right):
            yield Flaw(f"compares {left} with {right}.", "give both columns the same type.")


def _both(left: pl.DataType, right: pl.DataType) -> bool:
    return left.is_integer() and right.is_integer()


def compare(left: str, sign: str, right: str, *, label: str | None = None, severity: Severity = "error") -> Compare:
    """Return a row rule that `left` compares with `right` as the sign says: `compare("ends_at", ">", "starts_at")`."""
    return Compare(columns=(left, right), operator=sign, label=label or "", severity=severity)
