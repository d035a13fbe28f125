"""The embedded log: durable topics in a folder, for several processes, without a server.

A partition is a folder of segments; a segment is a row of frames and is named by its first offset. A writer holds the
partition's lock, writes, syncs, and only then publishes the new end, eight bytes that readers have mapped: they see
nothing that a crash could take back. What a killed writer left behind the end is kept where it is whole and cut where
it is torn; a frame before the end that fails its checksum is damage, and is said.
"""

import json
import re
import shutil
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from platform_resources.brokers.base import (
    Batch,
    Broker,
    Consumer,
    Positions,
    StartPositions,
    TopicSettings,
    partition_of,
)
from platform_resources.brokers.errors import (
    InvalidTopic,
    MessageTooLarge,
    TopicNotFound,
)
from platform_resources.brokers.frames import (
    LARGEST_MESSAGE,
)
from platform_resources.brokers.locks import LockedMembership
from platform_resources.brokers.pulled import PulledConsumer
from platform_resources.brokers.segments import END, Partition, describe_topic, parse_topic, sync_folder, write_durably

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
_TOPICS, _GROUPS = "topics", "groups"


class LogBroker(Broker):
    """Topics below a folder of this machine; the folder must lie on a local disk, because it relies on file locks."""

    def __init__(self, folder: str, *, clock: Callable[[], int] = time.time_ns) -> None:
        """Take the clock, in nanoseconds, by which messages without a timestamp and retention go."""
        self._folder, self._clock = Path(folder), clock
        self._partitions: dict[tuple[str, int], Partition] = {}
        self._settings: dict[str, tuple[str, TopicSettings]] = {}
        self._next_partition = 0

    def create_topic(self, topic: str, settings: TopicSettings = TopicSettings()) -> None:  # noqa: B008
        """Create the topic; see the base."""
        if not _NAME.fullmatch(topic) or settings.partitions < 1:
            raise InvalidTopic(topic, "it needs a name of letters, digits, . _ - and a partition", fix="rename it")
        folder = self._folder / _TOPICS / topic
        if not (folder / "topic.json").exists():
            draft = folder.with_name(f".{topic}.{uuid.uuid4().hex}")
            for partition in range(settings.partitions):
                (draft / str(partition)).mkdir(parents=True)
                (draft / str(partition) / "end").write_bytes(END.pack(0))
                (draft / str(partition) / f"{0:020}.log").touch()
            write_durably(draft / "topic.json", json.dumps(describe_topic(uuid.uuid4().hex, settings)).encode())
            try:
                draft.rename(folder)
            except OSError:  # another process was first
                shutil.rmtree(draft)
            sync_folder(folder.parent)
        partitions = self._topic(topic)[1].partitions
        if partitions != settings.partitions:
            raise InvalidTopic(
                topic,
                f"it has {partitions} partitions, not {settings.partitions}; keys would move",
                fix=f"declare {partitions} partitions, or a new topic",
            )

    def delete_topic(self, topic: str) -> None:
        """Delete the topic, its messages and the positions of its groups."""
        self._topic(topic)
        folder = self._folder / _TOPICS / topic
        doomed = folder.with_name(f".{topic}.{uuid.uuid4().hex}")
        folder.rename(doomed)
        shutil.rmtree(doomed)
        for positions in (self._folder / _GROUPS).glob(f"*/{topic}/*.position"):
            positions.unlink()
        self._settings.pop(topic, None)
        for name in [name for name in self._partitions if name[0] == topic]:
            self._partitions.pop(name).close()

    def topics(self) -> Mapping[str, int]:
        """Return the number of partitions by topic."""
        folder = self._folder / _TOPICS
        names = [path.name for path in folder.iterdir() if path.name[0] != "."] if folder.exists() else []
        return {name: self._topic(name)[1].partitions for name in sorted(names)}

    def identity(self, topic: str) -> str | None:
        """Return the id that was written when the topic was created; read anew each time."""
        self._topic(topic)
        try:
            stored = json.loads((self._folder / _TOPICS / topic / "topic.json").read_text())
        except FileNotFoundError:
            raise TopicNotFound(topic, list(self.topics())) from None
        return parse_topic(stored)[0]

    def produce(
        self,
        topic: str,
        values: Sequence[bytes | None],
        *,
        keys: Sequence[bytes | None] | None = None,
        timestamps: Sequence[int] | None = None,
        partition: int | None = None,
    ) -> Positions:
        """Append the messages; each partition's part is synced to the disk before this returns."""
        count = self._topic(topic)[1].partitions
        if not values:
            return {}
        times = [self._clock() // 1000] * len(values) if timestamps is None else timestamps
        largest = max(len(value or b"") for value in values)
        if largest > LARGEST_MESSAGE:
            raise MessageTooLarge(topic, largest, LARGEST_MESSAGE)
        if partition is None and count > 1 and keys is not None:
            return self._produce_by_key(topic, values, keys, times)
        if partition is None:
            partition = self._next_partition = (self._next_partition + 1) % count
        return {partition: self._open(topic, partition).append(times, keys, values, self._clock())}

    def read(self, topic: str, partition: int, offset: int, *, max_messages: int, max_bytes: int) -> Batch:
        """Return messages from the offset on; see the base."""
        return self._open(topic, partition).read(offset, max_messages, max_bytes)

    def bounds(self, topic: str) -> Mapping[int, tuple[int, int]]:
        """Return, by partition, the first offset that is kept and the offset of the next message."""
        return {number: self._open(topic, number).bounds() for number in range(self._topic(topic)[1].partitions)}

    def offset_at(self, topic: str, partition: int, instant: datetime) -> int:
        """Return the offset of the first message at or after the instant, or the end."""
        return self._open(topic, partition).offset_at(int(instant.timestamp() * 1_000_000))

    def consumer(self, group: str, topic: str, *, start: StartPositions | None = None) -> Consumer:
        """Join a group."""
        if not _NAME.fullmatch(group):
            raise InvalidTopic(
                topic, f"group {group!r} has characters other than letters, digits, . _ -", fix="rename it"
            )
        self._topic(topic)
        folder = self._folder / _GROUPS / group / topic
        return PulledConsumer(
            self,
            group=group,
            topic=topic,
            membership=LockedMembership(folder),
            store=lambda partition, position: write_durably(folder / f"{partition}.position", str(position).encode()),
            start=start,
        )

    def committed(self, group: str, topic: str) -> Positions:
        """Return the group's committed positions."""
        folder = self._folder / _GROUPS / group / topic
        return {int(path.stem): int(path.read_text()) for path in sorted(folder.glob("*.position"))}

    def close(self) -> None:
        """Close the files."""
        for partition in self._partitions.values():
            partition.close()
        self._partitions.clear()

    def _produce_by_key(
        self, topic: str, values: Sequence[bytes | None], keys: Sequence[bytes | None], times: Sequence[int]
    ) -> Positions:
        count = self._topic(topic)[1].partitions
        rows: dict[int, list[int]] = {}
        for index, key in enumerate(keys):
            rows.setdefault(0 if key is None else partition_of(key, count), []).append(index)
        return {
            partition: self._open(topic, partition).append(
                [times[i] for i in chosen], [keys[i] for i in chosen], [values[i] for i in chosen], self._clock()
            )
            for partition, chosen in sorted(rows.items())
        }

    def _topic(self, topic: str) -> tuple[str, TopicSettings]:
        """Return the topic's identity and settings; read once, because each partition checks that they still hold."""
        if topic not in self._settings:
            path = self._folder / _TOPICS / topic / "topic.json"
            if not _NAME.fullmatch(topic) or not path.exists():
                folder = self._folder / _TOPICS
                raise TopicNotFound(topic, [p.name for p in folder.glob("[!.]*")] if folder.exists() else [])
            self._settings[topic] = parse_topic(json.loads(path.read_text()))
        return self._settings[topic]

    def _open(self, topic: str, partition: int) -> Partition:
        identity, settings = self._topic(topic)
        if not 0 <= partition < settings.partitions:
            raise InvalidTopic(
                topic, f"there is no partition {partition}; it has {settings.partitions}", fix="name one"
            )
        opened = self._partitions.get((topic, partition))
        if opened is None:
            opened = Partition(self._folder / _TOPICS / topic, topic, partition, identity, settings)
            self._partitions[topic, partition] = opened
        opened.refuse_another_history()
        return opened
