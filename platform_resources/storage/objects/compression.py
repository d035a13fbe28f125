"""Decompressing a file: its first bytes tell which way, not its name; memory is bounded whatever the size."""

# ruff: noqa: PLC0415 - codecs are imported by the steps that use them

import bz2
import gzip
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from platform_resources.errors import CorruptArchive
from platform_resources.storage.objects.checksums import crc

Compression = Literal["gz", "zst", "bz2", "snappy"]
_FRAMED = b"\xff\x06\x00\x00sNaPpY"
_MAGIC: dict[bytes, Compression] = {b"\x1f\x8b": "gz", b"\x28\xb5\x2f\xfd": "zst", b"BZh": "bz2", _FRAMED: "snappy"}
SUFFIXES: dict[str, Compression] = {
    ".gz": "gz", ".gzip": "gz", ".zst": "zst", ".zstd": "zst", ".bz2": "bz2", ".snappy": "snappy", ".sz": "snappy",
}  # fmt: skip
_BLOCK = 1 << 20


def compression_of(path: Path, name: str | None = None) -> Compression | None:
    """Returns how a file is compressed, by its first bytes; snappy without a frame has none, so its name decides."""
    with path.open("rb") as file:
        head = file.read(len(_FRAMED))
    found = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
    by_name = SUFFIXES.get(Path(name or path.name).suffix.lower())
    return found or ("snappy" if by_name == "snappy" and head else None)


def without_suffix(name: str) -> str:
    """Returns the name of what is inside: `a.csv` for `a.csv.gz`; the name itself where no suffix tells.

    >>> without_suffix("a.csv.gz"), without_suffix("a.csv")
    ('a.csv', 'a.csv')
    """
    suffix = Path(name).suffix
    return name[: -len(suffix)] if suffix.lower() in SUFFIXES and name != suffix else name


def decompress(source: Path, target: Path, kind: Compression) -> int:
    """Returns the size of the content, in bytes, once it is written; the target is half written on an error.

    Raises:
        CorruptArchive: The content is broken or ends early.
    """
    written = 0
    try:
        with source.open("rb") as file, target.open("wb") as out:
            for block in _blocks(file, kind):
                written += out.write(block)
    except (OSError, EOFError, ValueError, zlib.error, struct.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's, not the content's
        raise CorruptArchive(source.name, f"its {kind} content is broken: {error}", fix="have it sent again") from error
    return written


def _blocks(file: BinaryIO, kind: Compression) -> Iterator[bytes]:
    if kind == "snappy":
        return _snappy(file)
    if kind == "zst":
        return _zstd(file)
    return _read(gzip.open(file) if kind == "gz" else bz2.open(file))  # type: ignore[arg-type]  # both read bytes


def _read(stream: BinaryIO) -> Iterator[bytes]:
    with stream:
        while block := stream.read(_BLOCK):
            yield block


def _zstd(file: BinaryIO) -> Iterator[bytes]:
    """Yields the content of all frames; the library says of an end too early only that there is nothing more."""
    import zstandard

    raw = file.read(_BLOCK)
    while raw:
        frame = zstandard.ZstdDecompressor().decompressobj()
        while raw and not frame.eof:
            try:
                yield frame.decompress(raw)
            except zstandard.ZstdError as error:
                raise ValueError(str(error)) from error
            raw = frame.unused_data if frame.eof else file.read(_BLOCK)
        if not frame.eof:
            raise EOFError("it ends before its last frame does")
        raw = raw or file.read(_BLOCK)


def _snappy(file: BinaryIO) -> Iterator[bytes]:
    """Yields the content of the framing format, or of one block without frames, which is held in memory."""
    if file.read(len(_FRAMED)) != _FRAMED:
        file.seek(0)
        yield _block(file.read())
        return
    while head := file.read(4):
        size = int.from_bytes(_exactly(head[1:], 3), "little")
        yield from _chunk(head[0], _exactly(file.read(size), size))


def _chunk(kind: int, body: bytes) -> Iterator[bytes]:
    """Yields the content of one chunk; padding and what may be skipped has none."""
    if kind in (0x00, 0x01):
        content = _block(body[4:]) if kind == 0x00 else body[4:]
        found = crc("crc32c", content)
        masked = (((found >> 15) | (found << 17)) + 0xA282EAD8) & 0xFFFFFFFF
        if masked != struct.unpack("<I", body[:4])[0]:
            raise ValueError("a checksum inside it is wrong")
        yield content
    elif kind in range(0x02, 0x80):
        raise ValueError(f"a chunk of the unknown kind {kind:#x}")


def _block(body: bytes) -> bytes:
    import pyarrow as pa

    size, shift = 0, 0
    for byte in body[:5]:
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004 - the last byte of a number has its top bit clear
            break
    else:
        raise ValueError("it has no size")
    content: bytes = pa.Codec("snappy").decompress(body, size, asbytes=True)
    return content


def _exactly(content: bytes, size: int) -> bytes:
    if len(content) != size:
        raise EOFError("it ends early")
    return content
