"""Decompressing a file: its first bytes tell which way, not its name; memory is bounded whatever it holds.

Of an archive that is damaged, cut off or followed by something else nothing is used. Where one ends between two of its
members or frames, nothing in it tells that there were more.
"""

# ruff: noqa: PLC0415 - codecs are imported by the steps that use them

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from platform_resources.errors import CorruptArchive

Compression = Literal["gz", "zst", "bz2", "snappy", "xz"]
_FRAMED = b"\xff\x06\x00\x00sNaPpY"
_MAGIC: dict[bytes, Compression] = {
    b"\x1f\x8b": "gz", b"\x28\xb5\x2f\xfd": "zst", b"BZh": "bz2", _FRAMED: "snappy", b"\xfd7zXZ\x00": "xz",
    **dict.fromkeys((bytes((kind, 0x2A, 0x4D, 0x18)) for kind in range(0x50, 0x60)), "zst"),  # frames to be skipped
}  # fmt: skip
SUFFIXES: dict[str, Compression] = {
    ".gz": "gz", ".gzip": "gz", ".zst": "zst", ".zstd": "zst", ".bz2": "bz2", ".snappy": "snappy", ".sz": "snappy",
    ".xz": "xz",
}  # fmt: skip
_BLOCK = 1 << 20
_XZ_BYTES = 160 << 20
"""What unpacking xz may hold: twice what `xz -9` asks for. A header alone could ask for 4 GiB."""


def compression_in(head: bytes) -> Compression | None:
    """Return how a file is compressed, by its first bytes; None where it is not."""
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)


def compression_of(path: Path, name: str | None = None) -> Compression | None:
    """Return how a file is compressed, by its first bytes; snappy without a frame has none, so its name decides."""
    with path.open("rb") as file:
        head = file.read(len(_FRAMED))
    by_name = SUFFIXES.get(Path(name or path.name).suffix.lower())
    return compression_in(head) or ("snappy" if by_name == "snappy" and head else None)


def without_suffix(name: str) -> str:
    """Return the name of what is inside: `a.csv` for `a.csv.gz`; the name itself where no suffix tells.

    >>> without_suffix("a.csv.gz"), without_suffix("a.csv")
    ('a.csv', 'a.csv')
    """
    suffix = Path(name).suffix
    return name[: -len(suffix)] if suffix.lower() in SUFFIXES and name != suffix else name


def decompress(source: Path, target: Path, kind: Compression, *, name: str | None = None) -> int:
    """Return the size of the content, in bytes, once it is written; the target is half written on an error.

    Args:
        source: the archive.
        target: what is in it.
        kind: how it is compressed.
        name: what an error calls the archive; its file name by default.

    Raises:
        CorruptArchive: The content is broken, ends early, or something else follows it.
        OSError: The disk cannot take it.
    """
    written = 0
    try:
        with source.open("rb") as file, target.open("wb") as out:
            for block in _blocks(file, kind):
                written += out.write(block)
    except (OSError, EOFError, ValueError, zlib.error, struct.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's, not the content's
        raise CorruptArchive(
            name or source.name, f"its {kind} content is broken: {error}", fix="have it sent again"
        ) from error
    return written


def _blocks(file: BinaryIO, kind: Compression) -> Iterator[bytes]:
    if kind == "gz":
        return _gzip(file)
    if kind == "snappy":
        return _snappy(file)
    return _xz(file) if kind == "xz" else _by_arrow(file, "zstd" if kind == "zst" else kind)


def _gzip(file: BinaryIO) -> Iterator[bytes]:
    from isal import igzip  # a third of zlib's time
    from isal.isal_zlib import IsalError

    try:
        with igzip.open(file) as stream:  # type: ignore[no-untyped-call]  # it has no types
            while block := stream.read(_BLOCK):
                yield block
    except IsalError as error:  # type: ignore[misc]  # its stub does not say that it is an exception
        raise ValueError(str(error)) from error


def _by_arrow(file: BinaryIO, codec: str) -> Iterator[bytes]:
    """Yield the content of all frames; unlike the codec's own modules, Arrow bears nothing behind the last one."""
    import pyarrow as pa

    with pa.PythonFile(file, mode="r") as raw, pa.CompressedInputStream(raw, codec) as stream:
        while block := stream.read(_BLOCK):
            yield block


def _xz(file: BinaryIO) -> Iterator[bytes]:
    """Yield the content of all streams; zeros may fill up the space behind each."""
    import lzma

    raw = file.read(_BLOCK)
    while raw:
        stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_BYTES)
        while not stream.eof:
            if stream.needs_input and not (raw := raw or file.read(_BLOCK)):
                raise EOFError("it ends before its last stream does")
            try:
                yield stream.decompress(raw, _BLOCK)
            except lzma.LZMAError as error:
                raise ValueError(str(error)) from error
            raw = b""
        raw = _behind_zeros(stream.unused_data, file)


def _behind_zeros(raw: bytes, file: BinaryIO) -> bytes:
    while not (rest := raw.lstrip(b"\0")):
        raw = file.read(_BLOCK)
        if not raw:
            return b""
    return rest


def _snappy(file: BinaryIO) -> Iterator[bytes]:
    """Yield the content of the framing format, or of one block without frames, which is held in memory."""
    from cramjam import DecompressionError, snappy

    try:
        if file.read(len(_FRAMED)) != _FRAMED:
            file.seek(0)
            yield bytes(snappy.decompress_raw(file.read()))
            return
        for chunk in _chunks(file):
            yield bytes(snappy.decompress(_FRAMED + chunk))
    except DecompressionError as error:
        raise ValueError(str(error)) from error


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    """Yield the chunks that have a content, each with its head; its checksum is in it."""
    while head := file.read(4):
        size = int.from_bytes(_exactly(head[1:], 3), "little")
        body = _exactly(file.read(size), size)
        if head[0] in (0x00, 0x01):
            yield head + body
        elif head[0] in range(0x02, 0x80):
            raise ValueError(f"a chunk of the unknown kind {head[0]:#x}")


def _exactly(content: bytes, size: int) -> bytes:
    if len(content) != size:
        raise EOFError("it ends early")
    return content
