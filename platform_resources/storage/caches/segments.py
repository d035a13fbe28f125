"""Frames as files that are mapped, not read: uncompressed Arrow IPC files, one after the other.

    piece, padding, piece, padding … schema, index (JSON: the rows of each piece, and where its batch lies), the lengths
    of both, their checksum, a mark

Every piece begins where its buffers come to lie on 64 bytes. Arrow's own file writer aligns to 8, and Polars copies a
decimal column that is not on 16: 34 ms instead of 0.1 for 6 M rows with four of them. Polars writes a file of one batch
with a third of the CPU of a stream. All pieces have one schema, so no piece is opened as the file that it is: that
takes three times as long as its batch.
"""

import json
import struct
import zlib
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import pyarrow as pa

_ALIGNED = 64
_PIECE_BYTES = 128 << 20  # about: a piece is built in memory, and costs whoever opens it 20 µs for 16 columns
_MARK = b"PLATSEG3"
_END = struct.Struct("<QQI8s")
_TAIL, _BATCHES = struct.Struct("<i6s"), 3  # the end of an Arrow file, and the field of its footer with all batches

_WRONG = (pl.exceptions.PolarsError, struct.error, ValueError, TypeError, LookupError, OSError, EOFError)
"""What is raised at bytes that went wrong, beside Arrow's own errors."""


_Piece = tuple[int, int, int]


class DamagedSegment(ValueError):
    """A file is no segment, or not a whole one."""


class SegmentWriter:
    """Writes frames of one schema to the end of a file.

    How far into a piece its first buffer lies is learned from the piece before; one that comes to lie wrong, as the
    first may, is written again.
    """

    def __init__(self, file: FileIO, piece_bytes: int = _PIECE_BYTES) -> None:
        self._file, self._piece_bytes, self._ahead = file, piece_bytes, 0
        self._waiting, self._waiting_bytes = list[pl.DataFrame](), 0
        self._pieces: list[_Piece] = []
        self._schema = b""

    def append(self, frame: pl.DataFrame) -> None:
        """Write the frame, or let it wait for more; Polars leaves out what a slice lacks of its strings."""
        self._waiting.append(frame)
        self._waiting_bytes += int(frame.estimated_size())
        if self._waiting_bytes >= self._piece_bytes:
            self._flush()

    def _flush(self) -> None:
        whole = pl.concat(self._waiting, rechunk=True)
        rows = -(-whole.height // max(1, self._waiting_bytes // self._piece_bytes))
        self._waiting, self._waiting_bytes = [], 0
        for piece in whole.iter_slices(rows) if rows else [whole]:
            self._write(piece)

    def _write(self, piece: pl.DataFrame) -> None:
        end = self._file.tell()
        for _ in range(2):
            begin = end + -(end + self._ahead) % _ALIGNED
            self._file.truncate(begin)
            self._file.seek(begin)
            piece.write_ipc(self._file, compression="uncompressed", record_batch_size=max(piece.height, 1))
            size = self._file.tell() - begin
            self._schema, ahead, batch = _laid(self._file, begin, size)
            if ahead is None or ahead == self._ahead:
                break
            self._ahead = ahead
        self._pieces.append((piece.height, begin + batch, size - batch))

    def finish(self) -> None:
        """Write what waits, and the index, without which the file is damaged; needs a frame, maybe empty."""
        if not self._pieces or any(frame.height for frame in self._waiting):
            self._flush()
        tail = self._schema + (index := json.dumps(self._pieces).encode())
        self._file.write(tail + _END.pack(len(self._schema), len(index), zlib.crc32(tail), _MARK))


def open_segment(path: Path) -> pl.DataFrame:
    """Return the frame; its columns are views of the file's pages, which the system reads when they are looked at.

    The file may be deleted meanwhile. No file handle stays open.

    Raises:
        DamagedSegment: the file is not what the writer wrote.
        FileNotFoundError: it is not there any more.
    """
    import pyarrow as pa

    with pa.memory_map(str(path)) as file:
        whole = file.read_buffer()
    try:
        return _frame(whole)
    except (pa.ArrowException, *_WRONG) as error:
        raise DamagedSegment(f"{path.name}: {error}") from error


def _frame(whole: "pa.Buffer") -> pl.DataFrame:
    """Return the pieces as one frame, handed over as a stream of batches: a column at a time takes twice as long."""
    import pyarrow as pa

    schema, index = _tail(whole)
    batches: list[pa.RecordBatch] = []
    for rows, begin, size in index:
        if rows:
            batches.append(pa.ipc.read_record_batch(pa.ipc.read_message(whole.slice(begin, size)), schema))
            if batches[-1].num_rows != rows:
                raise ValueError("has another number of rows than its index says")
    return pl.DataFrame(pa.RecordBatchReader.from_batches(schema, batches))


def _tail(whole: "pa.Buffer") -> "tuple[pa.Schema, list[_Piece]]":
    import pyarrow as pa

    view = memoryview(whole)
    schema, index, checksum, mark = _END.unpack(view[-_END.size :])
    begin = view.nbytes - _END.size - index - schema
    if mark != _MARK or begin < 0 or zlib.crc32(view[begin : -_END.size]) != checksum:
        raise ValueError("has no index")
    return pa.ipc.read_schema(whole.slice(begin, schema)), json.loads(bytes(view[begin + schema : -_END.size]))


def _laid(file: FileIO, begin: int, size: int) -> tuple[bytes, int | None, int]:
    """Return a piece's schema, how far into it its first buffer lies, modulo the alignment, and its batch.

    None is for a piece that has no buffer, 0 for one without a batch.
    """
    import pyarrow as pa

    with pa.memory_map(str(file.name)) as mapped:
        piece = mapped.read_buffer().slice(begin, size)
    opened = pa.ipc.open_file(pa.BufferReader(piece))
    schema = opened.schema.serialize().to_pybytes()
    if not opened.num_record_batches:
        return schema, None, 0
    buffers = (buffer for column in opened.get_batch(0).columns for buffer in column.buffers())
    first = next((buffer.address - piece.address for buffer in buffers if buffer is not None and buffer.size), None)
    return schema, None if first is None else first % _ALIGNED, _first_batch(memoryview(piece))


def _first_batch(piece: memoryview) -> int:
    """Return where the first batch of an Arrow file begins, as its footer says."""
    length, _ = _TAIL.unpack(piece[-_TAIL.size :])
    footer = piece[-_TAIL.size - length : -_TAIL.size]
    (table,) = struct.unpack_from("<I", footer)
    (fields,) = struct.unpack_from("<i", footer, table)
    (at,) = struct.unpack_from("<H", footer, table - fields + 4 + 2 * _BATCHES)
    (vector,) = struct.unpack_from("<I", footer, table + at)
    (begin,) = struct.unpack_from("<q", footer, table + at + vector + 4)
    return int(begin)
