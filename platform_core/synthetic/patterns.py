"""Text from regular expressions: the part of the syntax that data contracts use, drawn a column at a time.

Literals, classes, groups, alternation, repeats and anchors at the ends. Look-around and back-references are refused;
the judge cannot run them either.
"""

import itertools
import re
import string
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from re import _constants, _parser  # type: ignore[attr-defined]  # the standard library's own reading of a pattern
from typing import Any

import numpy as np
import polars as pl

_TABLE = 4096
"""Up to this many texts a part is listed once and drawn by one gather, 5 times faster than a character at a time."""

_LONGER = 6
"""How far an unbounded repeat goes beyond its least count."""

_PRINTABLE = string.ascii_letters + string.digits + " -_.,:;/+*()'"
_SETS: Mapping[Any, str] = {
    _constants.CATEGORY_DIGIT: string.digits,
    _constants.CATEGORY_SPACE: " ",
    _constants.CATEGORY_WORD: string.ascii_letters + string.digits + "_",
}
_UNSETS: Mapping[Any, str] = {
    _constants.CATEGORY_NOT_DIGIT: string.digits,
    _constants.CATEGORY_NOT_SPACE: string.whitespace,
    _constants.CATEGORY_NOT_WORD: string.ascii_letters + string.digits + "_",
}


class UnreadablePatternError(ValueError):
    """A pattern with a part that cannot be drawn."""


class Part(ABC):
    """A part of a pattern."""

    @property
    @abstractmethod
    def size(self) -> int:
        """How many texts it has at most; ambiguous patterns count a text twice."""

    @abstractmethod
    def every(self) -> Iterator[str]:
        """All texts."""

    @abstractmethod
    def _draw(self, rng: np.random.Generator, rows: int) -> pl.Series: ...

    @cached_property
    def _table(self) -> pl.Series | None:
        return pl.Series(list(self.every()), dtype=pl.String) if self.size <= _TABLE else None

    def draw(self, rng: np.random.Generator, rows: int) -> pl.Series:
        """Texts drawn independently."""
        if self._table is None:
            return self._draw(rng, rows)
        return self._table.gather(rng.integers(0, self._table.len(), rows, dtype=np.uint32))


@dataclass(frozen=True)
class Chars(Part):
    """One of some characters; a literal is a class of one."""

    chars: str

    @property
    def size(self) -> int:
        """The number of characters."""
        return len(self.chars)

    def every(self) -> Iterator[str]:
        """Each character."""
        return iter(self.chars)

    def _draw(self, rng: np.random.Generator, rows: int) -> pl.Series:
        return pl.Series(list(self.chars), dtype=pl.String).gather(rng.integers(0, self.size, rows))


@dataclass(frozen=True)
class Sequence(Part):
    """Parts one after another."""

    parts: tuple[Part, ...]

    @cached_property
    def size(self) -> int:
        """The product of the parts' sizes."""
        return int(np.prod([part.size for part in self.parts], dtype=object)) if self.parts else 1

    def every(self) -> Iterator[str]:
        """Each combination."""
        return ("".join(texts) for texts in itertools.product(*(tuple(part.every()) for part in self.parts)))

    def _draw(self, rng: np.random.Generator, rows: int) -> pl.Series:
        return joined([part.draw(rng, rows) for part in self._bundled()])

    def _bundled(self) -> Iterator[Part]:
        """Yield the parts, neighbours put together while their texts still fit a table."""
        bundle: tuple[Part, ...] = ()
        for part in self.parts:
            if bundle and Sequence((*bundle, part)).size > _TABLE:
                yield Sequence(bundle) if len(bundle) > 1 else bundle[0]
                bundle = ()
            bundle = (*bundle, part)
        if bundle:
            yield Sequence(bundle) if len(bundle) > 1 else bundle[0]


@dataclass(frozen=True)
class Either(Part):
    """One of several parts."""

    parts: tuple[Part, ...]

    @cached_property
    def size(self) -> int:
        """The sum of the parts' sizes."""
        return sum(part.size for part in self.parts)

    def every(self) -> Iterator[str]:
        """Return the texts of each part."""
        return itertools.chain.from_iterable(part.every() for part in self.parts)

    def _draw(self, rng: np.random.Generator, rows: int) -> pl.Series:
        chosen = pl.Series(rng.integers(0, len(self.parts), rows))
        drawn = [part.draw(rng, rows) for part in self.parts]
        return pl.select(
            pl.coalesce(pl.when(chosen == index).then(texts) for index, texts in enumerate(drawn))
        ).to_series()


def repeated(part: Part, least: int, most: int) -> Part:
    """Return a part from `least` to `most` times, both closed."""
    always = (part,) * least
    if most == least:
        return Sequence(always)
    lengths = tuple(Sequence((part,) * count) for count in range(most - least + 1))
    return Sequence((*always, Either(lengths)))


def joined(parts: list[pl.Series]) -> pl.Series:
    """Return the texts of several series, row by row, as one."""
    return parts[0] if len(parts) == 1 else pl.select(pl.concat_str(parts)).to_series()


@dataclass(frozen=True)
class Pattern:
    """A pattern that can be drawn.

    Attributes:
        body: What is drawn.
        open_start: Whether any text may stand before.
        open_end: Whether any text may follow.
    """

    body: Part
    open_start: bool
    open_end: bool


def pattern_of(regex: str) -> Pattern:
    """Return a drawable pattern.

    Raises:
        UnreadablePatternError: With the part that cannot be drawn.
    """
    try:
        items = list(_parser.parse(regex.replace(r"\z", r"\Z")))
    except re.error as error:
        raise UnreadablePatternError(f"{regex!r}: {error}") from error
    starts = bool(items) and items[0] in (_START, _START_STRING)
    ends = bool(items) and items[-1] in (_END, _END_STRING)
    return Pattern(_sequence(items), not starts, not ends)


_START = (_constants.AT, _constants.AT_BEGINNING)
_START_STRING = (_constants.AT, _constants.AT_BEGINNING_STRING)
_END = (_constants.AT, _constants.AT_END)
_END_STRING = (_constants.AT, _constants.AT_END_STRING)


def _sequence(items: Any) -> Part:
    parts = tuple(_part(code, value) for code, value in items if code is not _constants.AT)
    return parts[0] if len(parts) == 1 else Sequence(parts)


def _part(code: Any, value: Any) -> Part:
    if code not in _READERS:
        raise UnreadablePatternError(f"{str(code).lower()} has no text of its own.")
    return _READERS[code](value)


def _class(items: Any) -> Part:
    negated = bool(items) and items[0][0] is _constants.NEGATE
    chars = "".join(dict.fromkeys(itertools.chain.from_iterable(_members(*item) for item in items)))
    return Chars("".join(char for char in _PRINTABLE if char not in chars) if negated else chars)


def _members(code: Any, value: Any) -> str:
    if code is _constants.LITERAL:
        return chr(value)
    if code is _constants.RANGE:
        return "".join(map(chr, range(value[0], min(value[1], value[0] + 255) + 1)))
    if code is _constants.CATEGORY:
        known = _SETS.get(value)
        return known if known is not None else "".join(char for char in _PRINTABLE if char not in _UNSETS[value])
    return ""


def _repeat(value: Any) -> Part:
    least, most, items = value
    return repeated(_sequence(items), least, min(most, max(least + _LONGER, 1)) if most > least + 64 else most)


_READERS: Mapping[Any, Callable[[Any], Part]] = {
    _constants.LITERAL: lambda value: Chars(chr(value)),
    _constants.NOT_LITERAL: lambda value: Chars(_PRINTABLE.replace(chr(value), "")),
    _constants.ANY: lambda _: Chars(string.ascii_letters + string.digits),
    _constants.IN: _class,
    _constants.BRANCH: lambda value: Either(tuple(_sequence(items) for items in value[1])),
    _constants.SUBPATTERN: lambda value: _sequence(value[3]),
    _constants.MAX_REPEAT: _repeat,
    _constants.MIN_REPEAT: _repeat,
    _constants.POSSESSIVE_REPEAT: _repeat,
    _constants.ATOMIC_GROUP: _sequence,
}
