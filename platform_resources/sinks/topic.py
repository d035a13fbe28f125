"""A topic as a sink: a message a row under the row's key; a deleted row is a message without a value.

On Kafka the messages and the position are one transaction: readers that see committed messages see each change once,
and a publisher that was cut off is fenced. Other brokers have no transactions: a message may come again, under its key.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from platform_resources.brokers import Broker, TopicSettings, open_broker
from platform_resources.sinks.base import Changes, Sink, SinkContext

if TYPE_CHECKING:
    from platform_resources.brokers.kafka import KafkaBroker

_AT_ONCE = 50_000


class TopicSink(Sink):
    """Messages of one dataset in a topic."""

    def __init__(self, broker: Broker, topic: str, partitions: int) -> None:
        """Create the topic where it is missing; its messages are kept, for a reader may come late."""
        self._broker, self._topic = broker, topic
        if topic not in broker.topics():
            broker.create_topic(topic, TopicSettings(partitions=partitions, retention=None))

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


class TransactionalTopicSink(Sink):
    """Messages of one dataset in a topic of Kafka: changes and the position behind them are one transaction."""

    def __init__(self, broker: "KafkaBroker", topic: str, partitions: int, dataset: str) -> None:
        """Create the topic where it is missing, and fence another publisher of the dataset."""
        if topic not in broker.topics():
            broker.create_topic(topic, TopicSettings(partitions=partitions, retention=None))
        self._broker = broker
        self._transactions = broker.transactions(f"publish.{dataset.replace('/', '.')}.{topic}", topic)

    @property
    def keeps_position(self) -> bool:
        """It does, as an offset that Kafka commits with the messages."""
        return True

    def position(self) -> str | None:
        """Return the version of the table that the topic has."""
        position = self._transactions.position()
        return None if position is None else str(position)

    def write(self, changes: Changes) -> None:
        """Append the messages and keep the position, all or nothing."""
        values: list[bytes | None] = [document for _, document in changes.documents()]
        values += [None] * changes.deleted.height
        keys: list[bytes | None] = [name.encode() for name in (*changes.ids, *changes.deleted_ids)]
        self._transactions.write(values, keys, position=int(changes.position))

    def close(self) -> None:
        """Close the clients."""
        self._transactions.close()
        self._broker.close()


def open_sink(options: Mapping[str, Any], context: SinkContext) -> Sink:
    """Open the topic of a dataset."""
    topic, partitions = context.settings.topic_prefix + options["topic"], options["topic_partitions"]
    if context.settings.broker.startswith("kafka://"):
        from platform_resources.brokers.kafka import KafkaBroker  # noqa: PLC0415 - a module of its own client

        broker = open_broker(context.settings)
        if isinstance(broker, KafkaBroker):
            return TransactionalTopicSink(broker, topic, partitions, context.dataset)
    return TopicSink(open_broker(context.settings), topic, partitions)
