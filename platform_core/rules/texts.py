"""A text follows a pattern, starts or ends in a certain way, or has so many characters."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import polars as pl

from platform_core.rules import regex
from platform_core.rules.base import Flaw, Schema, TextTerms, ValueRule
from platform_core.rules.sql import identifier, literal


@dataclass(frozen=True, kw_only=True)
class _Pattern(ValueRule):
    """A regular expression that is found in a text."""

    pattern: str | re.Pattern[str] = ""

    @property
    def source(self) -> str:
        """The pattern as a text, its flags in front."""
        return regex.source_of(self.pattern)

    @property
    def searched(self) -> str:
        """The pattern that is searched for, in Polars' spelling."""
        return self.source

    def good(self, value: pl.Expr) -> pl.Expr:
        """Return whether the pattern is found."""
        return value.str.contains(self.searched)

    def accepts(self, value: Any) -> bool:
        """Whether the pattern is found."""
        return self._search(str(value))

    @cached_property
    def _search(self) -> Callable[[str], bool]:
        return regex.search_by(self.searched)

    def sql(self) -> str:
        """Return the pattern in RE2's spelling."""
        return f"regexp_matches({identifier(self.column)}, {literal(regex.for_re2(self.searched))})"

    def flaws(self, schema: Schema) -> Iterator[Flaw]:
        """Yield what does not mean the same in all engines, or does not compile."""
        yield from ValueRule.flaws(self, schema)
        yield from (Flaw(message, fix) for message, fix in regex.flaws_of(self.pattern))


@dataclass(frozen=True, kw_only=True)
class Matches(_Pattern):
    """The rule that a text starts with a match of the pattern; `$` at its end asks for the whole text."""

    kind: ClassVar[str] = "matches"
    pandera: ClassVar[str] = "str_matches"
    word: ClassVar[str] = "str_matches"
    takes: ClassVar[str] = "pattern"
    example: ClassVar[str] = 'str_matches=r"^[A-Z]{2}[0-9]+$"'

    def words(self) -> str:
        """Return the pattern."""
        return f"matches {self.pattern}"

    @property
    def searched(self) -> str:
        """The pattern bound to the start of the text, each of its alternatives too."""
        return regex.anchored(self.source)

    @property
    def text(self) -> TextTerms:
        """A text that starts with the pattern."""
        return TextTerms(pattern=self.source, anchored=True)


@dataclass(frozen=True, kw_only=True)
class Contains(_Pattern):
    """The rule that the pattern is found somewhere in a text."""

    kind: ClassVar[str] = "contains"
    pandera: ClassVar[str] = "str_contains"
    word: ClassVar[str] = "str_contains"
    takes: ClassVar[str] = "pattern"
    example: ClassVar[str] = 'str_contains="[0-9]"'

    def words(self) -> str:
        """Return the pattern."""
        return f"contains {self.pattern}"

    @property
    def text(self) -> TextTerms:
        """A text around the pattern."""
        return TextTerms(pattern=self.source)


@dataclass(frozen=True, kw_only=True)
class StartsWith(ValueRule):
    """The rule that a text starts with another."""

    kind: ClassVar[str] = "starts_with"
    pandera: ClassVar[str] = "str_startswith"
    word: ClassVar[str] = "str_startswith"
    takes: ClassVar[str] = "string"
    example: ClassVar[str] = 'str_startswith="id-"'

    string: str = ""

    def words(self) -> str:
        """Return the text."""
        return f"starts with {self.string}"

    def good(self, value: pl.Expr) -> pl.Expr:
        """Return whether the text starts so."""
        return value.str.starts_with(self.string)

    def accepts(self, value: Any) -> bool:
        """Whether the text starts so."""
        return str(value).startswith(self.string)

    def sql(self) -> str:
        """Return the comparison."""
        return f"starts_with({identifier(self.column)}, {literal(self.string)})"

    @property
    def text(self) -> TextTerms:
        """The start."""
        return TextTerms(prefix=self.string)


@dataclass(frozen=True, kw_only=True)
class EndsWith(ValueRule):
    """The rule that a text ends with another."""

    kind: ClassVar[str] = "ends_with"
    pandera: ClassVar[str] = "str_endswith"
    word: ClassVar[str] = "str_endswith"
    takes: ClassVar[str] = "string"
    example: ClassVar[str] = 'str_endswith=".csv"'

    string: str = ""

    def words(self) -> str:
        """Return the text."""
        return f"ends with {self.string}"

    def good(self, value: pl.Expr) -> pl.Expr:
        """Return whether the text ends so."""
        return value.str.ends_with(self.string)

    def accepts(self, value: Any) -> bool:
        """Whether the text ends so."""
        return str(value).endswith(self.string)

    def sql(self) -> str:
        """Return the comparison."""
        return f"ends_with({identifier(self.column)}, {literal(self.string)})"

    @property
    def text(self) -> TextTerms:
        """The end."""
        return TextTerms(suffix=self.string)


@dataclass(frozen=True, kw_only=True)
class Length(ValueRule):
    """The rule that a text has so many characters (Unicode code points), both bounds closed."""

    kind: ClassVar[str] = "length"
    pandera: ClassVar[str] = "str_length"
    word: ClassVar[str] = "str_length"
    takes: ClassVar[str] = "exact_value"
    example: ClassVar[str] = 'str_length={"min_value": 1, "max_value": 80}'

    min_value: int | None = None
    max_value: int | None = None
    exact_value: int | None = None

    @property
    def least(self) -> int:
        """The least number of characters."""
        return self.exact_value if self.exact_value is not None else self.min_value or 0

    @property
    def most(self) -> int | None:
        """The greatest number of characters; None where there is none."""
        return self.exact_value if self.exact_value is not None else self.max_value

    def words(self) -> str:
        """Return the bounds."""
        if self.exact_value is not None:
            return f"has {self.exact_value} characters"
        if self.max_value is None:
            return f"has {self.min_value} characters or more"
        if self.min_value is None:
            return f"has at most {self.max_value} characters"
        return f"has {self.min_value} to {self.max_value} characters"

    def good(self, value: pl.Expr) -> pl.Expr:
        """Return True between the bounds."""
        length = value.str.len_chars()
        return length.ge(self.least) if self.most is None else length.is_between(self.least, self.most)

    def accepts(self, value: Any) -> bool:
        """Whether the length lies between the bounds."""
        length = len(str(value))
        return self.least <= length and (self.most is None or length <= self.most)

    def sql(self) -> str:
        """Return the bounds; DuckDB's `length` counts code points."""
        length = f"length({identifier(self.column)})"
        return f"{length} >= {self.least}" + ("" if self.most is None else f" AND {length} <= {self.most}")

    @property
    def text(self) -> TextTerms:
        """The lengths."""
        return TextTerms(lengths=(self.least, self.most))

    def flaws(self, schema: Schema) -> Iterator[Flaw]:
        """Bounds that no text can keep, or that every text keeps."""
        yield from ValueRule.flaws(self, schema)
        bounds = (self.min_value, self.max_value, self.exact_value)
        if any(bound is not None and (isinstance(bound, bool) or not isinstance(bound, int)) for bound in bounds):
            yield Flaw(f"has the bounds {bounds}, which are no whole numbers.", "give whole numbers of characters.")
        elif all(bound is None for bound in bounds):
            yield Flaw("has no bound, so it cannot fail.", "give min_value, max_value or exact_value.")
        elif self.most is not None and self.most < max(self.least, 0):
            yield Flaw(f"wants {self.least} to {self.most} characters: no text can have.", "swap or widen the bounds.")
