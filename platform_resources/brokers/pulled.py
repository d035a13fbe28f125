"""The consumer of brokers that are read by position, and what those that keep messages one by one do alike.

A broker says who the living members are and who owns a partition; this module spreads partitions over members and
keeps what was read apart from what was acknowledged.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from platform_resources.brokers.base import (
    Batch,
    Broker,
    Consumer,
    Positions,
    StartPositions,
    build_rows,
    distinct_traces,
    partition_of,
)
from platform_resources.brokers.errors import PartitionLost

Message = tuple[int, int, bytes | None, bytes | None, str]
"""Offset, time in microseconds, key, value, and the trace in which it was sent."""

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.001, 0.02


class Membership(Protocol):
    """One member's place in its group."""

    def members(self) -> tuple[str, tuple[str, ...]]:
        """Return this member's name and the names of all that live, sorted."""

    def claim(self, partition: int) -> bool:
        """Become the owner of the partition, or return False while another one is."""

    def owns(self, partition: int) -> bool:
        """Say whether it still is the owner."""

    def release(self, partition: int) -> None:
        """Give the partition up."""

    def leave(self) -> None:
        """Give everything up."""


class PulledBroker(Broker):
    """A broker that gives messages one by one: memory, Redis, Pulsar."""

    _next_partition = 0

    def offset_at(self, topic: str, partition: int, instant: datetime) -> int:
        """Return the offset of the first message at or after the instant; all are read, as there is no index."""
        offset, wanted = self.bounds(topic)[partition][0], int(instant.timestamp() * 1_000_000)
        while batch := self.read(topic, partition, offset, max_messages=10_000, max_bytes=1 << 26):
            for row in batch.rows.select(["offset", "timestamp"]).to_pylist():
                if int(row["timestamp"].timestamp() * 1_000_000) >= wanted:
                    return int(row["offset"])
            offset = batch.next_offset
        return offset

    def _spread(
        self, messages: int, keys: Sequence[bytes | None] | None, count: int, partition: int | None
    ) -> list[int]:
        """Return the partition of each message: the one that is asked for, its key's, or the next one for all."""
        self._next_partition = sticky = (self._next_partition + 1) % count
        if partition is not None or keys is None:
            return [sticky if partition is None else partition] * messages
        return [sticky if key is None else partition_of(key, count) for key in keys]


def as_batch(topic: str, partition: int, offset: int, messages: Sequence[Message]) -> Batch:
    """Return messages that were read from an offset on as a batch."""
    offsets, times, keys, values, traces = zip(*messages, strict=True) if messages else ((), (), (), (), ())
    end = offsets[-1] + 1 if messages else offset
    return Batch(topic, partition, build_rows(offsets, times, keys, values), end, distinct_traces(traces))


def fitting(messages: Iterable[Message], max_bytes: int) -> Iterator[Message]:
    """Yield messages until they are larger together; the first one in any case."""
    is_first = True
    for message in messages:
        max_bytes -= len(message[2] or b"") + len(message[3] or b"")
        if max_bytes < 0 and not is_first:
            return
        is_first = False
        yield message


class PulledConsumer(Consumer):
    """Reads partitions by position and agrees with the other members on who reads which."""

    def __init__(
        self,
        broker: Broker,
        *,
        group: str,
        topic: str,
        membership: Membership,
        store: Callable[[int, int], None],
        start: StartPositions | None = None,
    ) -> None:
        """Take `store`, which keeps (partition, position) durably."""
        self._broker, self._group, self._topic = broker, group, topic
        self._membership, self._store, self._start = membership, store, start
        self._positions: dict[int, int] = {}
        self._turn = 0

    def poll(
        self, *, max_messages: int = 50_000, max_bytes: int = 64 * 1024**2, timeout: timedelta = timedelta(0)
    ) -> list[Batch]:
        """Return the next messages of the partitions it owns; see the base."""
        deadline, wait = time.monotonic() + timeout.total_seconds(), _FIRST_WAIT_SECONDS
        while True:
            self._rebalance()
            batches = self._read(max_messages, max_bytes)
            remaining = deadline - time.monotonic()
            if batches or remaining <= 0:
                return batches
            time.sleep(min(wait, remaining))
            wait = min(wait * 2, _LONGEST_WAIT_SECONDS)

    def assignment(self) -> frozenset[tuple[str, int]]:
        """Return the partitions that it owns now."""
        return frozenset((self._topic, partition) for partition in self._positions)

    def seek(self, topic: str, partition: int, offset: int) -> None:
        """Read the partition from the offset on at the next poll."""
        if topic != self._topic or partition not in self._positions:
            raise PartitionLost(topic, partition, self._group)
        self._positions[partition] = offset

    def commit(self, topic: str, positions: Positions) -> None:
        """Keep the positions from which the group reads on."""
        for partition in positions:
            if topic != self._topic or partition not in self._positions or not self._membership.owns(partition):
                raise PartitionLost(topic, partition, self._group)
        for partition, position in positions.items():
            self._store(partition, position)

    def close(self) -> None:
        """Leave the group."""
        self._positions.clear()
        self._membership.leave()

    def _rebalance(self) -> None:
        name, members = self._membership.members()
        partitions = range(self._broker.topics().get(self._topic, 0))
        place = members.index(name)
        share = {partition for partition in partitions if partition % len(members) == place}
        for partition in sorted(set(self._positions)):
            if partition not in share or not self._membership.owns(partition):
                del self._positions[partition]
                self._membership.release(partition)
        for partition in sorted(share - set(self._positions)):
            if self._membership.claim(partition):
                try:
                    self._positions[partition] = self._first_position(partition)
                except BaseException:
                    self._membership.release(partition)  # else nobody would ever read it
                    raise

    def _first_position(self, partition: int) -> int:
        position = None if self._start is None else self._start(self._topic, partition)
        if position is None:
            position = self._broker.committed(self._group, self._topic).get(partition)
        return self._broker.bounds(self._topic)[partition][0] if position is None else position

    def _read(self, max_messages: int, max_bytes: int) -> list[Batch]:
        batches, positions = [], dict(self._positions)
        partitions = sorted(positions)
        self._turn += 1  # another partition is first each time, so that a full one starves no other
        for partition in (
            partitions[self._turn % max(1, len(partitions)) :] + partitions[: self._turn % max(1, len(partitions))]
        ):
            if max_messages <= 0 or max_bytes <= 0:
                break
            batch = self._broker.read(
                self._topic, partition, positions[partition], max_messages=max_messages, max_bytes=max_bytes
            )
            positions[partition] = batch.next_offset
            if len(batch):
                batches.append(batch)
                max_messages -= len(batch)
                max_bytes -= batch.rows.nbytes
        self._positions = positions  # now: what was read before another partition did not answer is read again
        return batches
