"""The bytes of the embedded log: one frame a batch, columns within it, one checksum over it.

A frame is `magic, crc32, body bytes, count, first offset, smallest and largest timestamp`, then the body:
timestamps (int64), lengths of keys and of values (int32, -1 for null), keys, values, and the trace in which the batch
was sent, if any. The checksum covers all behind it.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

MAGIC = b"PLG1"
HEADER = struct.Struct("<4sIIIqqq")
_CHECKED_FROM = 8  # behind magic and checksum
FRAME_BYTES = 8 * 1024**2
"""The size up to which messages share a frame; a larger message has its own."""
LARGEST_MESSAGE = 1 << 30


@dataclass(frozen=True)
class Frame:
    """What a header says, and where its frame lies in the segment."""

    position: int
    crc: int
    body_bytes: int
    count: int
    first: int
    earliest: int
    latest: int

    @property
    def next_offset(self) -> int:
        """The offset behind the last message."""
        return self.first + self.count

    @property
    def end(self) -> int:
        """The byte behind the frame."""
        return self.position + HEADER.size + self.body_bytes


def parse_header(head: bytes | memoryview, position: int) -> Frame | None:
    """Return the header, or None when the bytes are none."""
    if len(head) < HEADER.size:
        return None
    magic, crc, body_bytes, count, first, earliest, latest = HEADER.unpack_from(head)
    return Frame(position, crc, body_bytes, count, first, earliest, latest) if magic == MAGIC else None


def is_whole(frame: Frame, data: bytes | memoryview) -> bool:
    """Say whether the frame's bytes, header included, are those that were written."""
    return (
        len(data) >= HEADER.size + frame.body_bytes
        and crc32(data[_CHECKED_FROM : HEADER.size + frame.body_bytes]) == frame.crc
    )


def encode(
    first: int,
    timestamps: Sequence[int],
    keys: Sequence[bytes | None] | None,
    values: Sequence[bytes | None],
    trace: str = "",
) -> list[bytes]:
    """Return the parts of one frame, to be written one behind the other."""
    times = np.asarray(timestamps, np.int64)
    value_lengths = _lengths(values)
    key_lengths = np.full(len(values), -1, np.int32) if keys is None else _lengths(keys)
    parts = [
        times.tobytes(),
        key_lengths.tobytes(),
        value_lengths.tobytes(),
        b"" if keys is None else _join(keys, key_lengths),
        _join(values, value_lengths),
        trace.encode(),
    ]
    head = HEADER.pack(MAGIC, 0, sum(map(len, parts)), len(values), first, int(times.min()), int(times.max()))
    crc = crc32(head[_CHECKED_FROM:])
    for part in parts:
        crc = crc32(part, crc)
    return [head[:4] + struct.pack("<I", crc) + head[_CHECKED_FROM:], *parts]


def split_messages(keys: Sequence[bytes | None] | None, values: Sequence[bytes | None]) -> Iterator[slice]:
    """Yield stretches of messages that share a frame."""
    sizes = [0 if value is None else len(value) for value in values]
    if keys is not None:
        sizes = [size + len(key or b"") for size, key in zip(sizes, keys, strict=True)]
    if sum(sizes) <= FRAME_BYTES:
        yield slice(0, len(values))
        return
    start = base = 0
    for index, total in enumerate(accumulate(sizes)):
        if total - base > FRAME_BYTES and index > start:
            yield slice(start, index)
            start, base = index, total - sizes[index]
    yield slice(start, len(values))


def decode(frame: Frame, body: memoryview) -> "pa.Table":
    """Return the messages of a frame as Arrow columns, without copying keys and values."""
    import pyarrow as pa

    count = frame.count
    lengths = np.frombuffer(body, np.int32, 2 * count, 8 * count)
    key_lengths, value_lengths = lengths[:count], lengths[count:]
    keys_at = 16 * count
    values_at = keys_at + int(np.maximum(key_lengths, 0).sum(dtype=np.int64))
    times = pa.Array.from_buffers(pa.timestamp("us", tz="UTC"), count, [None, pa.py_buffer(body[: 8 * count])])
    offsets = pa.array(np.arange(frame.first, frame.first + count, dtype=np.int64))
    columns = [offsets, times, _binary(key_lengths, body[keys_at:values_at]), _binary(value_lengths, body[values_at:])]
    return pa.table(columns, names=["offset", "timestamp", "key", "value"])


def trace_of(frame: Frame, body: memoryview) -> str:
    """Return the trace in which a frame was sent; empty without one."""
    lengths = np.frombuffer(body, np.int32, 2 * frame.count, 8 * frame.count)
    ends = 16 * frame.count + int(np.maximum(lengths, 0).sum(dtype=np.int64))
    return str(body[ends : frame.body_bytes], "ascii")


def timestamps_of(frame: Frame, body: memoryview) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return the timestamps of a frame."""
    return np.frombuffer(body, np.int64, frame.count)


def _lengths(texts: Sequence[bytes | None]) -> "np.ndarray[tuple[int], np.dtype[np.int32]]":
    return np.fromiter((-1 if text is None else len(text) for text in texts), np.int32, len(texts))


def _join(texts: Sequence[bytes | None], lengths: "np.ndarray[tuple[int], np.dtype[np.int32]]") -> bytes:
    return b"".join(texts if (lengths >= 0).all() else [text or b"" for text in texts])  # type: ignore[arg-type] # no None


def _binary(lengths: "np.ndarray[tuple[int], np.dtype[np.int32]]", data: memoryview) -> "pa.Array":
    import pyarrow as pa

    ends = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(np.maximum(lengths, 0), out=ends[1:])
    present = lengths >= 0
    mask = None if present.all() else pa.py_buffer(np.packbits(present, bitorder="little"))
    return pa.Array.from_buffers(pa.large_binary(), len(lengths), [mask, pa.py_buffer(ends), pa.py_buffer(data)])
