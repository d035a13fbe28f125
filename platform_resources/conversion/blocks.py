"""The pieces a text file is made of: what each was when it was written, and whether it is still that in the file.

A block is some thousand rows of text. Its length, checksum and number of rows are noted from the encoder's bytes; the
finished file is read again and every block held against its note. Some blocks are also parsed: which, says a sample.
"""

# ruff: noqa: PLC0415 - the C library is loaded by the steps that compare bytes

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Literal, get_args

import numpy as np

from platform_resources.conversion.targets import TargetFormat

Verify = Literal["sample", "full"]
VERIFY: tuple[Verify, ...] = get_args(Verify)

STRETCH_ROWS = 65_536
"""A sample takes whole stretches of so many rows; the first is always in it, so a small file is parsed wholly."""

ONE_IN = 32
_TILE = 1 << 18
_NEWLINE = ord("\n")


@dataclass(frozen=True)
class Sample:
    """Which rows are parsed again.

    Attributes:
        seed: Chooses one stretch of every 32 behind the first; None takes all.
    """

    seed: int | None = None

    def takes(self, start: int) -> bool:
        """Whether the rows from this one on, counted from 0, are parsed."""
        stretch = start // STRETCH_ROWS
        if self.seed is None or not stretch:
            return True
        run, place = divmod(stretch - 1, ONE_IN)
        return place == Random(f"{self.seed} {run}").randrange(ONE_IN)  # noqa: S311 - to be repeated, not to be secret


@dataclass(frozen=True, kw_only=True)
class Block:
    """A piece of text as it left its encoder.

    Attributes:
        rows: In it; 0 of a header or a bracket.
        size_bytes: Of its text, uncompressed.
        checksum: CRC-32 of that text.
        parsed: Whether it is to be parsed again; those that are make a file of the same format together.
    """

    rows: int
    size_bytes: int
    checksum: int
    parsed: bool = True


def block_of(pieces: Sequence[bytes], rows: int = 0, *, parsed: bool = True) -> Block:
    """Return the note of a text that comes in pieces."""
    return Block(rows=rows, size_bytes=sum(map(len, pieces)), checksum=checksum_of(pieces), parsed=parsed)


def checksum_of(pieces: Iterable[bytes | memoryview], checksum: int = 0) -> int:
    """Return the CRC-32 of pieces together, behind something that had the checksum given."""
    from isal import isal_zlib

    for piece in pieces:
        checksum = isal_zlib.crc32(piece, checksum)
    return checksum


def file_checksum(path: Path) -> int:
    """Return the CRC-32 of all that is in a file."""
    with path.open("rb", buffering=0) as source:
        return checksum_of(_tiles(source, path.stat().st_size))


def difference(path: Path, format_: TargetFormat, blocks: Sequence[Block], part: Path | None = None) -> str | None:
    """Return what of a file, read from its first byte to its last, is not as it was written; None where all is.

    Args:
        path: The file.
        format_: Says what a row is.
        blocks: All it is made of, in their order.
        part: A file to make of the blocks that are to be parsed, of the very bytes that were compared.
    """
    starts = list(accumulate((block.size_bytes for block in blocks), initial=0))
    size = path.stat().st_size
    if size != starts[-1]:
        return f"it has {size:,} bytes, and {starts[-1]:,} were written"
    with ThreadPoolExecutor(max(1, os.cpu_count() or 1)) as pool, _Part.made(part, blocks) as copy:
        differences = pool.map(partial(_differing, path, format_, copy), starts, blocks, range(len(blocks)))
        return next((told for told in differences if told), None)


class _Part:
    """The file of the blocks that are to be parsed, each written at its own place by who reads it."""

    def __init__(self, out: io.FileIO, blocks: Sequence[Block]) -> None:
        self._out = out
        self._parsed = [block.parsed for block in blocks]
        self._starts = list(accumulate((block.size_bytes * block.parsed for block in blocks), initial=0))

    @classmethod
    @contextmanager
    def made(cls, path: Path | None, blocks: Sequence[Block]) -> "Iterator[_Part | None]":
        """Yield the file, or None where none is wanted."""
        if path is None:
            yield None
            return
        with path.open("wb", buffering=0) as out:
            yield cls(out, blocks)

    def copied(self, tiles: Iterator[memoryview], place: int) -> Iterator[memoryview]:
        """Yield the same tiles of a block, once they are in the file if the block is to be."""
        start = self._starts[place]
        for tile in tiles:
            rest = tile if self._parsed[place] else tile[:0]
            while rest:
                done = os.pwrite(self._out.fileno(), rest, start)
                rest, start = rest[done:], start + done
            yield tile


def _differing(
    path: Path, format_: TargetFormat, copy: _Part | None, start: int, wrote: Block, place: int
) -> str | None:
    """Return what of a block is not as it was written."""
    lines = _Lines(format_)
    with path.open("rb", buffering=0) as source:
        source.seek(start)
        tiles = _tiles(source, wrote.size_bytes)
        checksum = checksum_of(lines.counted(copy.copied(tiles, place) if copy else tiles))
    where = f"bytes {start:,} to {start + wrote.size_bytes:,}"
    if checksum != wrote.checksum:
        return f"{where} have the checksum {checksum:08x}, and {wrote.checksum:08x} was written"
    if wrote.rows and lines.count != wrote.rows:
        return f"{where} hold {lines.count:,} rows, and {wrote.rows:,} were to be written"
    return None


def _tiles(source: io.FileIO, size: int) -> Iterator[memoryview]:
    """Yield the next bytes of a file, in pieces that stay in a processor's own memory.

    Each is overwritten by the next.
    """
    room = memoryview(bytearray(min(size, _TILE)))
    while size and (got := source.readinto(room[: min(size, _TILE)])):
        size -= got
        yield room[:got]


class _Lines:
    """Counts the rows of a block: line ends that are not within quotes, where the format has quoted ones."""

    def __init__(self, format_: TargetFormat) -> None:
        self.count = 0
        self._format = format_
        self._quoted = 0

    def counted(self, tiles: Iterator[memoryview]) -> Iterator[memoryview]:
        """Yield the same tiles, once they are counted."""
        for place, tile in enumerate(tiles):
            if self._format == "json" and not place and bytes(tile[:1]) != b",":
                self.count += 1  # the first element of an array has no line end before it
            self.count += self._outside(tile) if self._format == "csv" else _line_ends(tile)
            yield tile

    def _outside(self, tile: memoryview) -> int:
        parts = bytes(tile).split(b'"')
        if len(parts) == 1:
            return 0 if self._quoted else _line_ends(tile)
        first, self._quoted = self._quoted, (self._quoted + len(parts) - 1) % 2
        return sum(part.count(b"\n") for part in parts[first::2])


def _line_ends(tile: memoryview) -> int:
    """Half the time of `bytes.count`."""
    return int(np.count_nonzero(np.frombuffer(tile, dtype=np.uint8) == _NEWLINE))
