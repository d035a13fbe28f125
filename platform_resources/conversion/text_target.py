"""Rows as texts, chunk by chunk, in several hands at once.

A text file is the sum of its chunks, compressed ones as well: gzip, zstd, bzip2 and framed snappy streams may follow
one another. So each chunk is encoded and compressed by itself, and only the order of writing is kept.
"""

import bz2
import io
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from platform_resources.conversion.blocks import STRETCH_ROWS, Block, block_of, checksum_of
from platform_resources.conversion.days import spelled_days
from platform_resources.conversion.targets import Prepared, Target
from platform_resources.conversion.writing import Chunk, Tally, chunk_of, in_order
from platform_resources.storage.compression import Compression

_GZIP_WINDOW = 31
_LEVEL = 6


def write_text(frames: Iterator[pl.DataFrame], path: Path, target: Target, fit: Prepared, tally: Tally) -> None:
    """Write all rows into the file, in order, and note each block of it."""
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
        for chunk in in_order(frames, work, tally, stretch=STRETCH_ROWS):
            put(chunk.content.pieces, chunk.content.block)
            tally.add(chunk)
        if end or not out.tell():
            put(_packed([end], target), block_of([end]))


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
        """Take a piece."""
        self.pieces.append(piece)
        return len(piece)


@dataclass(frozen=True)
class _Text:
    """A chunk as text: what goes into the file, and what it is before it is compressed."""

    pieces: Sequence[bytes]
    block: Block


def _text_chunk(frame: pl.DataFrame, fit: Prepared, target: Target, *, before: bytes, parsed: bool) -> Chunk:
    """Return a chunk as text; its rows are hashed where they are to be compared."""

    def finish(rows: pl.DataFrame) -> _Text:
        pieces = _text(rows, target, before)
        return _Text(_packed(pieces, target), block_of(pieces, frame.height, parsed=parsed))

    return chunk_of(frame, fit, finish, hashed=parsed)


def _packed(pieces: Sequence[bytes], target: Target) -> Sequence[bytes]:
    """Return the pieces, compressed together where the file is."""
    pack = _PACKERS.get(target.packed)
    return [pack(b"".join(pieces))] if pack else pieces


def _text(rows: pl.DataFrame, target: Target, before: bytes) -> list[bytes]:
    out = _Pieces(*[before] if before else [])
    _ENCODERS[target.format](rows, target, out)
    return out.pieces


def _csv(rows: pl.DataFrame, target: Target, out: _Pieces) -> None:
    days = spelled_days(rows, _in_csv)
    days.write_csv(out, include_header=False, separator=target.delimiter)  # type: ignore[call-overload]  # it writes only


def _jsonl(rows: pl.DataFrame, _target: Target, out: _Pieces) -> None:
    spelled_days(rows, _in_json).write_ndjson(out)  # type: ignore[call-overload]  # it writes only


def _json(rows: pl.DataFrame, _target: Target, out: _Pieces) -> None:
    """Elements of an array; a line's end is never part of a value, for JSON escapes it."""
    lines = io.BytesIO()
    spelled_days(rows, _in_json).write_ndjson(lines)
    out.write(lines.getvalue().removesuffix(b"\n").replace(b"\n", b",\n"))


def _in_csv(values: pl.Series) -> pl.Series:
    return pl.Series(values.to_frame("").write_csv(include_header=False).splitlines())


def _in_json(values: pl.Series) -> pl.Series:
    return pl.Series(json.loads(line)[""] for line in values.to_frame("").write_ndjson().splitlines())


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
