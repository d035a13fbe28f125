"""Typed formats as rows: Parquet, Arrow, Avro, Excel, Delta. Each is read a piece at a time as far as its format lets.

A workbook is the exception: its rows are one compressed document, which is held whole; Excel has at most 1,048,576.
"""

# ruff: noqa: PLC0415 - vendors, and what imports them, are imported by the conversions that use them

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from polars.exceptions import PanicException, PolarsError

from platform_resources.conversion.rows import Rows
from platform_resources.errors import ConversionError

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 16_384
_MOST = 131_072
_LIVING_BYTES = 16 << 20
_GROUP_BYTES = 128 << 20
"""Uncompressed size of a row group up to which Polars reads it, which decodes it whole; Arrow reads larger ones."""

_PIECE_BYTES = 64 << 20
_VALUE_BYTES = 16
"""What a value may take beside its bytes once it is decoded."""

_UNPACKED, _LEAST_WIDE = 4, 16_384
"""How much larger than the file its rows are taken to be, and the fewest rows of a piece, where nothing says it."""
_AVRO_MAGIC = b"Obj\x01"
_SYNC = 16


def parquet(path: Path, name: str) -> Rows:
    """The rows of a Parquet file, a piece of a row group at a time.

    Raises:
        ConversionError: It is damaged or was cut off.
    """
    import pyarrow.parquet as pq

    file = _opened(lambda: _unless_wide(lambda: pq.ParquetFile(str(path), pre_buffer=False, buffer_size=1 << 20)), name)
    if file is None:
        return _wide(pl.scan_parquet(path, glob=False), path, name)
    facts = file.metadata
    groups = [facts.row_group(place).total_byte_size for place in range(facts.num_row_groups)]
    rows = max(64, min(_MOST, int(_LIVING_BYTES / max(sum(groups) / max(facts.num_rows, 1), 1))))
    if max(groups, default=0) <= _GROUP_BYTES:
        file.close()
        heights = [facts.row_group(place).num_rows for place in range(facts.num_row_groups)]
        width = sum(groups) / max(facts.num_rows, 1) + _VALUE_BYTES * facts.num_columns
        return _by_polars(path, name, list(_pieces(heights, max(rows, int(_PIECE_BYTES / max(width, 1))))), rows)
    schema = _schema(file.schema_arrow)
    return Rows(schema, lambda: _frames(file.iter_batches(batch_size=rows), schema, name), total=facts.num_rows)


def _pieces(heights: Sequence[int], most: int) -> Iterator[tuple[int, int]]:
    """Start and height of pieces that cut no row group without need: a cut one is unpacked once for each of its pieces.

    >>> list(_pieces([10, 10, 50, 5], 20))
    [(0, 20), (20, 20), (40, 20), (60, 15)]
    """
    start = held = 0
    for height in heights:
        if held and held + height > most:
            yield start, held
            start, held = start + held, 0
        held += height
        while held > most:
            yield start, most
            start, held = start + most, held - most
    if held:
        yield start, held


def _by_polars(path: Path, name: str, pieces: Sequence[tuple[int, int]], rows: int) -> Rows:
    """Pieces of a file whose row groups are small enough to be decoded whole: a third of Arrow's time."""
    found = pl.scan_parquet(path, glob=False)
    schema = _opened(found.collect_schema, name)

    def frames() -> Iterator[pl.DataFrame]:
        for start, height in pieces:
            piece = found.slice(start, height).collect()
            yield from (piece[place : place + rows] for place in range(0, height, rows))

    return Rows(schema, lambda: _told(frames(), name), total=sum(height for _, height in pieces))


def _unless_wide(action: "Callable[[], Any]") -> Any:
    """What the action returns, or None where Arrow lacks a type: Polars writes integers of 128 bits, and reads them."""
    import pyarrow as pa

    try:
        return action()
    except pa.ArrowNotImplementedError:
        return None


def _wide(found: pl.LazyFrame, path: Path, name: str) -> Rows:
    """The rows of a file that Polars alone reads, a piece at a time; its row groups are not known."""
    schema = _opened(found.collect_schema, name)
    total = int(_opened(lambda: found.select(pl.len()).collect().item(), name))
    width = max(_UNPACKED * path.stat().st_size / max(total, 1), _VALUE_BYTES * len(schema), 1)
    height = max(_LEAST_WIDE, int(_PIECE_BYTES / width))

    def frames() -> Iterator[pl.DataFrame]:
        for start in range(0, total, height):
            yield found.slice(start, height).collect()

    return Rows(schema, lambda: _told(frames(), name), total=total)


def arrow(path: Path, name: str) -> Rows:
    """The rows of an Arrow file or stream, a record batch at a time, memory-mapped."""
    import pyarrow as pa

    def batches() -> "Iterator[pa.RecordBatch]":
        with pa.memory_map(str(path)) as source:
            if source.read(6) == b"ARROW1":
                reader = pa.ipc.open_file(source)
                yield from (reader.get_batch(place) for place in range(reader.num_record_batches))
            else:
                source.seek(0)
                yield from pa.ipc.open_stream(source)

    def arrow_schema() -> "pa.Schema":
        with pa.memory_map(str(path)) as source:
            if source.read(6) == b"ARROW1":
                return pa.ipc.open_file(source).schema
            source.seek(0)
            return pa.ipc.open_stream(source).schema

    found = _opened(lambda: _unless_wide(arrow_schema), name)
    if found is None:
        return _wide(pl.scan_ipc(path, glob=False), path, name)
    schema = _schema(found)
    return Rows(schema, lambda: _frames(batches(), schema, name))


def avro(path: Path, name: str) -> Rows:
    """The rows of an Avro file, some of its blocks at a time: with the header before them they are a file again."""
    with path.open("rb") as source:
        header = _opened(lambda: _avro_header(source), name)
        start = source.tell()
        first = _opened(lambda: next(_avro_blocks(source, header[-_SYNC:]), b""), name)
    if not first:  # of which Polars would not know the types
        raise ConversionError(name, "holds no rows", fix="send it again")
    schema = _opened(lambda: pl.read_avro(io.BytesIO(header + first), n_rows=1), name).schema

    def frames() -> Iterator[pl.DataFrame]:
        with path.open("rb") as source:
            source.seek(start)
            for blocks in _avro_blocks(source, header[-_SYNC:]):
                yield pl.read_avro(io.BytesIO(header + blocks))

    return Rows(schema, lambda: _told(frames(), name))


def excel(path: Path, name: str, sheet: str | None) -> Rows:
    """The rows of one sheet of a workbook, the first one without a name.

    Raises:
        ConversionError: There is no such sheet, or it has no header.
    """
    import fastexcel

    book = _opened(lambda: fastexcel.read_excel(str(path)), name)
    if sheet is not None and sheet not in book.sheet_names:
        raise ConversionError(name, f"has no sheet {sheet!r}", fix=f"use one of {', '.join(book.sheet_names)}")
    frame = _opened(lambda: book.load_sheet(sheet if sheet is not None else 0).to_polars(), name)
    frame = frame.filter(~pl.all_horizontal(pl.all().is_null())) if frame.width else frame
    return Rows(frame.schema, lambda: iter([frame]), total=frame.height)


def delta(location: str, name: str, options: dict[str, str] | None) -> Rows:
    """The rows of a Delta table as it is now, in the types that were written."""
    from deltalake import DeltaTable

    from platform_resources.storage.formats.delta_frames import restored

    table = _opened(lambda: DeltaTable(location, storage_options=options), name)
    frame = restored(table)
    schema = frame.collect_schema()
    return Rows(schema, lambda: frame.collect_batches(chunk_size=_BATCH, maintain_order=False, engine="streaming"))


def _frames(batches: "Iterator[pa.RecordBatch]", schema: pl.Schema, name: str) -> Iterator[pl.DataFrame]:
    def made() -> Iterator[pl.DataFrame]:
        for batch in batches:
            frame = pl.DataFrame(pl.from_arrow(batch))
            yield frame if frame.schema == schema else frame.cast(schema)

    return _told(made(), name)


def _schema(found: "pa.Schema") -> pl.Schema:
    return pl.DataFrame(pl.from_arrow(found.empty_table())).schema


def _opened(action: Callable[[], Any], name: str) -> Any:
    """What the action returns; a damaged file is told as one error, without a word of its content."""
    import pyarrow as pa

    try:
        return action()
    except (PolarsError, PanicException, pa.ArrowException, OSError, EOFError, ValueError, RuntimeError) as error:
        raise ConversionError(
            name, f"is damaged or was cut off ({type(error).__name__})", fix="send it again"
        ) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] in {"fastexcel", "deltalake"}:
            raise ConversionError(name, f"cannot be opened ({type(error).__name__})", fix="send it again") from error
        raise


def _told(frames: Iterator[pl.DataFrame], name: str) -> Iterator[pl.DataFrame]:
    """The same frames; damage that shows in the middle is told as one error."""
    while True:
        frame = _opened(lambda: next(frames, None), name)
        if frame is None:
            return
        yield frame


def _avro_header(source: io.BufferedReader) -> bytes:
    """The bytes before the first block: magic, metadata, sync marker."""
    if source.read(4) != _AVRO_MAGIC:
        raise ValueError("no Avro file")
    while count := _varint(source):
        if count < 0:
            _varint(source)
        for _ in range(abs(count) * 2):
            source.seek(_varint(source), io.SEEK_CUR)
    end = source.tell() + _SYNC
    source.seek(0)
    header = source.read(end)
    if len(header) < end:
        raise EOFError("it ends within its header")
    return header


def _avro_blocks(source: io.BufferedReader, sync: bytes) -> Iterator[bytes]:
    """Whole blocks, some megabytes together."""
    held = b""
    while True:
        start = source.tell()
        if not source.peek(1):
            break
        _varint(source)
        size = _varint(source)
        end = source.tell() + size + _SYNC
        source.seek(start)
        block = source.read(end - start)
        if len(block) < end - start or block[-_SYNC:] != sync:
            raise EOFError("it ends within a block")
        held += block
        if len(held) >= _LIVING_BYTES:
            yield held
            held = b""
    if held:
        yield held


def _varint(source: io.BufferedReader) -> int:
    """An Avro long: seven bits a byte, the lowest first, zigzag."""
    value = shift = 0
    while True:
        byte = source.read(1)
        if not byte:
            raise EOFError("it ends within a number")
        value |= (byte[0] & 0x7F) << shift
        shift += 7
        if byte[0] < 0x80:  # noqa: PLR2004 - the bit that says that more follow
            return (value >> 1) ^ -(value & 1)
