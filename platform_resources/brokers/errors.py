"""What can go wrong between a stream and its broker; each message names the topic, the culprit and the fix."""

from collections.abc import Sequence
from typing import ClassVar

from platform_resources.errors import ResourceError


class BrokerError(ResourceError):
    """Something about one topic of a broker."""

    def __init__(self, topic: str, problem: str, *, fix: str) -> None:
        self.topic = topic
        super().__init__(f"topic {topic!r}: {problem}. Fix: {fix}.")


class TopicNotFound(BrokerError):
    """A topic was read or written before it was created."""

    def __init__(self, topic: str, available: Sequence[str]) -> None:
        self.available = tuple(available)
        names = ", ".join(sorted(self.available)[:20]) or "none"
        super().__init__(topic, f"the broker has no such topic; it has: {names}", fix="create it, or correct its name")


class InvalidTopic(BrokerError):
    """A topic has a name or a shape that a broker cannot keep."""


class TopicRecreated(BrokerError):
    """A topic was deleted and created again under a consumer, so that its positions mean other messages."""

    def __init__(self, topic: str) -> None:
        super().__init__(
            topic,
            "it was deleted and created again while it was read, so the positions point into another history",
            fix="start the reader again with the position from which it shall read the new topic",
        )


class PositionOutOfRange(BrokerError):
    """A position lies before the first message that is kept, or beyond the last."""

    def __init__(self, topic: str, partition: int, position: int, *, first: int, end: int) -> None:
        self.partition, self.position, self.first, self.end = partition, position, first, end
        missing = f"; {first - position} messages are gone" if position < first else ""
        super().__init__(
            topic,
            f"partition {partition} has messages from {first} up to {end} (exclusive), not {position}{missing}",
            fix="read from a position that is kept, and keep messages longer than the longest pause of a reader",
        )


class PartitionLost(BrokerError):
    """A member committed for a partition that now belongs to another member of its group."""

    def __init__(self, topic: str, partition: int, group: str) -> None:
        self.partition, self.group = partition, group
        super().__init__(
            topic,
            f"partition {partition} no longer belongs to this member of group {group!r}; nothing was committed",
            fix="drop what was read from it; the new owner reads it again",
        )


class LogDamaged(BrokerError):
    """A segment of the embedded log does not hold what was written."""

    def __init__(self, topic: str, partition: int, segment: str, position_bytes: int, offset: int) -> None:
        self.partition, self.segment, self.position_bytes, self.offset = partition, segment, position_bytes, offset
        super().__init__(
            topic,
            f"partition {partition}: the batch at offset {offset} (byte {position_bytes} of {segment}) fails its "
            "checksum, and lies before the last acknowledged message",
            fix="bring the segment back from a copy, or read on behind it by seeking to the next segment's offset",
        )


class MessageTooLarge(BrokerError):
    """A message is larger than its topic or broker admits."""

    def __init__(self, topic: str, size_bytes: int, limit_bytes: int) -> None:
        self.size_bytes, self.limit_bytes = size_bytes, limit_bytes
        super().__init__(
            topic,
            f"a message of {size_bytes} bytes is larger than {limit_bytes} bytes",
            fix="write the value to the lake and send its path, or raise the broker's limit",
        )


class BrokerFull(BrokerError):
    """The disk of the embedded log is full; nothing of the batch was kept."""

    transient: ClassVar[bool] = True

    def __init__(self, topic: str, folder: str) -> None:
        self.folder = folder
        super().__init__(
            topic,
            f"no space is left at {folder}; nothing of this batch was kept",
            fix="free space or shorten retention",
        )


class BrokerUnreachable(BrokerError):
    """The broker does not answer."""

    transient: ClassVar[bool] = True

    def __init__(self, topic: str, address: str, problem: str) -> None:
        self.address = address
        super().__init__(
            topic, f"the broker at {address} does not answer ({problem})", fix="start it, or check PLATFORM_BROKER"
        )


class BrokerClientMissing(ResourceError):
    """The package that speaks to a broker is not installed."""

    def __init__(self, kind: str, package: str, extra: str) -> None:
        self.package = package
        super().__init__(
            f"PLATFORM_BROKER: {kind} needs the package {package}, which is not installed. "
            f"Fix: pip install 'dagster-asset-platform[{extra}]'."
        )


class WriterFenced(BrokerError):
    """A writer in transactions was overtaken by another one of its name."""

    transient: ClassVar[bool] = True

    def __init__(self, topic: str, name: str) -> None:
        self.name = name
        super().__init__(
            topic,
            f"another writer took over the transactions of {name!r}, and nothing of this one's last is to be seen",
            fix="let one publisher of a dataset run at a time; this one begins anew where the other is",
        )
