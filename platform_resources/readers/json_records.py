"""JSON as records: the elements of an array, or objects one behind another, each on a line or over several.

A line that is no JSON costs itself alone. An object that goes on over several lines is one record, also where its
neighbours stand on one line each; where nothing completes it, the line that begins it is set aside.
"""

import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import polars as pl

from platform_resources.readers.json_array import array_elements
from platform_resources.readers.numerals import survives
from platform_resources.readers.rejects import Rejected

_LONGEST = 64 << 20
"""Bytes that a record over several lines may span; a bracket that nothing closes within them was left open."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BREAKS = bytes.maketrans(b"\r\n", b"  ")
_GROUP = 20_000
_Line = tuple[int, bytes]


class Digits(str):
    """A number as it is written, because a double would lose some of its digits."""

    __slots__ = ()


@dataclass(frozen=True)
class JsonRecord:
    """A JSON object: the line, from 1, that it begins on, its bytes and its value."""

    line: int
    text: bytes
    value: dict[str, Any]

    def on_one_line(self) -> bytes:
        """Its bytes without a line break: outside of a text that is white space, and within one it is not allowed."""
        return self.text.strip().translate(_BREAKS)


def json_records(path: Path, name: str, rejects: Rejected) -> Iterator[JsonRecord]:
    """Yield the objects of a file in UTF-8, in order; what is no object goes to `rejects`.

    Raises:
        ConversionError: The file is an array that is not closed, or that something follows.
    """
    records = _from_array(path, name) if begins_array(path) else _from_lines(path)
    for line, text, value in records:
        if isinstance(value, _Refusal):
            rejects.add(line, value.reason, text.decode("utf-8", "backslashreplace").rstrip("\r\n"))
        elif not isinstance(value, dict):
            rejects.add(line, "no JSON object", text.decode("utf-8", "backslashreplace").rstrip("\r\n"))
        else:
            yield JsonRecord(line, text, value)


def record_groups(records: Iterator[JsonRecord]) -> Iterator[list[JsonRecord]]:
    """Yield the records, some thousand together."""
    group: list[JsonRecord] = []
    for record in records:
        group.append(record)
        if len(group) == _GROUP:
            yield group
            group = []
    if group:
        yield group


def frame_of(records: Sequence[JsonRecord], keys: Iterable[str]) -> pl.DataFrame:
    """Make text columns of records; a key that a record lacks is null."""
    columns = {key: [as_text(record.value.get(key)) for record in records] for key in keys}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def begins_array(path: Path) -> bool:
    """Tell whether the first character of a file opens an array."""
    with path.open("rb") as source:
        return source.read(4096).removeprefix(_BYTE_ORDER_MARK).lstrip()[:1] == b"["


def careful_float(text: str) -> "float | Digits":
    """Read a number as a double where that holds it, else keep it as it is written."""
    return float(text) if survives(text) else Digits(text)


def as_text(value: object) -> str | None:
    """Write a JSON value as a text: a text as it is, null as null, everything else as JSON."""
    if value is None or isinstance(value, str):
        return value
    kind = type(value)
    if kind is int or (kind is float and isfinite(value)):  # type: ignore[arg-type]  # a float
        return repr(value)  # as json.dumps does, in a tenth of its time
    return digits_kept(value) if _has_digits(value) else json.dumps(value, ensure_ascii=False)


def digits_kept(value: object) -> str:
    """Write a value as JSON, its numbers as they were written."""
    if isinstance(value, Digits):
        return str(value)
    if isinstance(value, dict):
        return (
            "{"
            + ",".join(f"{json.dumps(name, ensure_ascii=False)}:{digits_kept(inner)}" for name, inner in value.items())
            + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(map(digits_kept, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its pairs.

    Raises:
        ValueError: A key is there twice.
    """
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key is there twice")
    return value


@dataclass(frozen=True)
class _Refusal:
    """Why a text is no record; `open_ended` where more text might complete it."""

    reason: str
    open_ended: bool = False


def _from_array(path: Path, name: str) -> Iterator[tuple[int, bytes, object]]:
    for line, element in array_elements(path, name):
        values = _values(element)
        yield line, element, values if isinstance(values, _Refusal) else values[0]


def _from_lines(path: Path) -> Iterator[tuple[int, bytes, object]]:
    with path.open("rb") as source:
        lines = _Lines(source)
        for number, line in lines:
            text = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
            if not text.strip():
                continue
            values = _values(text)
            if isinstance(values, _Refusal) and values.open_ended:
                text, values = _continued(text, values, lines)
            if isinstance(values, _Refusal):
                yield number, text, values
            elif len(values) == 1:
                yield number, text, values[0]
            else:
                yield from ((number, digits_kept(value).encode(), value) for value in values)


class _Lines:
    """The lines of a file with their numbers; those that were read in vain can be given back."""

    def __init__(self, source: Any) -> None:
        self._source = enumerate(source, start=1)
        self._returned: deque[_Line] = deque()

    def __iter__(self) -> Iterator[_Line]:
        return self

    def __next__(self) -> _Line:
        return self._returned.popleft() if self._returned else next(self._source)

    def give_back(self, lines: list[_Line]) -> None:
        self._returned.extendleft(reversed(lines))


def _continued(first: bytes, refusal: _Refusal, lines: _Lines) -> tuple[bytes, "list[object] | _Refusal"]:
    """Read on until the record is whole; else the lines behind its first are given back.

    It is parsed anew where its brackets are closed and at each doubling of its lines, so that a long record is not
    parsed once a line, and a mistake is seen early.
    """
    more: list[_Line] = []
    text = bytearray(first)
    depth, next_try = _depth(first), 1
    for line in lines:
        more.append(line)
        text += line[1]
        depth += _depth(line[1])
        if depth > 0 and len(more) < next_try:
            continue
        next_try = max(next_try, 2 * len(more))
        values = _values(bytes(text))
        if not isinstance(values, _Refusal):
            return bytes(text), values
        if not values.open_ended or len(text) > _LONGEST:
            break
    lines.give_back(more)
    return first, refusal


def _depth(line: bytes) -> int:
    """Count the brackets that a line opens and does not close; those within texts count too, which costs a parse."""
    return line.count(b"{") + line.count(b"[") - line.count(b"}") - line.count(b"]")


_decoder = json.JSONDecoder(object_pairs_hook=without_repetition, parse_float=careful_float)


def _values(text: bytes) -> "list[object] | _Refusal":
    """Read the values that stand in a text one behind another."""
    try:
        characters = text.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        return _Refusal(f"not UTF-8 at byte {error.start + 1} of the line")
    values: list[object] = []
    place = 0
    try:
        while place < len(characters):
            value, place = _decoder.raw_decode(characters, place)
            values.append(value)
            if place < len(characters) and not (isinstance(value, dict) and characters[place:].lstrip()[:1] == "{"):
                place += len(characters[place:]) - len(characters[place:].lstrip())
                return _Refusal(f"no JSON at character {place + 1}")
            place += len(characters[place:]) - len(characters[place:].lstrip())
    except json.JSONDecodeError as error:
        return _Refusal(f"no JSON at character {error.pos + 1}", open_ended=error.pos >= len(characters))
    except RecursionError:
        return _Refusal("nested too deeply")
    except ValueError as error:
        return _Refusal(str(error))
    if "\\u" in characters and not _has_whole_characters(values):
        return _Refusal("half of a character")
    return values


def _has_whole_characters(values: list[object]) -> bool:
    """Tell whether no escape is half of a character, which UTF-8 cannot hold."""
    try:
        json.dumps(values, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _has_digits(value: object) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, Digits) or any(map(_has_digits, inner))
