"""Counts of what a file holds, from its bytes alone: by another way than the readers, so that these can be verified.

Nothing is parsed. A quote turns inside and outside round, a line feed outside ends a record, a bracket at no depth
begins a document.
"""

import re
from pathlib import Path

import numpy as np

from platform_resources.readers.dialect import Dialect
from platform_resources.readers.json_array import TOKEN

_BLOCK = 4 << 20
_LF, _CR = ord("\n"), ord("\r")
_BRACKET = re.compile(rb"[{\[]")


class FilledLines:
    """Counts the lines of a text that are not blank, whatever pieces it is given in."""

    def __init__(self) -> None:
        self._ended, self._open = 0, b""

    def add(self, piece: bytes) -> None:
        """Count the lines that end in a piece; the last one may go on in the next."""
        content = np.frombuffer(piece, dtype=np.uint8)
        ends = np.flatnonzero(content == _LF)
        if not ends.size:
            self._open = _blankness(self._open + piece[:2] if len(piece) <= 1 else b"xx")
            return
        lengths = np.diff(ends, prepend=-1) - 1
        lengths[0] += len(self._open)
        short = np.flatnonzero(lengths <= 1)
        blank = sum(
            not lengths[place] or (self._open if place == 0 and self._open else piece[ends[place] - 1 :])[:1] == b"\r"
            for place in short.tolist()
        )
        self._ended += int(ends.size) - blank
        self._open = _blankness(piece[int(ends[-1]) + 1 :])

    @property
    def count(self) -> int:
        """The lines so far, the one that is not ended included."""
        return self._ended + (self._open not in (b"", b"\r"))


def count_filled_lines(path: Path) -> int:
    """Count the lines of a file that are not blank."""
    lines = FilledLines()
    with path.open("rb") as source:
        while block := source.read(_BLOCK):
            lines.add(block)
    return lines.count


def count_csv_records(path: Path, dialect: Dialect) -> int:
    """Count the records of a CSV file without its header; a blank line is one where there is a single column."""
    quote = dialect.quote.encode()
    ends = blank = quotes = 0
    previous_end, place, last = -1, 0, b""
    with path.open("rb") as source:
        while block := source.read(_BLOCK):
            content = np.frombuffer(block, dtype=np.uint8)
            line_ends = np.flatnonzero(content == _LF)
            if quotes % 2 or quote in block:
                marks = np.flatnonzero(content == ord(quote))
                line_ends = line_ends[(np.searchsorted(marks, line_ends) + quotes) % 2 == 0]
                quotes += marks.size
            if line_ends.size:
                starts = np.append(previous_end + 1 - place, line_ends[:-1] + 1)
                heights = line_ends - starts
                returned = (heights == 1) & ((content[np.maximum(line_ends - 1, 0)] == _CR) | (line_ends == 0))
                blank += int(np.count_nonzero((heights == 0) | returned))
                ends += int(line_ends.size)
                previous_end = place + int(line_ends[-1])
            place, last = place + content.size, block[-2:]
    unended = place - 1 - previous_end
    ends += unended > 0 and not (unended == 1 and last.endswith(b"\r"))
    return ends - (blank if len(dialect.names) > 1 else 0) - (1 if dialect.header else 0)


def count_json_documents(path: Path) -> int:
    """Count the objects and arrays that stand one behind another in a JSON text."""
    depth = documents = 0
    rest = b""
    with path.open("rb") as source:
        while block := source.read(max(_BLOCK, len(rest))):
            content = rest + block
            rest = b""
            for token in TOKEN.finditer(content):
                word = token.group()
                if word == b'"':  # a text that goes on in the next block
                    rest = content[token.start() :]
                    break
                if _BRACKET.match(word):
                    documents += depth == 0
                    depth += len(word) == 1
                elif word in (b"}", b"]"):
                    depth -= 1
    return documents


def _blankness(line: bytes) -> bytes:
    """Shorten a line that is begun: all that matters of it is whether it is blank so far."""
    return line if len(line) <= 1 else b"xx"
