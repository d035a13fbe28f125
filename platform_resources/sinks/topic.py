"""A topic as a sink: a message a row under the row's key; a deleted row is a message without a value.

On Kafka the messages and the position are one transaction: readers that see committed messages see each change once,
and a publisher that was cut off is fenced. Other brokers have no transactions: a message may come again, under its key.
"""

from collections.abc import Mapping
from typing import Any

from platform_resources.brokers import Broker, TopicSettings, open_broker
from platform_resources.sinks.base import Changes, Sink, SinkContext

_AT_ONCE = 50_000


class TopicSink(Sink):
    """Messages of one dataset in a topic."""

    def __init__(self, broker: Broker, topic: str, partitions: int) -> None:
        """Create the topic where it is missing; its messages are kept, for a reader may come late."""
        self._broker, self._topic = broker, topic
        if topic not in broker.topics():
            broker.create_topic(topic, TopicSettings(partitions=partitions))

    def write(self, changes: Changes) -> None:
        """Append the messages."""
        values: list[bytes | None] = [document for _, document in changes.documents()]
        values += [None] * changes.deleted.height
        keys = [name.encode() for name in (*changes.ids, *changes.deleted_ids)]
        for start in range(0, len(values), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            self._broker.produce(self._topic, values[part], keys=keys[part])

    def close(self) -> None:
        """Close the broker's client."""
        self._broker.close()


def open_sink(options: Mapping[str, Any], context: SinkContext) -> Sink:
    """Open the topic of a dataset."""
    broker = open_broker(context.settings)
    return TopicSink(broker, context.settings.topic_prefix + options["topic"], options["topic_partitions"])
