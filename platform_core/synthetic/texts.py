"""Candidate texts for a column: guesses by what its rules say, each to be tried against the rules themselves."""

import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from platform_core.contracts.columns import Column
from platform_core.contracts.rules import RowRule
from platform_core.synthetic.lines import Intervals, Line, between, everything
from platform_core.synthetic.patterns import Pattern, joined, pattern_of
from platform_core.synthetic.vocabulary import PERSONAL, Texts, many_words, some, words

_LENGTHS = Line(pl.Int64(), 0, 10_000)
_FILLING = tuple(string.ascii_lowercase)
_EXTRA = 24
"""How many characters an open length goes beyond its least."""


@dataclass(frozen=True)
class Shape:
    """What the text rules of a column ask for, read once.

    Attributes:
        pattern: The expression the text starts with or contains.
        prefix: How it starts.
        suffix: How it ends.
        lengths: How many characters it may have.
        sized: Whether any rule speaks of length.
    """

    pattern: Pattern | None
    prefix: str
    suffix: str
    lengths: Intervals
    sized: bool

    def fitted(self, rng: np.random.Generator, core: pl.Series) -> pl.Series:
        """The core between prefix and suffix, filled up to an allowed length where the pattern leaves room."""
        body = joined([pl.Series([self.prefix]), core])
        if not self.sized or not (self.pattern is None or self.pattern.open_end or self.pattern.open_start):
            return joined([body, pl.Series([self.suffix])])
        wanted = self.lengths.draw(rng, core.len()) - len(self.suffix)
        if self.pattern is None:
            body = pl.select(pl.lit(body).str.slice(0, wanted.clip(lower_bound=len(self.prefix)))).to_series()
        missing = (wanted - body.str.len_chars().cast(pl.Int64)).clip(lower_bound=0)
        filling = _filling(rng, core.len(), missing)
        in_front = self.pattern is not None and not self.pattern.open_end
        return joined([*([filling, body] if in_front else [body, filling]), pl.Series([self.suffix])])


def _filling(rng: np.random.Generator, rows: int, lengths: pl.Series) -> pl.Series:
    longest = lengths.max() or 0
    assert isinstance(longest, int)  # noqa: S101 - for the type checker: lengths are whole
    if longest == 0:
        return pl.Series([""])
    full = joined([some(_FILLING, rng, rows) for _ in range(min(longest, _EXTRA))])
    repeats = -(-longest // _EXTRA)
    return pl.select(pl.concat_str([pl.lit(full)] * repeats).str.slice(0, lengths)).to_series()


def shape_of(rules: Sequence[RowRule], broken: RowRule | None) -> Shape:
    """The shape that `rules` ask for, with the lengths of a broken length rule turned round.

    Raises:
        UnreadablePatternError: A pattern cannot be drawn.
    """
    lengths = everything(_LENGTHS)
    sized = [rule for rule in (*rules, broken) if rule is not None and rule.kind == "length"]
    for rule in sized:
        lengths &= ~_lengths(rule) if rule is broken else _lengths(rule)
    patterns = [rule.parameters["pattern"] for kind in ("matches", "contains") for rule in rules if rule.kind == kind]
    pattern = pattern_of(_regex(patterns[0])) if patterns else None
    if pattern is not None and any(rule.kind == "matches" for rule in rules):
        pattern = replace(pattern, open_start=False)
    return Shape(
        pattern, _term(rules, "starts_with"), _term(rules, "ends_with"),
        lengths.plausible(0, _EXTRA) if lengths else lengths, bool(sized and lengths),
    )  # fmt: skip


def _regex(pattern: str | re.Pattern[str]) -> str:
    return pattern.pattern if isinstance(pattern, re.Pattern) else pattern


def _lengths(rule: RowRule) -> Intervals:
    terms = rule.parameters
    if terms.get("exact_value") is not None:
        return between(_LENGTHS, terms["exact_value"], terms["exact_value"])
    low, high = terms.get("min_value"), terms.get("max_value")
    return between(_LENGTHS, low or 0, _LENGTHS.greatest if high is None else high)


def _term(rules: Sequence[RowRule], kind: str) -> str:
    return next((str(rule.parameters["string"]) for rule in rules if rule.kind == kind), "")


def candidates(column: Column, rules: Sequence[RowRule], broken: RowRule | None, *, differing: bool) -> Iterator[Texts]:
    """Ways to draw texts, the most plausible first; `differing` asks for many different ones."""
    if column.pii is not None and column.pii in PERSONAL and broken is None:
        yield PERSONAL[column.pii]
    shape = shape_of(rules, broken)
    if shape.pattern is not None:
        body = shape.pattern.body
        yield body.draw
        yield lambda rng, rows: shape.fitted(rng, body.draw(rng, rows))
    plain = many_words if differing else words
    yield plain
    yield lambda rng, rows: shape.fitted(rng, plain(rng, rows))
    yield lambda rng, rows: shape.fitted(rng, pl.Series([""] * rows, dtype=pl.String))
    yield _odd


def _odd(rng: np.random.Generator, rows: int) -> pl.Series:
    """Texts no one expects: none at all, blanks, one character, capitals, a long one."""
    return some(("", " ", "~", "?!", "ODD ONE OUT", "0", "x" * 300), rng, rows)


def listed(rules: Sequence[RowRule], broken: RowRule | None) -> tuple[object, ...] | None:
    """The values that rules name, where they must be taken from a list; None where nothing is listed."""
    for rule in rules:
        if rule.kind == "isin":
            return tuple(rule.parameters["allowed_values"])
        if rule.kind == "eq":
            return (rule.parameters["value"],)
    if broken is not None and broken.kind == "notin":
        return tuple(broken.parameters["forbidden_values"])
    return (broken.parameters["value"],) if broken is not None and broken.kind == "ne" else None


def spelled(rules: Sequence[RowRule], limit: int) -> tuple[str, ...] | None:
    """Every text that the pattern spells, where it is closed at both ends and spells at most `limit`."""
    for rule in rules:
        if rule.kind == "matches":
            pattern = pattern_of(_regex(rule.parameters["pattern"]))
            if not pattern.open_end and pattern.body.size <= limit:
                return tuple(dict.fromkeys(pattern.body.every()))
    return None
