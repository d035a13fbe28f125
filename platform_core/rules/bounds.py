"""A value is equal to another, above or below a bound, or between two."""

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Self

import polars as pl

from platform_core.rules.base import Flaw, Schema, ValueRule
from platform_core.rules.intervals import Intervals, Line, Ordinal, between, points
from platform_core.rules.sql import identifier, literal

_Compare = Callable[[Any, Any], Any]
_TURNED: Mapping[_Compare, _Compare] = {
    operator.ge: operator.le, operator.gt: operator.lt, operator.le: operator.ge, operator.lt: operator.gt,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Equal(ValueRule):
    """The rule that a value is this one."""

    kind: ClassVar[str] = "eq"
    allows_exactly: ClassVar[bool] = True
    pandera: ClassVar[str] = "equal_to"
    word: ClassVar[str] = "eq"
    takes: ClassVar[str] = "value"
    values: ClassVar[tuple[str, ...]] = ("value",)
    example: ClassVar[str] = "eq=3"

    value: Any = None

    def words(self) -> str:
        """Return the value."""
        return f"= {self.value}"

    def good(self, value: pl.Expr) -> pl.Expr:
        """Return whether the value is equal."""
        return value.eq(self.value)

    def accepts(self, value: Any) -> bool:
        """Whether the value is equal."""
        return bool(value == self.value)

    @property
    def acceptance(self) -> Callable[[Any], bool]:
        """The comparison."""
        return partial(operator.eq, self.value)

    def sql(self) -> str:
        """Return the comparison."""
        return f"{identifier(self.column)} = {literal(self.value)}"

    def allowed(self, line: Line) -> Intervals:
        """One point, or none where the type does not have it."""
        return points(line, [self.value])

    @property
    def listed(self) -> tuple[Any, ...]:
        """The value."""
        return (self.value,)


@dataclass(frozen=True, kw_only=True)
class NotEqual(ValueRule):
    """The rule that a value is not this one."""

    kind: ClassVar[str] = "ne"
    allows_exactly: ClassVar[bool] = True
    pandera: ClassVar[str] = "not_equal_to"
    word: ClassVar[str] = "ne"
    takes: ClassVar[str] = "value"
    values: ClassVar[tuple[str, ...]] = ("value",)
    example: ClassVar[str] = "ne=0"

    value: Any = None

    def words(self) -> str:
        """Return the value."""
        return f"≠ {self.value}"

    def good(self, value: pl.Expr) -> pl.Expr:
        """Return whether the value differs."""
        return value.ne(self.value)

    def accepts(self, value: Any) -> bool:
        """Whether the value differs."""
        return bool(value != self.value)

    def sql(self) -> str:
        """Return the comparison."""
        return f"{identifier(self.column)} <> {literal(self.value)}"

    def allowed(self, line: Line) -> Intervals:
        """All but one point."""
        return ~points(line, [self.value])

    @property
    def unlisted(self) -> tuple[Any, ...]:
        """The value."""
        return (self.value,)


@dataclass(frozen=True, kw_only=True)
class _Bound(ValueRule):
    """One comparison with one bound, which each class names by an operator."""

    sign: ClassVar[str] = ""
    compare: ClassVar[_Compare] = operator.ge
    sql_sign: ClassVar[str] = ""

    @property
    def bound(self) -> Any:
        """The bound."""
        return getattr(self, self.values[0])

    def words(self) -> str:
        """Return the sign and the bound."""
        return f"{self.sign} {self.bound}"

    def good(self, value: pl.Expr) -> pl.Expr:
        """Return whether the comparison holds."""
        verdict: pl.Expr = type(self).compare(value, pl.lit(self.bound))
        return verdict

    def accepts(self, value: Any) -> bool:
        """Whether the comparison holds."""
        return bool(type(self).compare(value, self.bound))

    @property
    def acceptance(self) -> Callable[[Any], bool]:
        """The comparison turned around, bound to the bound."""
        return partial(_TURNED[type(self).compare], self.bound)

    def sql(self) -> str:
        """Return the comparison."""
        return f"{identifier(self.column)} {self.sql_sign} {literal(self.bound)}"

    def fitted(self, schema: Schema) -> Self:
        """Return the rule with its bound in the column's type.

        Between two whole numbers it is the one that says the same.
        """
        rule = super().fitted(schema)
        dtype, bound = schema.get(self.column), rule.bound
        if dtype is not None and dtype.is_integer() and isinstance(bound, float) and math.isfinite(bound):
            return replace(rule, **{self.values[0]: self._whole(bound)})  # type: ignore[arg-type]  # one name, one bound
        return rule

    def _whole(self, bound: float) -> int:
        return math.ceil(bound) if self.sign in {"≥", "<"} else math.floor(bound)


@dataclass(frozen=True, kw_only=True)
class AtLeast(_Bound):
    """The rule that a value is at least the bound."""

    kind: ClassVar[str] = "ge"
    allows_exactly: ClassVar[bool] = True
    pandera: ClassVar[str] = "greater_than_or_equal_to"
    word: ClassVar[str] = "ge"
    takes: ClassVar[str] = "min_value"
    values: ClassVar[tuple[str, ...]] = ("min_value",)
    example: ClassVar[str] = "ge=0"
    sign: ClassVar[str] = "≥"
    sql_sign: ClassVar[str] = ">="
    compare: ClassVar[_Compare] = operator.ge

    min_value: Any = None

    def allowed(self, line: Line) -> Intervals:
        """From the bound on."""
        return between(line, line.up(self.min_value), line.greatest)


@dataclass(frozen=True, kw_only=True)
class Above(_Bound):
    """The rule that a value is greater than the bound."""

    kind: ClassVar[str] = "gt"
    allows_exactly: ClassVar[bool] = True
    pandera: ClassVar[str] = "greater_than"
    word: ClassVar[str] = "gt"
    takes: ClassVar[str] = "min_value"
    values: ClassVar[tuple[str, ...]] = ("min_value",)
    example: ClassVar[str] = "gt=0"
    sign: ClassVar[str] = ">"
    sql_sign: ClassVar[str] = ">"
    compare: ClassVar[_Compare] = operator.gt

    min_value: Any = None

    def allowed(self, line: Line) -> Intervals:
        """Return what lies above the bound."""
        return between(line, line.after(line.down(self.min_value)), line.greatest)


@dataclass(frozen=True, kw_only=True)
class AtMost(_Bound):
    """The rule that a value is at most the bound."""

    kind: ClassVar[str] = "le"
    allows_exactly: ClassVar[bool] = True
    pandera: ClassVar[str] = "less_than_or_equal_to"
    word: ClassVar[str] = "le"
    takes: ClassVar[str] = "max_value"
    values: ClassVar[tuple[str, ...]] = ("max_value",)
    example: ClassVar[str] = "le=100"
    sign: ClassVar[str] = "≤"
    sql_sign: ClassVar[str] = "<="
    compare: ClassVar[_Compare] = operator.le

    max_value: Any = None

    def allowed(self, line: Line) -> Intervals:
        """Up to the bound."""
        return between(line, line.least, line.down(self.max_value))


@dataclass(frozen=True, kw_only=True)
class Below(_Bound):
    """The rule that a value is less than the bound."""

    kind: ClassVar[str] = "lt"
    allows_exactly: ClassVar[bool] = True
    pandera: ClassVar[str] = "less_than"
    word: ClassVar[str] = "lt"
    takes: ClassVar[str] = "max_value"
    values: ClassVar[tuple[str, ...]] = ("max_value",)
    example: ClassVar[str] = "lt=100"
    sign: ClassVar[str] = "<"
    sql_sign: ClassVar[str] = "<"
    compare: ClassVar[_Compare] = operator.lt

    max_value: Any = None

    def allowed(self, line: Line) -> Intervals:
        """Return what lies below the bound."""
        return between(line, line.least, line.before(line.up(self.max_value)))


@dataclass(frozen=True, kw_only=True)
class InRange(ValueRule):
    """The rule that a value lies between two bounds, each closed unless it is left out."""

    kind: ClassVar[str] = "in_range"
    allows_exactly: ClassVar[bool] = True
    pandera: ClassVar[str] = "in_range"
    word: ClassVar[str] = "in_range"
    values: ClassVar[tuple[str, ...]] = ("min_value", "max_value")
    example: ClassVar[str] = 'in_range={"min_value": 0, "max_value": 100}'

    min_value: Any = None
    max_value: Any = None
    include_min: bool = True
    include_max: bool = True

    def words(self) -> str:
        """Both bounds."""
        return f"between {self.min_value} and {self.max_value}"

    def good(self, value: pl.Expr) -> pl.Expr:
        """Return True between the bounds."""
        low, high = pl.lit(self.min_value), pl.lit(self.max_value)
        above = value.ge(low) if self.include_min else value.gt(low)
        return above & (value.le(high) if self.include_max else value.lt(high))

    def accepts(self, value: Any) -> bool:
        """Whether the value lies between the bounds."""
        above = value >= self.min_value if self.include_min else value > self.min_value
        return bool(above and (value <= self.max_value if self.include_max else value < self.max_value))

    def sql(self) -> str:
        """Both comparisons."""
        name, low, high = identifier(self.column), literal(self.min_value), literal(self.max_value)
        signs = (">=" if self.include_min else ">", "<=" if self.include_max else "<")
        return f"{name} {signs[0]} {low} AND {name} {signs[1]} {high}"

    def allowed(self, line: Line) -> Intervals:
        """Return the ordinals between the bounds."""
        return between(line, self._low(line), self._high(line))

    def _low(self, line: Line) -> Ordinal:
        return line.up(self.min_value) if self.include_min else line.after(line.down(self.min_value))

    def _high(self, line: Line) -> Ordinal:
        return line.down(self.max_value) if self.include_max else line.before(line.up(self.max_value))

    def flaws(self, schema: Schema) -> Iterator[Flaw]:
        """Bounds the wrong way round."""
        yield from ValueRule.flaws(self, schema)
        try:
            reversed_bounds = self.min_value > self.max_value
        except TypeError:
            message = f"compares {self.min_value!r} with {self.max_value!r}."
            yield Flaw(message, "give both bounds in the column's type.")
            return
        if reversed_bounds:
            yield Flaw(f"must lie between {self.min_value} and {self.max_value}: no value can.", "swap the bounds.")
