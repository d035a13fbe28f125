"""Candidate texts for a column: guesses by what its rules say, each to be tried against the rules themselves."""

import string
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import polars as pl

from platform_core.contracts.columns import Column
from platform_core.rules import ValueRule
from platform_core.rules.intervals import Intervals, Line, between, everything
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
        """Return the core between prefix and suffix, filled up to an allowed length where the pattern leaves room."""
        body = joined([pl.Series([self.prefix]), core])
        if not self.sized or not (self.pattern is None or self.pattern.open_end or self.pattern.open_start):
            return joined([body, pl.Series([self.suffix])])
        lengths = self.lengths.draw(rng, core.len()) - len(self.suffix)
        if self.pattern is None:
            body = pl.select(pl.lit(body).str.slice(0, lengths.clip(lower_bound=len(self.prefix)))).to_series()
        missing = (lengths - body.str.len_chars().cast(pl.Int64)).clip(lower_bound=0)
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


def shape_of(rules: Sequence[ValueRule], broken: ValueRule | None) -> Shape:
    """Return the shape that `rules` ask for, with the lengths of a broken length rule turned round.

    Raises:
        UnreadablePatternError: A pattern cannot be drawn.
    """
    lengths = everything(_LENGTHS)
    sized = [rule for rule in (*rules, broken) if rule is not None and rule.text.lengths]
    for rule in sized:
        lengths &= ~_lengths(rule) if rule is broken else _lengths(rule)
    texts = sorted((rule.text for rule in rules if rule.text.pattern), key=lambda text: not text.anchored)
    pattern = pattern_of(str(texts[0].pattern)) if texts else None
    if pattern is not None and texts[0].anchored:
        pattern = replace(pattern, open_start=False)
    return Shape(
        pattern, _first(rule.text.prefix for rule in rules), _first(rule.text.suffix for rule in rules),
        lengths.plausible(0, _EXTRA) if lengths else lengths, bool(sized and lengths),
    )  # fmt: skip


def _lengths(rule: ValueRule) -> Intervals:
    least, most = rule.text.lengths or (0, None)
    return between(_LENGTHS, least, _LENGTHS.greatest if most is None else most)


def _first(texts: Iterable[str]) -> str:
    return next(filter(None, texts), "")


def candidates(
    column: Column, rules: Sequence[ValueRule], broken: ValueRule | None, *, differing: bool
) -> Iterator[Texts]:
    """Ways to draw texts, the most plausible first; `differing` asks for many different ones."""
    if column.pii is not None and column.pii in PERSONAL and broken is None:
        yield PERSONAL[column.pii]
    for rule in (*rules, *([] if broken is None else [broken])):
        texts = rule.texts(good=rule is not broken)
        if texts:
            yield partial(some, texts)
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


def listed(rules: Sequence[ValueRule], broken: ValueRule | None) -> tuple[object, ...] | None:
    """Return the values that rules name, where they must be taken from a list; None where nothing is listed."""
    named = next((rule.listed for rule in rules if rule.listed is not None), None)
    return named if named is not None or broken is None else broken.unlisted


def spelled(rules: Sequence[ValueRule], limit: int) -> tuple[str, ...] | None:
    """Every text that the pattern spells, where it is closed at both ends and spells at most `limit`."""
    for rule in rules:
        if rule.text.pattern and rule.text.anchored:
            pattern = pattern_of(rule.text.pattern)
            if not pattern.open_end and pattern.body.size <= limit:
                return tuple(dict.fromkeys(pattern.body.every()))
    return None
