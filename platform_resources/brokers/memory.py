"""A broker in the memory of one process, for tests."""

import time
import uuid
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from platform_resources.brokers.base import (
    Batch,
    Consumer,
    Positions,
    StartPositions,
    TopicSettings,
)
from platform_resources.brokers.errors import InvalidTopic, PositionOutOfRange, TopicNotFound
from platform_resources.brokers.pulled import Message, PulledBroker, PulledConsumer, as_batch, fitting
from platform_resources.telemetry import current_traceparent


class MemoryBroker(PulledBroker):
    """Keeps all messages until the topic is deleted; nothing survives the process."""

    def __init__(self, *, clock: Callable[[], int] = time.time_ns) -> None:
        """Take the clock in nanoseconds."""
        self._clock = clock
        self._topics: dict[str, list[list[Message]]] = {}
        self._identities: dict[str, str] = {}
        self._committed: dict[tuple[str, str], dict[int, int]] = {}
        self._members: dict[tuple[str, str], list[str]] = {}
        self._owners: dict[tuple[str, str], dict[int, str]] = {}

    def create_topic(self, topic: str, settings: TopicSettings = TopicSettings()) -> None:  # noqa: B008
        """Create the topic."""
        if not topic or settings.partitions < 1:
            raise InvalidTopic(topic, "it needs a name and a partition", fix="rename it")
        partitions = len(self._topics.setdefault(topic, [[] for _ in range(settings.partitions)]))
        self._identities.setdefault(topic, uuid.uuid4().hex)
        if partitions != settings.partitions:
            raise InvalidTopic(
                topic, f"it has {partitions} partitions, not {settings.partitions}", fix="declare as many"
            )

    def delete_topic(self, topic: str) -> None:
        """Delete the topic."""
        self._histories(topic)
        del self._topics[topic], self._identities[topic]
        for name in [name for name in self._committed if name[1] == topic]:
            del self._committed[name]

    def topics(self) -> Mapping[str, int]:
        """Return the number of partitions by topic."""
        return {name: len(partitions) for name, partitions in sorted(self._topics.items())}

    def identity(self, topic: str) -> str | None:
        """Return the id that the topic was given when it was created."""
        self._histories(topic)
        return self._identities[topic]

    def produce(
        self,
        topic: str,
        values: Sequence[bytes | None],
        *,
        keys: Sequence[bytes | None] | None = None,
        timestamps: Sequence[int] | None = None,
        partition: int | None = None,
    ) -> Positions:
        """Append the messages."""
        histories = self._histories(topic)
        times = [self._clock() // 1000] * len(values) if timestamps is None else timestamps
        ends, trace = dict[int, int](), current_traceparent()
        numbers = self._spread(len(values), keys, len(histories), partition)
        for number, at, key, value in zip(numbers, times, keys or [None] * len(values), values, strict=True):
            histories[number].append((len(histories[number]), at, key, value, trace))
            ends[number] = len(histories[number])
        return ends

    def read(self, topic: str, partition: int, offset: int, *, max_messages: int, max_bytes: int) -> Batch:
        """Return messages from the offset on."""
        history = self._histories(topic)[partition]
        if not 0 <= offset <= len(history):
            raise PositionOutOfRange(topic, partition, offset, first=0, end=len(history))
        messages = [*fitting(history[offset : offset + max_messages], max_bytes)]
        return as_batch(topic, partition, offset, messages)

    def bounds(self, topic: str) -> Mapping[int, tuple[int, int]]:
        """Return the first and the next offset by partition."""
        return {number: (0, len(history)) for number, history in enumerate(self._histories(topic))}

    def offset_at(self, topic: str, partition: int, instant: datetime) -> int:
        """Return the offset of the first message at or after the instant."""
        history, at = self._histories(topic)[partition], int(instant.timestamp() * 1_000_000)
        return next((message[0] for message in history if message[1] >= at), len(history))

    def consumer(self, group: str, topic: str, *, start: StartPositions | None = None) -> Consumer:
        """Join a group."""
        self._histories(topic)
        positions = self._committed.setdefault((group, topic), {})
        membership = _Membership(
            self._members.setdefault((group, topic), []), self._owners.setdefault((group, topic), {})
        )
        return PulledConsumer(
            self, group=group, topic=topic, membership=membership, store=positions.__setitem__, start=start
        )

    def committed(self, group: str, topic: str) -> Positions:
        """Return the group's committed positions."""
        return dict(self._committed.get((group, topic), {}))

    def close(self) -> None:
        """Nothing is open."""

    def _histories(self, topic: str) -> list[list[Message]]:
        if topic not in self._topics:
            raise TopicNotFound(topic, list(self._topics))
        return self._topics[topic]


class _Membership:
    """Members and owners are entries of lists."""

    def __init__(self, members: list[str], owners: dict[int, str]) -> None:
        self._name, self._all, self._owners = uuid.uuid4().hex, members, owners
        members.insert(bisect_left(members, self._name), self._name)

    def members(self) -> tuple[str, tuple[str, ...]]:
        return self._name, tuple(self._all)

    def claim(self, partition: int) -> bool:
        return self._owners.setdefault(partition, self._name) == self._name

    def owns(self, partition: int) -> bool:
        return self._owners.get(partition) == self._name

    def release(self, partition: int) -> None:
        if self.owns(partition):
            del self._owners[partition]

    def leave(self) -> None:
        for partition in [number for number, owner in self._owners.items() if owner == self._name]:
            del self._owners[partition]
        self._all.remove(self._name)
