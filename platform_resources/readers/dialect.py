"""How a CSV file is written: delimiter, quote, header, and types that its values can take without a loss.

Types are guessed carefully: a column is a number only if each sampled value is written as that number is. A zip code
`01234`, an account number of 20 digits and a date whose day might be its month stay texts.
"""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from platform_resources.errors import ConversionError
from platform_resources.readers.numerals import are_doubles

Guess = Literal["int", "float", "bool", "date", "datetime", "instant", "text"]

DTYPES: dict[Guess, pl.DataType] = {
    "int": pl.Int64(),
    "float": pl.Float64(),
    "bool": pl.Boolean(),
    "date": pl.Date(),
    "datetime": pl.Datetime("us"),
    "instant": pl.Datetime("us", "UTC"),
    "text": pl.String(),
}
_INT = r"^(0|-?[1-9][0-9]{0,17})$"
_FLOAT = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$|^(NaN|nan|-?inf)$"
_DAY = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
PATTERNS: dict[Guess, str] = {
    "int": _INT,
    "float": _FLOAT,
    "bool": r"^(true|false|True|False|TRUE|FALSE)$",
    "date": rf"^{_DAY}$",
    "datetime": rf"^{_DAY}{_CLOCK}$",
    "instant": rf"^{_DAY}{_CLOCK}(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)$",
}
WRITTEN = {
    "%Y-%m-%d %H:%M:%S": rf"{_DAY} [0-2][0-9]:[0-5][0-9]:[0-5][0-9]",
    "%Y-%m-%dT%H:%M:%S": rf"{_DAY}T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]",
    "%Y-%m-%d %H:%M:%S.%f": rf"{_DAY} [0-2][0-9]:[0-5][0-9]:[0-5][0-9]\.[0-9]{{6}}",
    "%Y-%m-%dT%H:%M:%S.%f": rf"{_DAY}T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\.[0-9]{{6}}",
}
"""Formats of datetimes, and what they look like."""

_DELIMITERS = (",", ";", "\t", "|", "\x1f", "\x01", "^", "~", ":", "¦", "§", "¬", "\uff0c", "·")
_HEADER_LINES = 10
"""Line breaks that a column's name may hold."""

_FIRST = 200
_GOOD = 0.9
_TYPED: tuple[Guess, ...] = ("int", "float", "bool", "date", "datetime", "instant")


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written, and the names of its columns."""

    delimiter: str
    quote: str
    names: tuple[str, ...]
    header: bool


def dialect_of(
    text: str, *, delimiter: str | None = None, header: bool | None = None, whole: bool = True
) -> Dialect | None:
    """Return the dialect of a text by its beginning; None where it holds no record.

    Args:
        text: The beginning.
        delimiter: The one that somebody knows.
        header: Whether the first record names the columns; found out for None.
        whole: Whether the text ends where the file ends; else its last record may be cut.
    """
    quote = _quote(text)
    candidates = (delimiter,) if delimiter else _DELIMITERS
    scored = [(candidate, records_of(text, candidate, quote, whole=whole)) for candidate in candidates]
    best = max(scored, key=lambda pair: _score(pair[1]))
    separator, records = best if delimiter or _score(best[1]) > 0 else (",", records_of(text, ",", quote, whole=whole))
    if not records:
        return None
    first, rest = records[0], records[1:]
    named = _is_header(first, rest) if header is None else header
    names = _fitted(first, rest) if named else [f"column_{place}" for place in range(1, _width(records) + 1)]
    return Dialect(separator, quote, tuple(unique_names(names)), named)


def ends_at_returns(text: str) -> bool:
    """Tell whether the lines of a text end with a carriage return alone, some of them or all, by its beginning.

    Where there are line feeds too, it may be part of a value: it ends lines if they then have as many fields each.
    """
    if "\r" not in text.replace("\r\n", ""):
        return False
    outside = "".join(text.split('"')[::2]).replace("\r\n", "\n")
    if "\r" not in outside:
        return False
    if "\n" not in outside:
        return True
    dialect = dialect_of(text, header=True, whole=False)
    if dialect is None or len(dialect.names) == 1:
        return False
    return {len(record) for record in records_of(text, dialect.delimiter, dialect.quote, whole=False)} == {
        len(dialect.names)
    }


def refuse_malformed_header(text: str, dialect: Dialect, name: str) -> None:
    """Return where the first record of a text names its columns and nothing in it can be read two ways.

    Raises:
        ConversionError: A quote stands where none may, is left open, or the header goes on over many lines.
    """
    if not dialect.header:
        return
    options = {"delimiter": dialect.delimiter, "quotechar": dialect.quote, "strict": True}
    reader = csv.reader(io.StringIO(text.lstrip("\ufeff\r\n"), newline=""), **options)  # type: ignore[arg-type]
    fix = "mend the header, or send the file without one and say so"
    try:
        header = next(reader)
    except csv.Error as error:
        problem = "a quote is left open" if "end of data" in str(error) else "a quote stands where none may"
        raise ConversionError(name, f"the header is malformed: {problem}", fix=fix) from None
    if any(cell.count("\n") > _HEADER_LINES for cell in header):
        raise ConversionError(name, "the header is malformed: a quote is left open", fix=fix)
    if any("\r" in cell.replace("\r\n", "") for cell in header) or _lone_return(text):
        raise ConversionError(name, "a carriage return without a line feed stands in the header", fix=fix)


def _lone_return(text: str) -> bool:
    """Tell whether the first line holds a carriage return before its end."""
    return "\r" in text.lstrip("\ufeff\r\n").partition("\n")[0].rstrip("\r")


def records_of(text: str, delimiter: str, quote: str, *, whole: bool, limit: int = _FIRST) -> list[list[str]]:
    """Return the first records of a text without blank lines; one that the text cuts off is left out."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quotechar=quote)
    records: list[list[str]] = []
    try:
        for record in reader:
            if record:
                records.append(record)
            if len(records) > limit:
                break
    except csv.Error:
        return records
    return records if whole or len(records) > limit else records[:-1] or records


def unique_names(names: Sequence[str]) -> list[str]:
    """Names without a repetition or an empty one: the second `a` is `a_2`, the nameless third is `column_3`.

    >>> unique_names(["a", "", "a"])
    ['a', 'column_2', 'a_2']
    """
    repeats: Counter[str] = Counter()
    used: set[str] = set()
    unique_ones = []
    for place, name in enumerate(names, start=1):
        base = name.strip().replace("\0", "") or f"column_{place}"
        unique = base
        while unique in used:
            repeats[base] += 1
            unique = f"{base}_{repeats[base] + 1}"
        used.add(unique)
        unique_ones.append(unique)
    return unique_ones


def guessed(values: pl.Series) -> Guess:
    """Return the narrowest type in which no value of a column of texts loses anything; `text` where there is none."""
    present = values.drop_nulls()
    if present.is_empty():
        return "text"
    for guess in _TYPED:
        if present.str.contains(PATTERNS[guess]).all() and (guess != "float" or are_doubles(present)):
            return guess
    return "text"


def _fitted(header: Sequence[str], rest: Sequence[Sequence[str]]) -> Sequence[str]:
    """Give the header as many names as its rows have fields, where one of the two ends with a delimiter too many."""
    widths = {len(record) for record in rest}
    if len(widths) != 1:
        return header
    (width,) = widths
    if width > len(header) and not any(value for record in rest for value in record[len(header) :]):
        return [*header, *[""] * (width - len(header))]
    if width < len(header) and not any(header[width:]):
        return header[:width]
    return header


def _quote(text: str) -> str:
    """Return the apostrophe where fields are quoted by it and none by the usual mark."""
    doubled = sum(text.count(mark) for mark in ('"\n', '",', ';"', '"\t', '|"', ',"', '\n"'))
    if doubled or text.startswith('"'):
        return '"'
    return "'" if sum(text.count(mark) for mark in ("',", ",'", ";'", "';", "|'", "\t'")) >= _FIRST // 50 else '"'


def _score(records: Sequence[Sequence[str]]) -> float:
    """How well a delimiter explains a text: the share of records of the usual width, above all for many columns."""
    widths = Counter(len(record) for record in records)
    if not widths:
        return 0
    width, count = max(widths.items(), key=lambda pair: (pair[1], pair[0]))
    agreed = count / len(records)
    if width == 1 or len(records[0]) == 1:
        return 0
    return agreed * agreed * (1 + min(width, 50) / 1000) if agreed > 0.5 else agreed / 10  # noqa: PLR2004 - a majority


def _width(records: Sequence[Sequence[str]]) -> int:
    return Counter(len(record) for record in records).most_common(1)[0][0]


def _is_header(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Whether the first record names the columns: not where it holds a number, day or instant as those below do."""
    if len(set(first)) < len(first) and rest:
        return not _looks_alike(first, rest)
    return not _looks_alike(first, rest)


def _looks_alike(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    for place, value in enumerate(first):
        kind = guessed(pl.Series([value], dtype=pl.String)) if value else "text"
        if kind == "text":
            continue
        below = [record[place] for record in rest if place < len(record) and record[place]]
        if not below or guessed(pl.Series(below, dtype=pl.String)) in {kind, "int", "float"}:
            return True
    return False
