"""One door to every file: what it is, how it is written, and its rows in batches within a memory limit.

The rows of a text are texts, so that a contract decides their types; those of other formats have the types they came
with. A record that is malformed is set aside beside its batch, with its line and the reason, and costs itself alone.
"""

import logging
import shutil
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import polars as pl

from platform_resources.errors import ConversionError
from platform_resources.readers import texts
from platform_resources.readers.archives import unpacked
from platform_resources.readers.avro import avro
from platform_resources.readers.columnar import arrow, parquet
from platform_resources.readers.csv_records import csv_blocks
from platform_resources.readers.detection import SAMPLE_BYTES, Format, container_of, text_format
from platform_resources.readers.dialect import Dialect, dialect_of, refuse_malformed_header
from platform_resources.readers.excel import NullTexts, SheetRows, read_sheet
from platform_resources.readers.fixed_width import fixed_width_blocks
from platform_resources.readers.json_records import frame_of, json_records, record_groups
from platform_resources.readers.rows import Rows
from platform_resources.scratch import scratch_folder

Lines = np.ndarray[tuple[int], np.dtype[np.int64]]
Content = Path | bytes | BinaryIO

_log = logging.getLogger(__name__)
_LOGGED_ROWS = 1_000_000
_SHARE = 32
"""The part of the memory limit that the rows of one batch may take: a caller types, judges and writes copies of it."""

_BATCH_BYTES = (1 << 20, 32 << 20)
_SHOWN = 1 << 16
"""Characters of a malformed record that are kept."""


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """What is known of a file better than its bytes tell.

    Attributes:
        encoding: Of a text. Without it a byte order mark or UTF-8 is taken, and nothing is guessed.
        guess_encoding: Whether a text that is not UTF-8 may be taken for the encoding that it looks like.
        delimiter: Between the fields of CSV; found out for None.
        header: Whether the first record of CSV names the columns; found out for None.
        sheet: Of a workbook; the first one for None.
        header_row: The row of a workbook that names the columns, counted from 1.
        widths: Of the columns of a text without delimiters, in characters; empty where it has some.
        malformed: The share of records that may be malformed before the file is refused, from 0 to 1; None refuses
            none for it. One record is always let pass unless the share is 0.
        null_values: Texts that mean null; here those of a workbook's error cells, such as `#N/A`, for all columns or by
            the sheet's name of a column. A row with any other error cell is malformed.
    """

    encoding: str | None = None
    guess_encoding: bool = False
    delimiter: str | None = None
    header: bool | None = True
    sheet: str | None = None
    header_row: int = 1
    widths: Sequence[int] = ()
    malformed: float | None = None
    null_values: NullTexts = ()


@dataclass(frozen=True)
class Malformed:
    """A record that is none.

    Attributes:
        line: The one it begins on, as an editor counts them from 1.
        reason: Why; never quotes the content, which may hold personal data.
        text: Its first 64 KiB as they stand.
        record: Its number among all records of the file, malformed ones included, from 1.
        line_word: What a person calls `line`; of a workbook the row.
    """

    line: int
    reason: str
    text: str
    record: int = 0
    line_word: str = "line"


@dataclass(frozen=True)
class Batch:
    """Some rows of a file.

    Attributes:
        frame: The rows; texts where the file is a text.
        lines: The line that each row begins on, as an editor counts them from 1; of other formats its number, from 1.
        records: The number of each row among all records of the file, malformed ones included, from 1.
        malformed: The records between them that were set aside, in order.
    """

    frame: pl.DataFrame
    lines: Lines
    records: Lines
    malformed: tuple[Malformed, ...] = ()


class Reading:
    """A file that is open to be read; a context manager, for it may have a folder of its own.

    Attributes:
        name: What errors call it.
        format: What it is.
        compression: Around it.
        encoding: Of a text.
        encoding_certain: False where the encoding is a guess.
        size_bytes: As it was given, packed or not.
        names: Its columns as far as they are known before the first batch.
    """

    def __init__(self, name: str, content: Content, options: ReadOptions, memory_bytes: int) -> None:
        """Find out what the file is.

        Raises:
            ConversionError: It is empty, damaged, or nothing that is known here.
        """
        self.name, self.options = name, options
        self._batch_bytes = min(max(memory_bytes // _SHARE, _BATCH_BYTES[0]), _BATCH_BYTES[1])
        self._set_aside = _SetAside()
        self._stack = ExitStack()
        self.encoding: str | None = None
        self.encoding_certain = True
        self.names: tuple[str, ...] = ()
        try:
            self._open(content)
        except BaseException:
            self._stack.close()
            raise

    def batches(self) -> Iterator[Batch]:
        """Yield the rows in the file's order, from the first on; may be called again.

        Raises:
            ConversionError: The file is damaged farther down, or more of its records are malformed than may be.
        """
        judge = self._refuse_too_many if self.options.malformed is not None else None
        self._set_aside = _SetAside(judge, "row" if self.format == "excel" else "line")
        rows, record, shown = 0, 1, 0
        for frame, lines in self._joined(self._pieces()):
            rows += frame.height
            self._set_aside.rows = rows
            malformed = self._set_aside.take(int(lines[-1]) if lines.size else 0)
            yield _batch(frame, lines, malformed, record)
            record += frame.height + len(malformed)
            if rows // _LOGGED_ROWS > shown:
                shown = rows // _LOGGED_ROWS
                _log.info(
                    "%s: %s rows read, %s records malformed", self.name, f"{rows:,}", f"{self._set_aside.count:,}"
                )
        self._refuse_too_many(rows)
        if malformed := self._set_aside.take():
            empty = pl.DataFrame(schema=dict.fromkeys(self.names, pl.String))
            yield _batch(empty, np.array([], dtype=np.int64), malformed, record)

    def close(self) -> None:
        """Remove what was unpacked."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _open(self, content: Content) -> None:
        scratch = self._stack.enter_context(scratch_folder())
        path = _on_disk(content, scratch)
        self.size_bytes = path.stat().st_size
        if not self.size_bytes:
            raise ConversionError(self.name, "the file is empty", fix="send it again")
        path, self.compression = unpacked(path, self.name, scratch)
        container = container_of(texts.head(path))
        self._pieces: Callable[[], Iterator[tuple[pl.DataFrame, Lines]]]
        if container is not None:
            self.format: Format = container
            self._pieces = self._open_typed(path, container)
        else:
            self._pieces = self._open_text(path, scratch)

    def _open_typed(self, path: Path, container: Format) -> Callable[[], Iterator[tuple[pl.DataFrame, Lines]]]:
        if container == "excel":
            options = self.options
            cells = read_sheet(path, self.name, options.sheet, options.header_row, null_texts=options.null_values)
            self.names = tuple(cells.frame.columns)
            return lambda: self._sheet(cells)
        rows = _READERS[container](path, self.name)
        self.names = tuple(rows.schema)
        return lambda: _numbered(rows.frames())

    def _sheet(self, cells: SheetRows) -> Iterator[tuple[pl.DataFrame, Lines]]:
        for row, reason, text in cells.refused():
            self._set_aside.add(row, reason, text)
        yield cells.frame, cells.lines

    def _open_text(self, path: Path, scratch: Path) -> Callable[[], Iterator[tuple[pl.DataFrame, Lines]]]:
        text = texts.open_text(
            path, scratch, name=self.name, encoding=self.options.encoding, guess=self.options.guess_encoding
        )
        self.encoding, self.encoding_certain = text.encoding, text.certain
        head = text.head
        self.format = text_format(head, self.name)
        if self.options.widths:
            self.format = "csv"
            return lambda: self._fixed_width(text.path)
        if self.format != "csv":
            return lambda: self._json(text.path, scratch)
        whole = text.path.stat().st_size <= SAMPLE_BYTES
        dialect = dialect_of(head, delimiter=self.options.delimiter, header=self.options.header, whole=whole)
        if dialect is None:
            raise ConversionError(self.name, "it holds no rows", fix="send it again")
        refuse_malformed_header(head, dialect, self.name)
        self.names = dialect.names
        return lambda: self._csv(text.path, dialect)

    def _csv(self, path: Path, dialect: Dialect) -> Iterator[tuple[pl.DataFrame, Lines]]:
        for block in csv_blocks(path, dialect, self._set_aside):
            yield block.frame, block.lines

    def _fixed_width(self, path: Path) -> Iterator[tuple[pl.DataFrame, Lines]]:
        header = self.options.header is not False
        for names, frame, lines in fixed_width_blocks(path, self.options.widths, self._set_aside, header=header):
            self.names = names
            yield frame, lines

    def _json(self, path: Path, scratch: Path) -> Iterator[tuple[pl.DataFrame, Lines]]:
        """Read the records once; all but the first rows wait on the disk, for later ones may bring more columns."""
        columns: dict[str, None] = {}
        parts = scratch / "json"
        shutil.rmtree(parts, ignore_errors=True)
        parts.mkdir()
        lines: list[Lines] = []
        for records in record_groups(json_records(path, self.name, self._set_aside)):
            keys = dict.fromkeys(key for record in records for key in record.value)
            columns.update(keys)
            frame = frame_of(records, keys)
            self._set_aside.rows += frame.height
            frame.write_ipc(parts / str(len(lines)))
            lines.append(np.array([record.line for record in records], dtype=np.int64))
        self.names = tuple(columns)
        for place, numbers in enumerate(lines):
            frame = pl.read_ipc(parts / str(place))
            missing = [pl.lit(None, pl.String).alias(name) for name in columns if name not in frame.columns]
            yield frame.with_columns(missing).select(*columns), numbers
            (parts / str(place)).unlink()

    def _joined(self, pieces: Iterator[tuple[pl.DataFrame, Lines]]) -> Iterator[tuple[pl.DataFrame, Lines]]:
        """Join small pieces, and cut large ones, to batches of about the size that the memory limit allows."""
        frames: list[pl.DataFrame] = []
        numbers: list[Lines] = []
        size = 0
        for frame, lines in pieces:
            bytes_ = int(frame.estimated_size())
            if frames and size + bytes_ > self._batch_bytes:
                yield pl.concat(frames), np.concatenate(numbers)
                frames, numbers, size = [], [], 0
            if bytes_ > self._batch_bytes:
                rows = max(frame.height * self._batch_bytes // bytes_, 1)
                for start in range(0, frame.height, rows):
                    yield frame[start : start + rows], lines[start : start + rows]
                continue
            frames, numbers, size = [*frames, frame], [*numbers, lines], size + bytes_
        if frames:
            yield pl.concat(frames), np.concatenate(numbers)

    def _refuse_too_many(self, rows: int) -> None:
        """Return where no more of the file's records are malformed than may be."""
        share, count = self.options.malformed, self._set_aside.count
        if share is None or count <= max(int(share * (rows + count)), 1 if share else 0):
            return
        first = self._set_aside.first
        raise ConversionError(
            self.name,
            f"{count:,} of {rows + count:,} records are malformed, "
            f"the first on {first.line_word} {first.line:,}: {first.reason}",
            fix="send the file again, or let more of it pass with a larger share of malformed records"
            + ", or declare errors of cells that mean null, null_values=('#N/A',)" * (self.format == "excel"),
        )


_PATIENCE = 10_000
"""Malformed records after which a file with fewer rows than these is not read to its end."""


def open_records(
    name: str, content: Content, options: ReadOptions | None = None, memory_bytes: int = 1 << 30
) -> Reading:
    r"""Open a file to read its rows: CSV, JSON, Parquet, Arrow, Avro or Excel, packed or not.

    >>> with open_records("a.csv", b"a;b\n1;2\n3\n") as reading:
    ...     (batch,) = reading.batches()
    >>> batch.frame.rows(), batch.lines.tolist(), [record.line for record in batch.malformed]
    ([('1', '2')], [2], [3])

    Args:
        name: What errors call it; of a text its ending may tell the format.
        content: A local path, the bytes, or something to read them from; the last two are copied to a scratch folder.
        options: What is known better than the bytes tell.
        memory_bytes: What the whole process may have; a batch takes a small part of it.

    Raises:
        ConversionError: It is empty, damaged, or nothing that is known here.
    """
    return Reading(name, content, options or ReadOptions(), memory_bytes)


class _SetAside:
    """Malformed records, by their lines, until a batch takes them."""

    def __init__(self, judge: Callable[[int], None] | None = None, line_word: str = "line") -> None:
        self.count = self.rows = 0
        self.first = Malformed(0, "", "")
        self._judge, self._line_word = judge, line_word
        self._records: list[Malformed] = []

    def add(self, line: int, reason: str, text: str) -> None:
        record = Malformed(line, reason, text[:_SHOWN], line_word=self._line_word)
        if not self.count or line < self.first.line:
            self.first = record
        self.count += 1
        self._records.append(record)
        if self._judge and self.count > _PATIENCE and self.count > self.rows:
            self._judge(self.rows)

    def take(self, last_line: int | None = None) -> list[Malformed]:
        """Take those that begin on this line or before it; all of them for None."""
        self._records.sort(key=lambda record: record.line)
        end = len(self._records)
        if last_line is not None:
            end = bisect_right(self._records, last_line, key=lambda record: record.line)
        ready, self._records = self._records[:end], self._records[end:]
        return ready


def _batch(frame: pl.DataFrame, lines: Lines, malformed: Sequence[Malformed], first: int) -> Batch:
    """Return number the rows, and the malformed records between them, in the order of their lines."""
    before = np.searchsorted([record.line for record in malformed], lines, side="right")
    records = first + np.arange(frame.height, dtype=np.int64) + before
    behind = np.searchsorted(lines, [record.line for record in malformed], side="left")
    numbered = [
        replace(record, record=int(first + place + rows))
        for place, (record, rows) in enumerate(zip(malformed, behind, strict=True))
    ]
    return Batch(frame, lines, records, tuple(numbered))


def _on_disk(content: Content, scratch: Path) -> Path:
    if isinstance(content, Path):
        return content
    path = scratch / "content"
    with path.open("wb") as out:
        if isinstance(content, bytes):
            out.write(content)
        else:
            shutil.copyfileobj(content, out, 1 << 20)
    return path


def _numbered(frames: Iterator[pl.DataFrame]) -> Iterator[tuple[pl.DataFrame, Lines]]:
    first = 1
    for frame in frames:
        yield frame, np.arange(first, first + frame.height, dtype=np.int64)
        first += frame.height


_READERS: Mapping[Format, Callable[[Path, str], Rows]] = {"parquet": parquet, "arrow": arrow, "avro": avro}
