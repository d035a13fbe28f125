"""The elements of a JSON array as lines, however long the array is: only the element at hand is in memory.

DuckDB's own reader holds an array of 80 MB in more than a gigabyte. Here the file is cut where its outermost commas
stand and nothing is parsed; whether an element is JSON is found out by whoever reads its line.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from platform_resources.errors import ConversionError

_BLOCK = 4 << 20
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
TOKEN = re.compile(
    rb'\{[^{}\[\]"]*+(?:' + _STRING + rb'[^{}\[\]"]*+)*+\}'  # an object with no other inside, in one step
    rb"|" + _STRING + rb'|["\[\]{},]',
    re.DOTALL,
)
_DEEPER, _HIGHER = (b"[", b"{"), (b"]", b"}")
_BREAKS = bytes.maketrans(b"\r\n", b"  ")
"""A line break outside of a text is white space, and inside of one it is not allowed."""


def array_elements(path: Path, name: str) -> Iterator[tuple[int, bytes]]:
    """Yield each element of the array in a file in UTF-8, with the line, from 1, that it begins on.

    Raises:
        ConversionError: The array is not closed, an element is empty, or something follows the array.
    """
    with path.open("rb") as source:
        yield from _elements(source, name)


def array_to_lines(path: Path, target: Path, name: str) -> None:
    """Write each element of the array in `path` as a line of `target`; both are in UTF-8.

    Raises:
        ConversionError: The array is not closed, an element is empty, or something follows the array.
    """
    with target.open("wb") as lines:
        for _, element in array_elements(path, name):
            lines.write(element.translate(_BREAKS))
            lines.write(b"\n")


def _elements(source: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    """Yield the elements, in order. What is held begins within the array, between two elements."""
    (line, buffer), first = _opened(source), True
    while True:
        ends, closed = _commas(buffer)
        begin = 0
        for end in ends if closed is None else [*ends, closed]:
            element = buffer[begin:end].lstrip()
            line += buffer.count(b"\n", begin, end - len(element))
            if element:
                yield line, element.rstrip()
            elif not (first and end == closed):
                raise _not_json(name, "an element is empty")
            line += element.count(b"\n")
            first, begin = False, end + 1
        buffer = buffer[begin:]
        if closed is not None:
            _refuse_more(buffer, source, name)
            return
        more = source.read(max(_BLOCK, len(buffer)))  # twice as much each time, for an element longer than a block
        if not more:
            raise _not_json(name, "the array is not closed")
        buffer += more


def _refuse_more(behind: bytes, source: BinaryIO, name: str) -> None:
    while not behind.strip():
        behind = source.read(_BLOCK)
        if not behind:
            return
    raise _not_json(name, "something follows the array")


def _opened(source: BinaryIO) -> tuple[int, bytes]:
    """Return the line of the opening bracket, and the first bytes behind it."""
    line, buffer = 1, b" "
    while buffer.isspace():
        buffer = source.read(_BLOCK).removeprefix(b"\xef\xbb\xbf")
        inside = buffer.lstrip()
        line += buffer.count(b"\n", 0, len(buffer) - len(inside))
    return line, inside[1:]


def _commas(buffer: bytes) -> tuple[list[int], int | None]:
    """Return the places of the outermost commas.

    And of the bracket that closes the array if it is among what is held.
    """
    depth = 0
    ends: list[int] = []
    for token in TOKEN.finditer(buffer):
        word = token.group() if token.end() == token.start() + 1 else b""
        if word == b'"':  # a text that goes on in the next block
            break
        if word in _DEEPER:
            depth += 1
        elif word in _HIGHER:
            if not depth:
                return ends, token.start()
            depth -= 1
        elif word == b"," and not depth:
            ends.append(token.start())
    return ends, None


def _not_json(name: str, reason: str) -> ConversionError:
    return ConversionError(name, f"is no JSON: {reason}", fix="send it whole, or one object a line")
