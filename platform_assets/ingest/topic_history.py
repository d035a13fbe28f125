"""Which topic a table's positions belong to: one that was deleted and made again has another history under its name.

Each commit of a micro-batch keeps, beside the position, a number made of the topic's identity. A position that was
written before there were any is taken for the present topic's once. Where a person decided to begin anew, the rows of
the new history come from `topic~identity/partition`, so that none is taken for one of the history before.
"""

import hashlib
from collections.abc import Sequence

from platform_assets.ingest.tables import table_spec
from platform_core.contracts import Dataset
from platform_core.contracts.sources import Topic
from platform_core.errors import CoreError
from platform_resources.brokers import Broker
from platform_resources.storage import Lake


class TopicReplaced(CoreError):
    """A topic was deleted and created again, so that a table's positions do not mean its messages."""

    def __init__(self, dataset: str, topic: str, *, stored: int, present: int) -> None:
        self.dataset, self.topic = dataset, topic
        self.stored, self.present = _number_text(stored), _number_text(present)
        command = f"platform stream restart {dataset}"
        super().__init__(
            f"{dataset}: topic {topic!r} was deleted and created again: it is {self.present}, and the table's position "
            f"belongs to {self.stored}. Nothing of it was taken in. Fix: "
            f"`{command} --from-beginning` reads the new topic from its first message; "
            f"`{command} --keep-position` goes on behind the position, where it holds the same messages."
        )


def topic_of(dataset: Dataset) -> Topic:
    """Return the topic that the dataset declares.

    Raises:
        TypeError: Its source is none.
    """
    topic = None if dataset.source is None else dataset.source.stream
    if topic is None:
        raise TypeError(f"{dataset.name} is no stream")
    return topic


def topic_name(lake: Lake, dataset: Dataset) -> str:
    """Return the topic's name at the broker: the declared one behind the environment's prefix."""
    return lake.settings.topic_prefix + topic_of(dataset).topic


def history_name(lake: Lake, dataset: Dataset) -> str:
    """Return the name from which rows come now: the topic's, with an identity where it was begun anew."""
    topic, spec = topic_name(lake, dataset), table_spec(dataset)
    begun = lake.position(spec, _beginning(topic)) if lake.exists(spec) else None
    return topic if begun is None else f"{topic}~{_number_text(begun)}"


def stream_id(history: str, partition: int) -> str:
    """Return the name under which the table remembers the position in a partition."""
    return f"stream:{history}/{partition}"


def identity_id(history: str, partition: int) -> str:
    """Return the name under which the table remembers whose position it is."""
    return f"topic:{history}/{partition}"


def present_identity(broker: Broker, topic: str) -> int | None:
    """Return the number of the topic's identity, below 2**63; None where the broker gives it none."""
    identity = broker.identity(topic)
    if identity is None:
        return None
    return int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=8).digest()) >> 1


def read_positions(
    lake: Lake, dataset: Dataset, partitions: Sequence[int], history: str | None = None
) -> dict[int, int | None]:
    """Return, by partition, the offset behind the last message that the table has; None where it has none."""
    spec = table_spec(dataset)
    if not lake.exists(spec):
        return dict.fromkeys(partitions)
    name = history_name(lake, dataset) if history is None else history
    return {partition: lake.position(spec, stream_id(name, partition)) for partition in partitions}


def refuse_replaced(lake: Lake, dataset: Dataset, broker: Broker) -> int | None:
    """Return the number of the topic's identity.

    Raises:
        TopicReplaced: The table's position in a partition belongs to another topic.
    """
    topic, spec = topic_name(lake, dataset), table_spec(dataset)
    present = present_identity(broker, topic)
    if present is not None and lake.exists(spec):
        history = history_name(lake, dataset)
        for partition in range(broker.topics()[topic]):
            stored = lake.position(spec, identity_id(history, partition))
            if stored is not None and stored != present:
                raise TopicReplaced(dataset.name, topic, stored=stored, present=present)
    return present


def restart_topic(lake: Lake, dataset: Dataset, broker: Broker, *, from_beginning: bool) -> Sequence[int]:
    """Let the table go on with the topic that is there now; return the partitions whose position was another topic's.

    Nothing is written where there are none. From the beginning, the rows of the topic before stay; otherwise the
    messages before each position are passed over.
    """
    topic, spec = topic_name(lake, dataset), table_spec(dataset)
    present = present_identity(broker, topic)
    if present is None or not lake.exists(spec):
        return []
    history = history_name(lake, dataset)
    names = {partition: identity_id(history, partition) for partition in range(broker.topics()[topic])}
    stored = {partition: lake.position(spec, name) for partition, name in names.items()}
    others = [partition for partition, number in stored.items() if number not in (None, present)]
    nothing = lake.scan(spec).limit(0).collect()
    if others and from_beginning:
        begun = lake.position(spec, _beginning(topic))
        lake.write(spec, nothing, transaction=(_beginning(topic), present), expected_position=begun)
    for partition in () if from_beginning else others:
        lake.write(spec, nothing, transaction=(names[partition], present), expected_position=stored[partition])
    return others


def _beginning(topic: str) -> str:
    return f"beginning:{topic}"


def _number_text(number: int) -> str:
    return f"{number:016x}"
