"""A topic as a source: a unit is what a partition has beyond the group's position, which follows the table's."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from platform_resources.brokers import open_broker
from platform_resources.brokers.base import Batch as Messages
from platform_resources.brokers.decoding import decode
from platform_resources.readers import Malformed
from platform_resources.sources.base import Batch, Cursor, SourceContext, Unit, digest

_MESSAGES = 50_000


@dataclass(frozen=True)
class TopicMessages:
    """The messages of a topic that a dataset's worker has not taken in."""

    topic: str
    context: SourceContext = field(repr=False)
    form: str = "json"

    def describe(self) -> str:
        """Say which topic is read."""
        return f"message in topic {self.topic}"

    def pending(self, cursor: Cursor) -> Sequence[Unit]:
        """List the partitions with messages beyond the group's position; the ingest log has no part in it."""
        del cursor
        broker = open_broker(self.context.settings)
        try:
            if self.topic not in broker.topics():
                return []
            lag = broker.lag(group_of(self.context.dataset), self.topic)
            ends = {number: end for number, (_, end) in broker.bounds(self.topic).items()}
        finally:
            broker.close()
        sources = {number: f"{self.topic}/{number}" for number, count in sorted(lag.items()) if count > 0}
        return [
            Unit(source, f"{ends[number] - lag[number]}-{ends[number]}", ingest_id=digest(source, b""))
            for number, source in sources.items()
        ]

    def identify(self, unit: Unit) -> Unit:
        """Return the unit; its offsets are its identity."""
        return unit

    def read(self, unit: Unit, columns: Sequence[str] | None = None) -> Iterator[Batch]:
        """Yield the messages of the unit as rows; what is no JSON object is malformed."""
        position, end = map(int, unit.stamp.split("-"))
        partition = int(unit.source.rpartition("/")[2])
        first = 1
        broker = open_broker(self.context.settings)
        try:
            while position < end:
                batch = broker.read(self.topic, partition, position, max_messages=_MESSAGES, max_bytes=1 << 26)
                if not len(batch):
                    return
                decoded = decode(batch, columns, extra="ignore", form=self.form)
                yield Batch(
                    decoded.rows,
                    first,
                    lines=decoded.offsets,
                    line_word="offset",
                    malformed=_malformed(batch, decoded.poison, first),
                )
                position, first = batch.next_offset, first + len(batch)
        finally:
            broker.close()


def _malformed(batch: Messages, poison: Mapping[int, str], first: int) -> list[Malformed]:
    """Return the messages that are no rows, numbered among all of the batch; their line is their offset."""
    messages = zip(batch.rows["offset"].to_pylist(), batch.values(), strict=True) if poison else ()
    return [
        Malformed(line=offset, reason=poison[offset], text=(value or b"").decode("utf-8", "replace"), record=number)
        for number, (offset, value) in enumerate(messages, first)
        if offset in poison
    ]


def group_of(dataset: str) -> str:
    """Return the name of the group in which a dataset's workers read."""
    return dataset.replace("/", ".")


def open_source(options: Mapping[str, Any], context: SourceContext) -> TopicMessages:
    """Open the topic of a dataset."""
    topic = context.settings.topic_prefix + options["topic"]
    return TopicMessages(topic, context, options["format"])
