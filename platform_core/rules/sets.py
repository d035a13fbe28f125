"""A value is one of a list, or none of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import polars as pl

from platform_core.rules.base import Flaw, Schema, ValueRule, label_of
from platform_core.rules.intervals import Intervals, Line, points
from platform_core.rules.sql import identifier, literals


@dataclass(frozen=True, kw_only=True)
class IsIn(ValueRule):
    """The rule that a value is one of those allowed."""

    kind: ClassVar[str] = "isin"
    allows_exactly: ClassVar[bool] = True
    pandera: ClassVar[str] = "isin"
    word: ClassVar[str] = "isin"
    takes: ClassVar[str] = "allowed_values"
    values: ClassVar[tuple[str, ...]] = ("allowed_values",)
    example: ClassVar[str] = 'isin=["EWR", "JFK", "LGA"]'

    allowed_values: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "allowed_values", tuple(self.allowed_values))
        super().__post_init__()

    def words(self) -> str:
        """Return the list."""
        return f"is one of {label_of(self.allowed_values)}"

    def good(self, value: pl.Expr) -> pl.Expr:
        """Return whether the list has the value."""
        return value.is_in(list(self.allowed_values))

    def accepts(self, value: Any) -> bool:
        """Whether the list has the value."""
        return value in self.allowed_values

    @property
    def acceptance(self) -> Callable[[Any], bool]:
        """The list as a set."""
        return frozenset(self.allowed_values).__contains__

    def sql(self) -> str:
        """Return the list."""
        return f"{identifier(self.column)} IN {literals(self.allowed_values)}"

    def allowed(self, line: Line) -> Intervals:
        """Return a point for each value."""
        return points(line, self.allowed_values)

    @property
    def listed(self) -> tuple[Any, ...]:
        """The list."""
        return tuple(self.allowed_values)

    def flaws(self, schema: Schema) -> Iterator[Flaw]:
        """Yield a list of nothing."""
        yield from ValueRule.flaws(self, schema)
        if not self.allowed_values:
            yield Flaw("allows no value.", "list the values that may stand here.")


@dataclass(frozen=True, kw_only=True)
class NotIn(ValueRule):
    """The rule that a value is none of those forbidden."""

    kind: ClassVar[str] = "notin"
    allows_exactly: ClassVar[bool] = True
    pandera: ClassVar[str] = "notin"
    word: ClassVar[str] = "notin"
    takes: ClassVar[str] = "forbidden_values"
    values: ClassVar[tuple[str, ...]] = ("forbidden_values",)
    example: ClassVar[str] = 'notin=["", "unknown"]'

    forbidden_values: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "forbidden_values", tuple(self.forbidden_values))
        super().__post_init__()

    def words(self) -> str:
        """Return the list."""
        return f"is none of {label_of(self.forbidden_values)}"

    def good(self, value: pl.Expr) -> pl.Expr:
        """Return whether the list has not the value."""
        return ~value.is_in(list(self.forbidden_values))

    def accepts(self, value: Any) -> bool:
        """Whether the list has not the value."""
        return value not in self.forbidden_values

    def sql(self) -> str:
        """Return the list."""
        return f"{identifier(self.column)} NOT IN {literals(self.forbidden_values)}"

    def allowed(self, line: Line) -> Intervals:
        """All but a point for each value."""
        return ~points(line, self.forbidden_values)

    @property
    def unlisted(self) -> tuple[Any, ...]:
        """The list."""
        return tuple(self.forbidden_values)

    def flaws(self, schema: Schema) -> Iterator[Flaw]:
        """Yield a list of nothing."""
        yield from ValueRule.flaws(self, schema)
        if not self.forbidden_values:
            yield Flaw("forbids no value, so it cannot fail.", "list the values that may not stand here.")
