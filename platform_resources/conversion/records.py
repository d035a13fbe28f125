"""CSV read with care: every record knows the line it begins on, and a malformed one costs itself alone.

A block without a quote is judged by counting, and parsed at once. Where quotes or mistakes are, records are found line
by line: a quote left open costs its own line, not the rest of the file.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from platform_resources.conversion.dialect import Dialect
from platform_resources.conversion.rejects import Rejects

_BLOCK = 4 << 20
_LONGEST = 64 << 20
"""Bytes that a record in quotes may span; a quote that nothing closes within them was left open."""

Lines = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True)
class Block:
    """Well-formed records as texts, and the line, from 1, that each of them begins on."""

    frame: pl.DataFrame
    lines: Lines


def csv_blocks(path: Path, dialect: Dialect, rejects: Rejects) -> Iterator[Block]:
    """The records of a CSV file in UTF-8, in order; those that are malformed go to `rejects`."""
    reader = _Reader(dialect, rejects)
    line, carried = 1, b""
    with path.open("rb") as source:
        while True:
            read = source.read(_BLOCK)
            block, carried = _cut(carried + read, last=not read)
            if block:
                found, rest = reader.take(block, line, last=not read)
                line += block.count(b"\n", 0, len(block) - len(rest))
                carried = rest + carried
                yield from found
            if not read:
                return


def json_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that are not blank, each with its number from 1."""
    with path.open("rb") as source:
        for number, line in enumerate(source, start=1):
            if line.strip():
                yield number, line


def _cut(content: bytes, *, last: bool) -> tuple[bytes, bytes]:
    """The whole lines of a content, and the piece of one behind them."""
    if last:
        return content, b""
    end = content.rfind(b"\n") + 1
    return content[:end], content[end:]


class _Reader:
    """Turns blocks of whole lines into records."""

    def __init__(self, dialect: Dialect, rejects: Rejects) -> None:
        self.dialect, self.rejects = dialect, rejects
        self.width = len(dialect.names)
        self.quote, self.delimiter = dialect.quote.encode(), dialect.delimiter.encode()
        self.names_to_skip = dialect.header

    def take(self, block: bytes, line: int, *, last: bool) -> tuple[list[Block], bytes]:
        """The records of a block, and the lines at its end that another block has to complete."""
        if block.startswith(b"\xef\xbb\xbf") and line == 1:
            block = block[3:]
        if self.quote not in block and not self.names_to_skip and (plain := self._plain(block, line)) is not None:
            return [plain], b""
        return self._line_by_line(block, line, last=last)

    def _plain(self, block: bytes, line: int) -> Block | None:
        """All records of a block at once; None where a count says that they are not all well formed."""
        height = block.count(b"\n") + (not block.endswith(b"\n"))
        if len(self.delimiter) > 1 or block.count(self.delimiter) != height * (self.width - 1) or b"\r" in block:
            return None
        frame = self._parsed(block, quote=False)
        if frame is None or frame.height != height:
            return None
        return Block(frame, np.arange(line, line + height, dtype=np.int64))

    def _parsed(self, block: bytes, *, quote: bool) -> pl.DataFrame | None:
        try:
            return pl.read_csv(
                io.BytesIO(block), has_header=False, separator=self.dialect.delimiter, infer_schema=False,
                new_columns=list(self.dialect.names), quote_char=self.dialect.quote if quote else None,
                schema=dict.fromkeys(self.dialect.names, pl.String),
            )  # fmt: skip
        except (PolarsError, ValueError):  # not UTF-8, a record too long: its lines are looked at one by one
            return None

    def _line_by_line(self, block: bytes, first: int, *, last: bool) -> tuple[list[Block], bytes]:
        lines = block.splitlines(keepends=True) if b"\n" not in block else _kept(block)
        good: list[tuple[int, bytes, list[str]]] = []
        place = 0
        while place < len(lines):
            taken, record = self._record(lines, place, first + place, last=last)
            if taken == 0:
                break
            if record is not None:
                good.append((first + place, b"".join(lines[place : place + taken]), record))
            place += taken
        if self.names_to_skip and good:
            self.names_to_skip, good = False, good[1:]
        return ([self._assembled(good)] if good else []), b"".join(lines[place:])

    def _record(self, lines: list[bytes], place: int, line: int, *, last: bool) -> tuple[int, list[str] | None]:
        """How many lines a record takes, 0 where it is not complete yet; and its fields, None where it is refused."""
        taken, fields, reason = self._fields(lines, place, last=last)
        if taken == 0:
            return 0, None
        if reason == "" and fields is not None and len(fields) == self.width:
            return taken, fields
        if fields == []:
            return (taken, None) if self.width > 1 else (taken, [""])
        if reason == "" and fields is not None:
            reason = f"{len(fields)} fields, and there are {self.width} columns"
        self.rejects.add(line, reason, lines[place].decode("utf-8", "backslashreplace").rstrip("\r\n"))
        return 1, None

    def _fields(self, lines: list[bytes], place: int, *, last: bool) -> tuple[int, list[str] | None, str]:
        size = 0
        for end in range(place + 1, len(lines) + 1):  # by place, for a copy of what is left would cost a block's square
            taken, line = end - place, lines[end - 1]
            size += len(line)
            if taken > 1 and self.quote not in line and size <= _LONGEST:
                continue
            try:
                return taken, self._split(b"".join(lines[place:end])), ""
            except UnicodeDecodeError as error:
                return 1, None, f"not UTF-8 at byte {error.start + 1} of the row"
            except csv.Error as error:
                if "end of data" not in str(error):
                    return 1, None, "a quote stands where none may"
            if size > _LONGEST:
                break
        return (1, None, "a quote is left open") if last or size > _LONGEST else (0, None, "")

    def _split(self, text: bytes) -> list[str]:
        decoded = text.decode("utf-8")
        if self.dialect.quote not in decoded:
            bare = decoded.rstrip("\r\n")
            return bare.split(self.dialect.delimiter) if bare else []
        csv.field_size_limit(max(csv.field_size_limit(), len(decoded)))
        options = {"delimiter": self.dialect.delimiter, "quotechar": self.dialect.quote, "strict": True}
        records = list(csv.reader(io.StringIO(decoded, newline=""), **options))  # type: ignore[arg-type]  # a dialect
        return records[0] if records else []

    def _assembled(self, good: list[tuple[int, bytes, list[str]]]) -> Block:
        """Records as a frame: Polars tells a quoted empty field from a missing one, which the csv module does not."""
        raw = b"".join(content.rstrip(b"\r\n") + b"\n" for _, content, _ in good)
        frame = self._parsed(raw, quote=True) if len(self.delimiter) == 1 else None
        if frame is None or frame.height != len(good):
            rows = [[value or None for value in record] for _, _, record in good]
            frame = pl.DataFrame(rows, schema=dict.fromkeys(self.dialect.names, pl.String), orient="row")
        return Block(frame, np.array([line for line, _, _ in good], dtype=np.int64))


def _kept(block: bytes) -> list[bytes]:
    """The lines of a block with their ends."""
    lines = [line + b"\n" for line in block.split(b"\n")]
    tail = lines.pop()[:-1]
    return [*lines, tail] if tail else lines
