"""What every broker can do, so that a worker reads an embedded log and Kafka by the same words.

A topic has numbered partitions; a partition is an ordered history of messages; a position is the offset of the message
that is read next. Messages travel as Arrow columns, a batch at a time, because a Python object a message costs more
than all else. Consumers are pulled: what is not asked for is not read, which is how a slow reader slows its source.
"""

import base64
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Self
from zlib import crc32

if TYPE_CHECKING:
    import pyarrow as pa

Positions = Mapping[int, int]

DEAD_LETTERS = ".dead"
"""What follows a topic's name in the name of the topic of its dead letters."""

TRACEPARENT = "traceparent"
"""The header of a message that says in which trace it was sent, where it was sent in one."""
_MOST_TRACES = 32


@dataclass(frozen=True, kw_only=True)
class TopicSettings:
    """How a topic is kept.

    Attributes:
        partitions: histories that are read side by side; messages of one key share one.
        retention: the age from which messages may be deleted; None keeps them for ever.
        segment_bytes: the size from which the embedded log begins a new file; others ignore it.
    """

    partitions: int = 1
    retention: timedelta | None = timedelta(days=7)
    segment_bytes: int = 64 * 1024**2


@dataclass(frozen=True)
class Batch:
    """Messages of one partition, in order.

    Attributes:
        rows: Arrow columns `offset` (int64), `timestamp` (microseconds, UTC), `key`, `value` (large_binary or null).
        next_offset: the position behind the last message; offsets may have gaps, so it is not first + count.
        traces: the different W3C trace contexts in which its messages were sent, some dozens at most.
    """

    topic: str
    partition: int
    rows: "pa.Table"
    next_offset: int
    traces: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    def values(self) -> "list[bytes | None]":
        """Return the values as Python objects; meant for few messages."""
        return list(self.rows.column("value").to_pylist())


StartPositions = Callable[[str, int], "int | None"]
"""Says where a partition that was assigned is read from; None leaves it to the group's committed position."""


class Consumer(ABC):
    """One member of a group. Partitions come and go while it polls, and at no other time."""

    @abstractmethod
    def poll(
        self, *, max_messages: int = 50_000, max_bytes: int = 64 * 1024**2, timeout: timedelta = timedelta(0)
    ) -> list[Batch]:
        """Return the next messages of the partitions it owns, one batch a partition; empty when none came in time.

        At most `max_messages` in all; `max_bytes` is exceeded only by a single message or stored batch that is larger.

        Raises:
            PositionOutOfRange: the messages at a position are no longer kept.
            TopicRecreated: a topic is not the one that it was.
        """

    @abstractmethod
    def assignment(self) -> frozenset[tuple[str, int]]:
        """Return the partitions that it owns now."""

    @abstractmethod
    def seek(self, topic: str, partition: int, offset: int) -> None:
        """Read the partition from the offset on at the next poll; how a batch is redelivered."""

    @abstractmethod
    def commit(self, topic: str, positions: Positions) -> None:
        """Acknowledge: keep the positions from which the group reads on, durably.

        Raises:
            PartitionLost: a partition belongs to another member.
        """

    @abstractmethod
    def close(self) -> None:
        """Leave the group; its partitions are free for others at once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Broker(ABC):
    """Keeps topics."""

    @abstractmethod
    def create_topic(self, topic: str, settings: TopicSettings = TopicSettings()) -> None:
        """Create the topic; nothing happens when it is there with as many partitions.

        Raises:
            InvalidTopic: the name cannot be kept, or it is there with another number of partitions.
        """

    @abstractmethod
    def delete_topic(self, topic: str) -> None:
        """Delete the topic and its messages."""

    @abstractmethod
    def topics(self) -> Mapping[str, int]:
        """Return the number of partitions by topic."""

    @abstractmethod
    def identity(self, topic: str) -> str | None:
        """Return what tells the topic from an earlier or later one of its name; None where the broker does not say.

        Raises:
            TopicNotFound: there is none.
        """

    @abstractmethod
    def produce(
        self,
        topic: str,
        values: Sequence[bytes | None],
        *,
        keys: Sequence[bytes | None] | None = None,
        timestamps: Sequence[int] | None = None,
        partition: int | None = None,
    ) -> Positions:
        """Append the messages and return, by partition, the position behind them, once they are durable.

        Where this code works in a trace, the messages carry it.

        Args:
            topic: the topic's name.
            values: a message each; None is a tombstone.
            keys: of the same length; messages of one key keep their order. Without keys all go to one partition.
            timestamps: microseconds since 1970 in UTC; the present by default.
            partition: the one to write to, whatever the keys.
        """

    @abstractmethod
    def read(self, topic: str, partition: int, offset: int, *, max_messages: int, max_bytes: int) -> Batch:
        """Return messages from the offset on, without a group; an empty batch at the end.

        Raises:
            PositionOutOfRange: the offset is no longer kept, or lies beyond the end.
        """

    @abstractmethod
    def bounds(self, topic: str) -> Mapping[int, tuple[int, int]]:
        """Return, by partition, the first offset that is kept and the offset of the next message."""

    @abstractmethod
    def offset_at(self, topic: str, partition: int, instant: datetime) -> int:
        """Return the offset of the first message whose timestamp is at or after the instant, or the end."""

    @abstractmethod
    def consumer(self, group: str, topic: str, *, start: StartPositions | None = None) -> Consumer:
        """Join a group that reads the topic; unread partitions are read from their first message."""

    @abstractmethod
    def committed(self, group: str, topic: str) -> Positions:
        """Return the group's committed positions, for the partitions that have one."""

    @abstractmethod
    def close(self) -> None:
        """Release what is open."""

    def lag(self, group: str, topic: str) -> Positions:
        """Return, by partition, how many offsets the group's committed position is behind the end."""
        committed = self.committed(group, topic)
        return {
            partition: end - max(committed.get(partition, first), first)
            for partition, (first, end) in self.bounds(topic).items()
        }

    def set_aside(self, batch: Batch, offsets: Mapping[int, str]) -> None:
        """Write the messages at the offsets to the topic of dead letters, each with its reason.

        A dead letter is JSON: topic, partition, offset, timestamp in microseconds, reason, and key and value in base64.
        """
        self.create_topic(batch.topic + DEAD_LETTERS, TopicSettings(retention=None))
        letters = [
            json.dumps(
                {
                    "topic": batch.topic,
                    "partition": batch.partition,
                    "offset": row["offset"],
                    "timestamp": int(row["timestamp"].timestamp() * 1_000_000),
                    "reason": offsets[row["offset"]],
                    "key": None if row["key"] is None else base64.b64encode(row["key"]).decode(),
                    "value": None if row["value"] is None else base64.b64encode(row["value"]).decode(),
                }
            ).encode()
            for row in batch.rows.to_pylist()
            if row["offset"] in offsets
        ]
        self.produce(batch.topic + DEAD_LETTERS, letters, partition=0)


def distinct_traces(traces: Iterable[str]) -> tuple[str, ...]:
    """Return the different traces that there are, in order; of many, the first ones."""
    return tuple(islice(dict.fromkeys(trace for trace in traces if trace), _MOST_TRACES))


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key; the same in every process and version."""
    return crc32(key) % partitions


def build_rows(
    offsets: Sequence[int],
    timestamps: Sequence[int],
    keys: Sequence[bytes | None],
    values: Sequence[bytes | None],
) -> "pa.Table":
    """Return the Arrow columns of a batch from Python values."""
    import pyarrow as pa

    return pa.table(
        [
            pa.array(offsets, pa.int64()),
            pa.array(timestamps, pa.timestamp("us", tz="UTC")),
            pa.array(keys, pa.large_binary()),
            pa.array(values, pa.large_binary()),
        ],
        names=["offset", "timestamp", "key", "value"],
    )
