"""Frames as files that are mapped, not read: uncompressed Arrow IPC files, one after the other.

    piece, padding, piece, padding … index (JSON: begin, length and rows of each piece), its length, a mark

Every piece begins where its buffers come to lie on 64 bytes. Arrow's own file writer aligns to 8, and Polars copies a
decimal column that is not on 16: 34 ms instead of 0.1 for 6 M rows with four of them. Polars writes a file of one batch
with a third of the CPU of a stream.
"""

import json
import struct
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import pyarrow as pa

_ALIGNED = 64
_ROWS = 1 << 18  # a piece is built in memory, and more rows at once cost more CPU, for new pages
_MARK = b"PLATSEG2"
_END = struct.Struct("<Q8s")


_WRONG = (pl.exceptions.PolarsError, struct.error, ValueError, TypeError, LookupError, OSError)
"""What is raised at bytes that went wrong, beside Arrow's own errors."""


class DamagedSegment(ValueError):
    """A file is no segment, or not a whole one."""


class SegmentWriter:
    """Writes frames of one schema to the end of a file.

    How far into a piece its first buffer lies is learned from the piece before; one that comes to lie wrong, as the
    first may, is written again.
    """

    def __init__(self, file: FileIO) -> None:
        self._file, self._ahead = file, 0
        self._pieces: list[tuple[int, int, int]] = []

    def append(self, frame: pl.DataFrame) -> None:
        """Returns when the frame is written; Polars leaves out what a slice does not use of its strings."""
        whole = frame.rechunk()
        for piece in whole.iter_slices(_ROWS) if whole.height else [whole]:
            self._write(piece)

    def _write(self, piece: pl.DataFrame) -> None:
        end = self._file.tell()
        for _ in range(2):
            begin = end + -(end + self._ahead) % _ALIGNED
            self._file.truncate(begin)
            self._file.seek(begin)
            piece.write_ipc(self._file, compression="uncompressed", record_batch_size=max(piece.height, 1))
            size = self._file.tell() - begin
            ahead = _first_buffer(self._file, begin, size)
            if ahead is None or ahead == self._ahead:
                break
            self._ahead = ahead
        self._pieces.append((begin, size, piece.height))

    def finish(self) -> None:
        """Returns when the index is written, without which the file is damaged."""
        index = json.dumps(self._pieces).encode()
        self._file.write(index + _END.pack(len(index), _MARK))


def open_segment(path: Path) -> pl.DataFrame:
    """Returns the frame; its columns are views of the file's pages, which the system reads when they are looked at.

    The file may be deleted meanwhile. No file handle stays open.

    Raises:
        DamagedSegment: the file is not what the writer wrote.
        FileNotFoundError: it is not there any more.
    """
    import pyarrow as pa

    with pa.memory_map(str(path)) as file:
        whole = file.read_buffer()
    try:
        return _frame([(_opened(whole, at, size), rows) for at, size, rows in _index(whole)])
    except (pa.ArrowException, *_WRONG) as error:
        raise DamagedSegment(f"{path.name}: {error}") from error


def _frame(pieces: "list[tuple[pa.RecordBatchFileReader, int]]") -> pl.DataFrame:
    """Returns the pieces as one frame, handed over as a stream of batches: a column at a time takes twice as long."""
    import pyarrow as pa

    batches: list[pa.RecordBatch] = []
    for piece, rows in pieces:
        found = _batches(piece)
        if sum(each.num_rows for each in found) != rows:
            raise ValueError("has another number of rows than its index says")
        batches += found
    return pl.DataFrame(pa.RecordBatchReader.from_batches(pieces[0][0].schema, batches))


def _batches(piece: "pa.RecordBatchFileReader") -> "list[pa.RecordBatch]":
    return [piece.get_batch(number) for number in range(piece.num_record_batches)]


def _opened(whole: "pa.Buffer", at: int, size: int) -> "pa.RecordBatchFileReader":
    import pyarrow as pa

    return pa.ipc.open_file(pa.BufferReader(whole.slice(at, size)))


def _index(whole: "pa.Buffer") -> list[tuple[int, int, int]]:
    view = memoryview(whole)
    length, mark = _END.unpack(view[-_END.size :])
    if mark != _MARK or length > view.nbytes - _END.size:
        raise ValueError("has no index")
    index: list[tuple[int, int, int]] = json.loads(bytes(view[-_END.size - length : -_END.size]))
    return index


def _first_buffer(file: FileIO, begin: int, size: int) -> int | None:
    """Returns how far into a piece its first buffer lies, modulo the alignment; None if it has none."""
    import pyarrow as pa

    with pa.memory_map(str(file.name)) as mapped:
        base = mapped.read_buffer()
    for batch in _batches(_opened(base, begin, size)):
        for column in batch.columns:
            for buffer in column.buffers():
                if buffer is not None and buffer.size:
                    return int(buffer.address - base.address - begin) % _ALIGNED
    return None
