"""Rows to bytes in a format, chunk by chunk: texts in several hands at once, columnar formats in one.

A text file is the sum of its chunks, compressed ones as well: gzip, zstd, bzip2 and framed snappy streams may follow
one another. So each chunk is encoded and compressed by itself, and only the order of writing is kept.
"""

# ruff: noqa: PLC0415 - vendors, and what imports them, are imported by the conversions that use them

import bz2
import io
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from platform_resources.conversion.blocks import Block, Sample, block_of, checksum_of
from platform_resources.conversion.chunks import Plan, regrouped, resident_bytes
from platform_resources.conversion.fingerprint import Fingerprint, fingerprint
from platform_resources.conversion.targets import Prepared, Target
from platform_resources.storage.compression import Compression

if TYPE_CHECKING:
    import pyarrow as pa
    from arro3.core import RecordBatchReader

Progress = Callable[[int], None]
_GZIP_WINDOW = 31
_LEVEL = 6
_RARE = 0.75


@dataclass
class Tally:
    """What has been written so far.

    Attributes:
        plan: Of the next chunk.
        progress: Told the rows.
        sample: Which rows of a text are compared; of other formats it is all.
        rows: Written.
        print_: Of those that are compared.
        nulled: Values that the format lacks.
        blocks: Of a text, with what stands between its rows.
        packed: CRC-32 of all bytes of a compressed text.
    """

    plan: Plan
    progress: Progress
    sample: Sample = field(default_factory=Sample)
    rows: int = 0
    print_: Fingerprint = field(default_factory=Fingerprint)
    nulled: int = 0
    blocks: list[Block] = field(default_factory=list)
    packed: int = 0

    def add(self, chunk: "Chunk") -> None:
        """Returns when a written chunk is counted and the plan follows what it cost."""
        self.rows += chunk.rows
        self.print_ += chunk.print_
        self.nulled += chunk.nulled
        self.plan = self.plan.after(rows=chunk.rows, frame_bytes=chunk.frame_bytes, resident_bytes=resident_bytes())
        self.progress(self.rows)


@dataclass(frozen=True)
class Chunk:
    """A chunk on its way: what it says as far as that is compared, and its pieces of text or its frame."""

    rows: int
    print_: Fingerprint
    nulled: int
    frame_bytes: int
    content: Any


def write_text(frames: Iterator[pl.DataFrame], path: Path, target: Target, fit: Prepared, tally: Tally) -> None:
    """Returns when all rows are in the file, in order, and each block of it is noted."""
    begin, between, end = _FRAMING[target.format]
    start = 0

    def work(frame: pl.DataFrame) -> Callable[[], Chunk]:
        nonlocal start
        first, start = start, start + frame.height
        parsed = tally.sample.takes(first)
        return partial(_text_chunk, frame, fit, target, before=between if first else b"", parsed=parsed)

    def put(pieces: Sequence[bytes], block: Block) -> None:
        out.writelines(pieces)
        tally.blocks.append(block)
        if target.packed:
            tally.packed = checksum_of(pieces, tally.packed)

    with path.open("wb") as out:
        if start_ := begin + _header(fit, target):
            put(_packed([start_], target), block_of([start_]))
        for chunk in _in_order(frames, work, tally):
            put(chunk.content.pieces, chunk.content.block)
            tally.add(chunk)
        if end or not out.tell():
            put(_packed([end], target), block_of([end]))


def write_parquet(frames: Iterator[pl.DataFrame], path: Path, target: Target, fit: Prepared, tally: Tally) -> None:
    """Returns when all rows are in the file, a row group a chunk."""
    import pyarrow.parquet as pq

    chunks = _in_order(frames, lambda frame: partial(_chunk, frame, fit, _to_arrow), tally)
    first = next(chunks, None)
    repeating = _repeating(first.content) if first else False
    with pq.ParquetWriter(str(path), _arrow_schema(fit), compression=target.pages, use_dictionary=repeating) as writer:
        for chunk in chain([first] if first else [], chunks):
            writer.write_table(chunk.content, row_group_size=max(1, chunk.rows))
            tally.add(chunk)


def write_arrow(frames: Iterator[pl.DataFrame], path: Path, target: Target, fit: Prepared, tally: Tally) -> None:
    """Returns when all rows are in the Arrow file, a record batch a chunk."""
    import pyarrow as pa

    codec = None if target.pages == "none" else target.pages
    options = pa.ipc.IpcWriteOptions(compression=codec, unify_dictionaries=False)
    with pa.OSFile(str(path), "wb") as out, pa.ipc.new_file(out, _arrow_schema(fit), options=options) as writer:
        for chunk in _in_order(frames, lambda frame: partial(_chunk, frame, fit, _to_arrow), tally):
            writer.write_table(chunk.content)
            tally.add(chunk)


def delta_batches(frames: Iterator[pl.DataFrame], fit: Prepared, tally: Tally) -> Iterator[Any]:
    """The rows as record batches in types that Delta has."""
    for chunk in _in_order(
        frames, lambda frame: partial(_chunk, frame, fit, lambda rows: [*delta_reader(rows)]), tally
    ):
        yield from chunk.content
        tally.add(chunk)


def delta_reader(rows: pl.DataFrame) -> "RecordBatchReader":
    """Rows in the types Delta has, each column marked with its own."""
    from arro3.core import RecordBatchReader

    from platform_resources.storage.formats.delta_frames import stored

    return RecordBatchReader.from_arrow(stored(rows))


def _in_order(
    frames: Iterator[pl.DataFrame], work: Callable[[pl.DataFrame], Callable[[], Chunk]], tally: Tally
) -> Iterator[Chunk]:
    """Chunks in the order of their rows, as many in hand at a time as the plan allows."""
    pending: deque[Future[Chunk]] = deque()
    with ThreadPoolExecutor(tally.plan.most_workers) as pool:
        try:
            for frame in regrouped(frames, lambda: tally.plan.rows):
                pending.append(pool.submit(work(frame)))
                while len(pending) > tally.plan.workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for each in pending:
                each.cancel()


def _chunk(frame: pl.DataFrame, fit: Prepared, finish: Callable[[pl.DataFrame], Any], *, hashed: bool = True) -> Chunk:
    rows = frame.select(fit.expressions)
    lost = sum(rows[name].null_count() - frame[name].null_count() for name in fit.floats)
    print_ = fingerprint(rows) if hashed else Fingerprint()
    return Chunk(frame.height, print_, int(lost), int(frame.estimated_size()), finish(rows))


def _header(fit: Prepared, target: Target) -> bytes:
    if target.format != "csv":
        return b""
    names = pl.DataFrame([list(fit.schema)], schema=[str(place) for place in range(len(fit.schema))], orient="row")
    return b"".join(_text(names, target, b""))


class _Pieces:
    """A file for encoders that keeps the pieces they hand over; to put them together would copy all of them."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)

    def write(self, piece: bytes) -> int:
        """Takes a piece."""
        self.pieces.append(piece)
        return len(piece)


@dataclass(frozen=True)
class _Text:
    """A chunk as text: what goes into the file, and what it is before it is compressed."""

    pieces: Sequence[bytes]
    block: Block


def _text_chunk(frame: pl.DataFrame, fit: Prepared, target: Target, *, before: bytes, parsed: bool) -> Chunk:
    """A chunk as text; its rows are hashed where they are to be compared."""

    def finish(rows: pl.DataFrame) -> _Text:
        pieces = _text(rows, target, before)
        return _Text(_packed(pieces, target), block_of(pieces, frame.height, parsed=parsed))

    return _chunk(frame, fit, finish, hashed=parsed)


def _packed(pieces: Sequence[bytes], target: Target) -> Sequence[bytes]:
    """The pieces, compressed together where the file is."""
    pack = _PACKERS.get(target.packed)
    return [pack(b"".join(pieces))] if pack else pieces


def _text(rows: pl.DataFrame, target: Target, before: bytes) -> list[bytes]:
    out = _Pieces(*[before] if before else [])
    _ENCODERS[target.format](rows, target, out)
    return out.pieces


def _csv(rows: pl.DataFrame, target: Target, out: _Pieces) -> None:
    rows.write_csv(out, include_header=False, separator=target.delimiter)  # type: ignore[call-overload]  # it writes only


def _jsonl(rows: pl.DataFrame, _target: Target, out: _Pieces) -> None:
    rows.write_ndjson(out)  # type: ignore[call-overload]  # it writes only


def _json(rows: pl.DataFrame, _target: Target, out: _Pieces) -> None:
    """Elements of an array; a line's end is never part of a value, for JSON escapes it."""
    lines = io.BytesIO()
    rows.write_ndjson(lines)
    out.write(lines.getvalue().removesuffix(b"\n").replace(b"\n", b",\n"))


def _to_arrow(rows: pl.DataFrame) -> "pa.Table":
    return rows.to_arrow()


def _repeating(rows: "pa.Table") -> list[str] | bool:
    """The columns that say the same again and again. To look for that in the others costs a third of the writing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if any(pa.types.is_nested(each.type) for each in rows.schema):
        return True  # within a nested column it is not known
    return [name for name in rows.column_names if pc.count_distinct(rows[name]).as_py() <= _RARE * rows.num_rows]


def _arrow_schema(fit: Prepared) -> "pa.Schema":
    return pl.DataFrame(schema=fit.schema).to_arrow().schema


def _gz(content: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    return packer.compress(content) + packer.flush()


def _zst(content: bytes) -> bytes:
    import pyarrow as pa

    return bytes(pa.Codec("zstd").compress(content, asbytes=True))


def _snappy(content: bytes) -> bytes:
    from cramjam import snappy

    return bytes(snappy.compress(content))


_ENCODERS: dict[str, Callable[[pl.DataFrame, Target, _Pieces], None]] = {"csv": _csv, "jsonl": _jsonl, "json": _json}
_PACKERS: dict[Compression | None, Callable[[bytes], bytes]] = {
    "gz": _gz,
    "zst": _zst,
    "bz2": bz2.compress,
    "snappy": _snappy,
}
_FRAMING: dict[str, tuple[bytes, bytes, bytes]] = {
    "csv": (b"", b"", b""),
    "jsonl": (b"", b"", b""),
    "json": (b"[\n", b",\n", b"\n]\n"),
}
WRITERS: dict[str, Callable[[Iterator[pl.DataFrame], Path, Target, Prepared, Tally], None]] = {
    "csv": write_text,
    "json": write_text,
    "jsonl": write_text,
    "parquet": write_parquet,
    "arrow": write_arrow,
}
