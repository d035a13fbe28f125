"""Digests under S3's names. Those of the CRC family can be computed range by range, in any order, and put together."""

# ruff: noqa: PLC0415 - the C library is loaded by the steps that compare bytes

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path
from typing import Literal

Crc = Literal["crc32", "crc32c", "crc64nvme"]
CRCS: tuple[Crc, ...] = ("crc64nvme", "crc32c", "crc32")
ALGORITHMS = (*CRCS, "sha256", "sha1")
_BYTES = {"crc32": 4, "crc32c": 4, "crc64nvme": 8}
_BLOCK = 1 << 20
_THREADS = 4


def crc(algorithm: Crc, content: bytes | bytearray | memoryview, before: int = 0) -> int:
    """Return the checksum of the content, going on from that of what stands before it."""
    if algorithm == "crc32":
        from isal import isal_zlib  # five times as fast as zlib's own, and nearly all that a download computes

        return isal_zlib.crc32(content, before)
    from awscrt import checksums  # type: ignore[import-untyped]  # it ships no types

    checksum: int = getattr(checksums, algorithm)(content, before)
    return checksum


def joined(algorithm: Crc, pieces: Iterable[tuple[int, int]]) -> int:
    """Return the checksum of consecutive pieces, each given as its checksum and its size in bytes."""
    from awscrt import checksums

    combine: Callable[[int, int, int], int] = getattr(checksums, f"combine_{algorithm}")
    checksum = 0
    for value, size in pieces:
        checksum = combine(checksum, value, size)
    return checksum


def hex_of(algorithm: Crc, value: int) -> str:
    """Return a checksum in hexadecimal, in S3's order of bytes."""
    return value.to_bytes(_BYTES[algorithm], "big").hex()


def digest_of_parts(algorithm: str, digests: Sequence[bytes]) -> str:
    """Return the digest of the parts' digests: S3's composite checksum, or the ETag of a multipart upload."""
    return _digest(algorithm, [b"".join(digests)]).hex()


def digest_of_file(path: Path, algorithm: str, *, part_sizes: Sequence[int] = ()) -> str:
    """Return the digest of a file in hexadecimal, or with sizes the composite one of its parts; reads it in blocks."""
    if not part_sizes:
        return _of_range(path, algorithm, 0, None).hex()
    starts = accumulate(part_sizes[:-1], initial=0)
    with ThreadPoolExecutor(_THREADS) as pool:
        digests = pool.map(lambda piece: _of_range(path, algorithm, *piece), zip(starts, part_sizes, strict=True))
        return digest_of_parts(algorithm, list(digests))


def _of_range(path: Path, algorithm: str, start: int, size: int | None) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return _digest(algorithm, iter_blocks(file.read, size))


def iter_blocks(read: Callable[[int], bytes], size: int | None) -> Iterable[bytes]:
    """Yield what is read, in blocks, up to a size or the end."""
    remaining = size
    while remaining is None or remaining > 0:
        block = read(_BLOCK if remaining is None else min(_BLOCK, remaining))
        if not block:
            return
        if remaining is not None:
            remaining -= len(block)
        yield block


def _digest(algorithm: str, blocks: Iterable[bytes]) -> bytes:
    if algorithm in _BYTES:
        value = 0
        for block in blocks:
            value = crc(algorithm, block, value)  # type: ignore[arg-type]  # its name is one of them
        return value.to_bytes(_BYTES[algorithm], "big")
    state = hashlib.new(algorithm, usedforsecurity=False)
    for block in blocks:
        state.update(block)
    return state.digest()
