"""An Avro file as rows, some of its blocks at a time: with the header before them they are a file again."""

import io
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from platform_resources.errors import ConversionError
from platform_resources.readers.damage import refuse_damage, refuse_damaged_frames
from platform_resources.readers.rows import Rows

_MAGIC = b"Obj\x01"
_SYNC = 16
_BLOCKS_BYTES = 16 << 20


def avro(path: Path, name: str) -> Rows:
    """Yield the rows of an Avro file, some of its blocks at a time.

    With the header before them they are a file again.
    """
    with path.open("rb") as source:
        header = refuse_damage(lambda: _header(source), name)
        start = source.tell()
        first = refuse_damage(lambda: next(_blocks(source, header[-_SYNC:]), b""), name)
    if not first:  # of which Polars would not know the types
        raise ConversionError(name, "holds no rows", fix="send it again")
    schema = refuse_damage(lambda: pl.read_avro(io.BytesIO(header + first), n_rows=1), name).schema

    def frames() -> Iterator[pl.DataFrame]:
        with path.open("rb") as source:
            source.seek(start)
            for blocks in _blocks(source, header[-_SYNC:]):
                yield pl.read_avro(io.BytesIO(header + blocks))

    return Rows(schema, lambda: refuse_damaged_frames(frames(), name))


def _header(source: io.BufferedReader) -> bytes:
    """Return the bytes before the first block: magic, metadata, sync marker."""
    if source.read(4) != _MAGIC:
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


def _blocks(source: io.BufferedReader, sync: bytes) -> Iterator[bytes]:
    """Whole blocks, some megabytes together."""
    together = b""
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
        together += block
        if len(together) >= _BLOCKS_BYTES:
            yield together
            together = b""
    if together:
        yield together


def _varint(source: io.BufferedReader) -> int:
    """Return an Avro long: seven bits a byte, the lowest first, zigzag."""
    value = shift = 0
    while True:
        byte = source.read(1)
        if not byte:
            raise EOFError("it ends within a number")
        value |= (byte[0] & 0x7F) << shift
        shift += 7
        if byte[0] < 0x80:  # noqa: PLR2004 - the bit that says that more follow
            return (value >> 1) ^ -(value & 1)
