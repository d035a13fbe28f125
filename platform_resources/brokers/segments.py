"""One partition of the embedded log: its segments, its lock, and the end that readers have mapped."""

import errno
import fcntl
import json
import mmap
import os
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from platform_resources.brokers.base import Batch, TopicSettings, build_rows, distinct_traces
from platform_resources.brokers.errors import (
    BrokerError,
    BrokerFull,
    LogDamaged,
    PositionOutOfRange,
    TopicNotFound,
    TopicRecreated,
)
from platform_resources.brokers.frames import (
    HEADER,
    Frame,
    decode,
    encode,
    is_whole,
    parse_header,
    split_messages,
    timestamps_of,
    trace_of,
)
from platform_resources.telemetry import current_traceparent

END = struct.Struct("<q")
"""The offset of the next message, in the file `end`."""


class Partition:
    """One partition as this process has it open."""

    def __init__(self, folder: Path, topic: str, number: int, identity: str, settings: TopicSettings) -> None:
        self._topic, self._number, self._identity, self._settings = topic, number, identity, settings
        self._topic_file, self._folder = folder / "topic.json", folder / str(number)
        self._topic_stamp = (0, 0)
        self._thread_lock = threading.Lock()
        self._lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        end = os.open(self._folder / "end", os.O_RDWR)
        self._end = mmap.mmap(end, END.size)
        os.close(end)
        self._files: dict[int, int] = {}
        self._reached: tuple[int, int, int] | None = None  # segment, byte and offset where the last read ended
        self._writing: tuple[int, int, int] | None = None  # segment, byte and offset where the next frame goes
        if self._try_lock():
            try:
                self._recover()
            finally:
                fcntl.flock(self._lock, fcntl.LOCK_UN)

    def refuse_another_history(self) -> None:
        """Raise where the topic's file is no longer the one that was opened."""
        try:
            stat = self._topic_file.stat()
        except FileNotFoundError:
            raise TopicNotFound(self._topic, []) from None
        stamp = (stat.st_ino, stat.st_mtime_ns)
        if stamp != self._topic_stamp:
            if parse_topic(json.loads(self._topic_file.read_text()))[0] != self._identity:
                raise TopicRecreated(self._topic)
            self._topic_stamp = stamp

    def bounds(self) -> tuple[int, int]:
        """Return the first offset that is kept and the next one."""
        return self._segments()[0], self._published()

    def append(
        self, times: Sequence[int], keys: Sequence[bytes | None] | None, values: Sequence[bytes | None], now: int
    ) -> int:
        """Write the messages, sync, publish the new end and return it."""
        with self._thread_lock:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            try:
                if self._writing is None or self._writing[2] != self._published() or self._size() != self._writing[1]:
                    self._recover()
                return self._append(times, keys, values, now)
            finally:
                fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _append(
        self, times: Sequence[int], keys: Sequence[bytes | None] | None, values: Sequence[bytes | None], now: int
    ) -> int:
        segment, position, offset = self._place()
        if position >= self._settings.segment_bytes:
            segment, position = self._begin_segment(offset), 0
            self._drop_expired(now)
        handle, start, trace = self._file(segment), position, current_traceparent()
        try:
            for part in split_messages(keys, values):
                frame = encode(offset, times[part], None if keys is None else keys[part], values[part], trace)
                position += _write(handle, frame, position)
                offset += part.stop - part.start
            os.fdatasync(handle)
        except OSError as error:
            os.ftruncate(handle, start)
            self._writing = None
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise BrokerFull(self._topic, str(self._folder)) from error
            raise BrokerError(self._topic, f"{self._folder}: {error}", fix="look at the disk") from error
        self._writing = segment, position, offset
        END.pack_into(self._end, 0, offset)
        return offset

    def read(self, offset: int, max_messages: int, max_bytes: int) -> Batch:
        """Return messages from the offset on."""
        import pyarrow as pa

        first, end = self.bounds()
        if not first <= offset <= end:
            raise PositionOutOfRange(self._topic, self._number, offset, first=first, end=end)
        tables: list[pa.Table] = []
        traces: list[str] = []
        size, position = 0, offset
        for frame, data in self._frames_from(offset) if offset < end else ():
            if tables and size + frame.body_bytes > max_bytes:
                break
            rows = decode(frame, data[HEADER.size :])
            rows = rows.slice(max(0, position - frame.first), min(max_messages, end - position))
            tables.append(rows)
            traces.append(trace_of(frame, data[HEADER.size :]))
            max_messages, size, position = (
                max_messages - rows.num_rows,
                size + frame.body_bytes,
                position + rows.num_rows,
            )
            if position == frame.next_offset:
                self._reached = (self._segment_of(frame.first), frame.end, position)
            if position >= end or max_messages <= 0:
                break
        rows = pa.concat_tables(tables) if tables else build_rows([], [], [], [])
        return Batch(self._topic, self._number, rows, position, distinct_traces(traces))

    def offset_at(self, instant: int) -> int:
        """Return the offset of the first message at or after the instant in microseconds, or the end."""
        end = self._published()
        for segment in self._segments():
            for frame in self._headers(segment, 0):
                if frame.first >= end:
                    break
                if frame.latest >= instant:
                    body = memoryview(os.pread(self._file(segment), 8 * frame.count, frame.position + HEADER.size))
                    return frame.first + int((timestamps_of(frame, body) >= instant).argmax())
        return end

    def close(self) -> None:
        """Close the files."""
        self._end.close()
        for handle in [self._lock, *self._files.values()]:
            os.close(handle)
        self._files.clear()

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _published(self) -> int:
        return int(END.unpack_from(self._end)[0])

    def _place(self) -> tuple[int, int, int]:
        assert self._writing is not None  # noqa: S101 - the caller recovered
        return self._writing

    def _size(self) -> int:
        return os.fstat(self._file(self._place()[0])).st_size

    def _segments(self) -> list[int]:
        return sorted(int(name[:-4]) for name in os.listdir(self._folder) if name.endswith(".log"))  # noqa: PTH208 - hot

    def _segment_of(self, offset: int) -> int:
        return max(segment for segment in self._segments() if segment <= offset)

    def _file(self, segment: int) -> int:
        if segment not in self._files:
            try:
                self._files[segment] = os.open(self._folder / f"{segment:020}.log", os.O_RDWR)
            except FileNotFoundError:  # retention was faster
                first, end = self.bounds()
                raise PositionOutOfRange(self._topic, self._number, segment, first=first, end=end) from None
        return self._files[segment]

    def _headers(self, segment: int, position: int) -> Iterator[Frame]:
        """Yield the headers of a segment from a byte on, as far as they are headers."""
        handle = self._file(segment)
        size = os.fstat(handle).st_size
        while position < size:
            frame = parse_header(os.pread(handle, HEADER.size, position), position)
            if frame is None:
                return
            yield frame
            position = frame.end

    def _frames_from(self, offset: int) -> Iterator[tuple[Frame, memoryview]]:
        """Yield whole frames from the one that holds the offset on, up to the published end."""
        end, segments = self._published(), self._segments()
        start = 0
        segment = max(number for number in segments if number <= offset)
        if self._reached is not None and self._reached[2] == offset and self._reached[0] == segment:
            start = self._reached[1]
        for number in segments[segments.index(segment) :]:
            expected = max(number, offset) if number == segment and start else number
            for frame in self._headers(number, start):
                if frame.first >= end:
                    return
                expected = frame.next_offset
                if frame.next_offset > offset:
                    data = memoryview(os.pread(self._file(number), HEADER.size + frame.body_bytes, frame.position))
                    if not is_whole(frame, data):
                        raise self._damage(number, frame.position, frame.first)
                    yield frame, data
            behind = [later for later in segments if later > number]
            if expected < (behind[0] if behind else end):
                raise self._damage(number, start, expected)
            start = 0

    def _damage(self, segment: int, position: int, offset: int) -> LogDamaged:
        return LogDamaged(self._topic, self._number, str(self._folder / f"{segment:020}.log"), position, offset)

    def _recover(self) -> None:
        """Find the end of the last segment; cut a torn tail, and publish whole frames that a killed writer left."""
        published = self._published()
        segment = self._segments()[-1]
        position, offset = 0, segment
        for frame in self._headers(segment, 0):
            if frame.next_offset > published:
                data = os.pread(self._file(segment), HEADER.size + frame.body_bytes, frame.position)
                if frame.first != offset or not is_whole(frame, data):
                    break
            position, offset = frame.end, frame.next_offset
        if offset < published:
            raise self._damage(segment, position, offset)
        handle = self._file(segment)
        if os.fstat(handle).st_size > position:
            os.ftruncate(handle, position)
        os.fsync(handle)
        self._writing = segment, position, offset
        END.pack_into(self._end, 0, offset)

    def _begin_segment(self, offset: int) -> int:
        handle = os.open(self._folder / f"{offset:020}.log", os.O_RDWR | os.O_CREAT, 0o644)
        self._files[offset] = handle
        sync_folder(self._folder)
        return offset

    def _drop_expired(self, now: int) -> None:
        """Delete segments all of whose messages are older than the retention; never the last two."""
        if self._settings.retention is None:
            return
        oldest = now // 1000 - self._settings.retention // timedelta(microseconds=1)
        for segment in self._segments()[:-2]:
            if max((frame.latest for frame in self._headers(segment, 0)), default=0) >= oldest:
                return
            (self._folder / f"{segment:020}.log").unlink()
            os.close(self._files.pop(segment))


@dataclass(frozen=True)
class _Stored:
    """What topic.json holds."""

    id: str
    partitions: int
    retention_seconds: float | None
    segment_bytes: int


def describe_topic(identity: str, settings: TopicSettings) -> Mapping[str, object]:
    """Return what topic.json holds."""
    retention = None if settings.retention is None else settings.retention.total_seconds()
    return vars(_Stored(identity, settings.partitions, retention, settings.segment_bytes))


def parse_topic(stored: Mapping[str, object]) -> tuple[str, TopicSettings]:
    """Return the identity and the settings that topic.json holds."""
    topic = _Stored(**stored)  # type: ignore[arg-type] # written by describe_topic
    retention = None if topic.retention_seconds is None else timedelta(seconds=topic.retention_seconds)
    return topic.id, TopicSettings(partitions=topic.partitions, retention=retention, segment_bytes=topic.segment_bytes)


def _write(handle: int, parts: Sequence[bytes], position: int) -> int:
    """Write all parts at the position and return how many bytes they are."""
    total = sum(map(len, parts))
    written = os.pwritev(handle, parts, position)
    if written < total:  # a signal, or more than the kernel takes at once
        rest = memoryview(b"".join(parts))[written:]
        while rest:
            count = os.pwrite(handle, rest, position + total - len(rest))
            rest = rest[count:]
    return total


def write_durably(path: Path, data: bytes) -> None:
    """Replace the file by the data, on the disk when this returns."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in the folder to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
