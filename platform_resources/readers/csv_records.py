"""CSV read with care: every record knows the line it begins on, and a malformed one costs itself alone.

Records that are well formed by arithmetic (`framing`) are parsed together. Where a mistake is, a small piece is gone
through line by line: a quote left open costs its own line, not the rest of the file.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from platform_resources.errors import ConversionError
from platform_resources.readers.counting import FilledLines
from platform_resources.readers.csv_framing import framed
from platform_resources.readers.dialect import Dialect
from platform_resources.readers.rejects import Rejected

_BLOCK = 4 << 20
_PIECE = 16 << 10
"""Bytes that are gone through line by line at a mistake; what is looked at together then grows again by doubling."""

_LONGEST = 64 << 20
"""Bytes that a record in quotes may span; a quote that nothing closes within them was left open."""

Lines = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True)
class Block:
    """Well-formed records as texts, and the line, from 1, that each of them begins on."""

    frame: pl.DataFrame
    lines: Lines


@dataclass(frozen=True)
class Records:
    """Well-formed records, each with a line end, in one text or one by one, and the line that each begins on."""

    texts: Sequence[bytes]
    lines: Lines


def csv_blocks(path: Path, dialect: Dialect, rejects: Rejected) -> Iterator[Block]:
    """Yield the records of a CSV file in UTF-8, in order; those that are malformed go to `rejects`."""
    for csv_record in csv_records(path, dialect, rejects):
        yield Block(_parsed(csv_record, dialect), csv_record.lines)


def csv_records(path: Path, dialect: Dialect, rejects: Rejected) -> Iterator[Records]:
    """Yield the same records, not parsed.

    Raises:
        ConversionError: The lines of the records, of the header and of those set aside are not the lines of the file.
    """
    reader = _Reader(dialect, rejects)
    line, carried = 1, b""
    read_lines, accounted = FilledLines(), FilledLines()
    with path.open("rb") as source:
        while True:
            read = source.read(_BLOCK)
            read_lines.add(read)
            block, carried = _cut(carried + read, last=not read)
            if block:
                batches, rest = reader.take(block, line, last=not read)
                line += block.count(b"\n", 0, len(block) - len(rest))
                carried = rest + carried
                for records in batches:
                    for text in records.texts:
                        accounted.add(text)
                    yield records
            if not read:
                break
    lost = read_lines.count - accounted.count - reader.lines_aside
    if lost:
        raise ConversionError(
            path.name, f"{abs(lost):,} of its lines were neither read nor set aside", fix="report it; nothing is used"
        )


def _begin(block: bytes, size: int) -> bytes:
    """Return the whole lines that a block begins with, of about so many bytes."""
    return block[: block.find(b"\n", min(size, len(block)) - 1) + 1 or len(block)]


def _cut(content: bytes, *, last: bool) -> tuple[bytes, bytes]:
    """Return the whole lines of a content, and the piece of one behind them."""
    if last:
        return content, b""
    end = content.rfind(b"\n") + 1
    return content[:end], content[end:]


class _Reader:
    """Finds the records in blocks of whole lines."""

    def __init__(self, dialect: Dialect, rejects: Rejected) -> None:
        self.dialect, self.rejects = dialect, rejects
        self.width = len(dialect.names)
        self.quote, self.delimiter = dialect.quote.encode(), dialect.delimiter.encode()
        self.names_to_skip = dialect.header
        self.lines_aside = 0
        """Lines that are not blank and belong to the header, or to no record."""

        self._window = _BLOCK

    def take(self, block: bytes, line: int, *, last: bool) -> tuple[list[Records], bytes]:
        """Return the records of a block, and the lines at its end that another block has to complete."""
        if block.startswith(b"\xef\xbb\xbf") and line == 1:
            block = block[3:]
        if self.names_to_skip:
            header = self._header_bytes(block, line, last=last)
            if not header:
                return [], block
            line += block.count(b"\n", 0, header)
            names = FilledLines()
            names.add(block[:header])
            self.lines_aside += names.count
            block, self.names_to_skip = block[header:], False
        recordses: list[Records] = []
        while block:
            window = _begin(block, self._window)
            together, size = self._together(window, line)
            recordses += together
            if size == len(window):
                self._window = min(self._window * 2, _BLOCK)
            else:
                singly, more = self._singly(block[size:], line + block.count(b"\n", 0, size), last=last)
                recordses += singly
                if not more:
                    return recordses, block[size:]
                size += more
                self._window = _PIECE
            line += block.count(b"\n", 0, size)
            block = block[size:]
        return recordses, b""

    def _header_bytes(self, block: bytes, line: int, *, last: bool) -> int:
        """Return what the record that names the columns takes, with blank lines before it.

        0 where it is not complete.
        """
        lines = _lines_with_ends(block)
        blank = next((place for place, text in enumerate(lines) if text.strip(b"\r\n")), len(lines))
        if blank == len(lines):
            return len(block) if last else 0
        line_count, fields, reason = self._fields(lines, blank, last=last)
        if line_count and fields is None:
            self.rejects.add(line + blank, reason, lines[blank].decode("utf-8", "backslashreplace").rstrip("\r\n"))
        return sum(map(len, lines[: blank + line_count])) if line_count else 0

    def _together(self, window: bytes, line: int) -> tuple[list[Records], int]:
        """Return the well-formed records that a piece begins with, and the bytes they take."""
        if len(self.delimiter) > 1:
            return [], 0
        shape = framed(window, quote=self.quote, delimiter=self.delimiter, width=self.width)
        if not shape.text or not _is_text(shape.text):
            return [], 0
        return [Records([shape.text], shape.lines + line)], shape.size_bytes

    def _singly(self, block: bytes, line: int, *, last: bool) -> tuple[list[Records], int]:
        """Return the records that a block begins with, line by line, and the bytes they take.

        0 where one is not complete.
        """
        size = _PIECE
        while True:
            piece = _begin(block, size)
            whole = len(piece) == len(block)
            records, rest = self._line_by_line(piece, line, last=last and whole, one=size > _PIECE)
            if len(rest) < len(piece) or whole:
                return records, len(piece) - len(rest)
            size *= 4

    def _line_by_line(self, block: bytes, first: int, *, last: bool, one: bool) -> tuple[list[Records], bytes]:
        """Return the records of a piece, or the first alone: a piece that had to grow is large."""
        lines = block.splitlines(keepends=True) if b"\n" not in block else _lines_with_ends(block)
        good: list[tuple[int, bytes, list[str]]] = []
        place = 0
        while place < len(lines) and not (one and place):
            line_count, fields = self._record(lines, place, first + place, last=last)
            if line_count == 0:
                break
            if fields is not None:
                good.append(
                    (first + place, b"".join(lines[place : place + line_count]).rstrip(b"\r\n") + b"\n", fields)
                )
            place += line_count
        texts = self._sound([(text, fields) for _, text, fields in good])
        records = Records(texts, np.array([line for line, _, _ in good], dtype=np.int64))
        return [records] if good else [], b"".join(lines[place:])

    def _sound(self, records: Sequence[tuple[bytes, list[str]]]) -> list[bytes]:
        """Texts of records that every reader takes for the same: some go on at a quote, or end at a return, within."""
        texts = [text for text, _ in records]
        if len(self.delimiter) > 1 or self._is_framed(b"".join(texts)):
            return texts
        return [text if self._is_framed(text) else self._quoted(fields) for text, fields in records]

    def _is_framed(self, text: bytes) -> bool:
        return framed(text, quote=self.quote, delimiter=self.delimiter, width=self.width).size_bytes == len(text)

    def _quoted(self, fields: Sequence[str]) -> bytes:
        mark = self.dialect.quote
        values = (mark + field.replace(mark, mark * 2) + mark if field else "" for field in fields)
        return self.dialect.delimiter.join(values).encode() + b"\n"

    def _record(self, lines: list[bytes], place: int, line: int, *, last: bool) -> tuple[int, list[str] | None]:
        """How many lines a record takes, 0 where it is not complete yet; and its fields, None where it is refused."""
        line_count, fields, reason = self._fields(lines, place, last=last)
        if line_count == 0 or (fields is not None and len(fields) == self.width):
            return line_count, fields
        if fields == []:
            return line_count, [""] if self.width == 1 else None
        if fields is not None:
            reason = f"{len(fields)} fields, and there are {self.width} columns"
        self.lines_aside += 1
        self.rejects.add(line, reason, lines[place].decode("utf-8", "backslashreplace").rstrip("\r\n"))
        return 1, None

    def _fields(self, lines: list[bytes], place: int, *, last: bool) -> tuple[int, list[str] | None, str]:
        size = 0
        for end in range(place + 1, len(lines) + 1):  # by place, for a copy of what is left would cost a block's square
            line_count, line = end - place, lines[end - 1]
            size += len(line)
            if line_count > 1 and self.quote not in line and size <= _LONGEST:
                continue
            try:
                records = _split(b"".join(lines[place:end]).decode(), self.dialect)
                return (line_count, records[0], "") if len(records) == 1 else (1, None, "a line ends where none may")
            except UnicodeDecodeError as error:
                return 1, None, f"not UTF-8 at byte {error.start + 1} of the row"
            except csv.Error as error:
                if "end of data" not in str(error):
                    return 1, None, "a quote stands where none may"
            if size > _LONGEST:
                break
        return (1, None, "a quote is left open") if last or size > _LONGEST else (0, None, "")


def _split(text: str, dialect: Dialect) -> list[list[str]]:
    """Return the fields of each record; none of a line that is empty."""
    if dialect.quote not in text:
        bare = (line.rstrip("\r") for line in text.removesuffix("\n").split("\n"))
        return [line.split(dialect.delimiter) if line else [] for line in bare]
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    options = {"delimiter": dialect.delimiter, "quotechar": dialect.quote, "strict": True}
    return list(csv.reader(io.StringIO(text, newline=""), **options))  # type: ignore[arg-type]  # a dialect


def _parsed(records: Records, dialect: Dialect) -> pl.DataFrame:
    """Record as a frame of texts: Polars tells a quoted empty field from a missing one; the csv module does not."""
    frame = _by_polars(b"".join(records.texts), dialect) if len(dialect.delimiter.encode()) == 1 else None
    if frame is None or frame.height != len(records.lines):
        found = (record for text in records.texts for record in _split(text.decode(), dialect))
        rows = [[value or None for value in record or [""]] for record in found]
        frame = pl.DataFrame(rows, schema=dict.fromkeys(dialect.names, pl.String), orient="row")
    return frame


def _by_polars(text: bytes, dialect: Dialect) -> pl.DataFrame | None:
    try:
        return pl.read_csv(
            io.BytesIO(text), has_header=False, separator=dialect.delimiter, infer_schema=False,
            new_columns=list(dialect.names), quote_char=dialect.quote if dialect.quote.encode() in text else None,
            schema=dict.fromkeys(dialect.names, pl.String),
        )  # fmt: skip
    except (PolarsError, ValueError):  # a record that is too long for it
        return None


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _lines_with_ends(block: bytes) -> list[bytes]:
    """Return the lines of a block with their ends."""
    lines = [line + b"\n" for line in block.split(b"\n")]
    tail = lines.pop()[:-1]
    return [*lines, tail] if tail else lines
