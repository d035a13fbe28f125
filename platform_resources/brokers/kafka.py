"""Kafka by confluent-kafka: idempotent producers that batch, readers that see committed transactions only.

Groups, owners and positions are Kafka's own.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from platform_resources.brokers.base import (
    TRACEPARENT,
    Batch,
    Broker,
    Consumer,
    Positions,
    StartPositions,
    TopicSettings,
    build_rows,
    distinct_traces,
)
from platform_resources.brokers.errors import (
    BrokerClientMissing,
    BrokerError,
    BrokerUnreachable,
    InvalidTopic,
    MessageTooLarge,
    PartitionLost,
    PositionOutOfRange,
    TopicNotFound,
    WriterFenced,
)
from platform_resources.telemetry import current_traceparent

if TYPE_CHECKING:
    from confluent_kafka import Message

_PRESENCE = {
    "log_level": 2,  # else a page of lines at each restart of a broker
    "reconnect.backoff.max.ms": 300,  # else up to 10 s before a client is back
}
_SECONDS = 30.0
_NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
"""An id of zeros, in base64."""
_LARGEST_MESSAGE = 1_000_000
"""What librdkafka admits where nothing else is set."""


class KafkaBroker(Broker):
    """Topics of a Kafka cluster."""

    def __init__(self, servers: str, options: Mapping[str, str | int | float | bool] | None = None) -> None:
        """Take `host:port,…` and properties of librdkafka, such as those of SASL, which hold secrets.

        Raises:
            BrokerClientMissing: confluent-kafka is not installed.
        """
        try:
            import confluent_kafka  # noqa: F401 - asked for early
        except ImportError as error:
            raise BrokerClientMissing("kafka://", "confluent-kafka", "kafka") from error
        self._servers = servers
        self._common: dict[str, Any] = {**_PRESENCE, **(options or {}), "bootstrap.servers": servers}
        self._opened: dict[str, Any] = {}

    def create_topic(self, topic: str, settings: TopicSettings = TopicSettings()) -> None:  # noqa: B008
        """Create the topic: replicated three times where there are brokers, two of which must have a message."""
        from confluent_kafka import KafkaError, KafkaException
        from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined] # not in its __all__

        with self._errors(topic):
            copies = min(3, len(self._admin.list_topics(timeout=_SECONDS).brokers))
            retention = -1 if settings.retention is None else settings.retention // timedelta(milliseconds=1)
            config = {"retention.ms": str(retention), "min.insync.replicas": str(min(2, copies))}
            new = NewTopic(topic, settings.partitions, copies, config=config)
            try:
                self._admin.create_topics([new])[topic].result(_SECONDS)
            except KafkaException as error:
                if error.args[0].code() == KafkaError.TOPIC_EXCEPTION:
                    raise InvalidTopic(topic, "Kafka does not keep such a name", fix="rename it") from error
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
            self._await(topic, present=True)
        partitions = self.topics()[topic]
        if partitions != settings.partitions:
            raise InvalidTopic(
                topic, f"it has {partitions} partitions, not {settings.partitions}", fix="declare as many"
            )

    def delete_topic(self, topic: str) -> None:
        """Delete the topic."""
        self._count(topic)
        with self._errors(topic):
            self._admin.delete_topics([topic])[topic].result(_SECONDS)
            self._await(topic, present=False)

    def topics(self) -> Mapping[str, int]:
        """Return the number of partitions by topic."""
        with self._errors("*"):
            listed = self._admin.list_topics(timeout=_SECONDS).topics
        return {name: len(topic.partitions) for name, topic in sorted(listed.items()) if not name.startswith("__")}

    def identity(self, topic: str) -> str | None:
        """Return Kafka's id of the topic; None from brokers before 2.8, which give none."""
        from confluent_kafka import TopicCollection

        self._count(topic)
        with self._errors(topic):
            described = self._admin.describe_topics(TopicCollection([topic]), request_timeout=_SECONDS)
            identity = str(described[topic].result(_SECONDS).topic_id)
        return None if identity == _NO_ID else identity

    def produce(
        self,
        topic: str,
        values: Sequence[bytes | None],
        *,
        keys: Sequence[bytes | None] | None = None,
        timestamps: Sequence[int] | None = None,
        partition: int | None = None,
    ) -> Positions:
        """Append the messages and wait for their acknowledgement; timestamps are kept in milliseconds."""
        from confluent_kafka import KafkaException

        self._count(topic)
        ends: dict[int, int] = {}
        problems: list[Any] = []

        def acknowledge(error: Any, message: "Message") -> None:
            if error is not None:
                problems.append(error)
            else:
                number, offset = message.partition() or 0, message.offset() or 0
                ends[number] = max(ends.get(number, 0), offset + 1)

        place: dict[str, Any] = {"headers": _headers(), **({} if partition is None else {"partition": partition})}
        with self._errors(topic):
            for index, value in enumerate(values):
                more = place if timestamps is None else {**place, "timestamp": timestamps[index] // 1000}
                self._send(topic, value, key=None if keys is None else keys[index], on_delivery=acknowledge, **more)
            remaining = self._producer.flush(_SECONDS)
            if problems:
                raise KafkaException(problems[0])
        if remaining:
            raise BrokerUnreachable(topic, self._servers, f"{remaining} messages were not acknowledged")
        return ends

    def _send(self, topic: str, value: bytes | None, **more: Any) -> None:
        from confluent_kafka import KafkaError, KafkaException

        while True:
            try:
                self._producer.produce(topic, value, **more)
            except BufferError:  # its queue is full: wait until the broker took some
                self._producer.poll(0.1)
            except KafkaException as error:
                if error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE:
                    limit = int(self._common.get("message.max.bytes", _LARGEST_MESSAGE))
                    raise MessageTooLarge(topic, len(value or b""), limit) from error
                raise
            else:
                return

    def transactions(self, name: str, topic: str) -> "KafkaTransactions":
        """Begin to write a topic in transactions under a name; whoever did so before under it is fenced."""
        self._count(topic)
        return KafkaTransactions(self, name, topic)

    def read(self, topic: str, partition: int, offset: int, *, max_messages: int, max_bytes: int) -> Batch:
        """Return messages from the offset on, without a group."""
        from confluent_kafka import TopicPartition

        first, end = self._watermarks(topic, partition)
        if not first <= offset <= end:
            raise PositionOutOfRange(topic, partition, offset, first=first, end=end)
        reader = self._make_consumer("platform-reader", {"enable.partition.eof": True})
        with self._errors(topic):
            reader.assign([TopicPartition(topic, partition, offset)])
            messages: list[Message] = []
            size, deadline = 0, time.monotonic() + _SECONDS
            reached = offset
            while reached < end and len(messages) < max_messages and size < max_bytes and time.monotonic() < deadline:
                message = reader.poll(0.5)
                if message is None:
                    continue
                if message.error() is not None:
                    _refuse_error(message, topic)
                    break  # the partition's end
                messages.append(message)
                reached, size = (message.offset() or 0) + 1, size + len(message)
            reader.close()
        return _as_batch(topic, partition, messages, reached)

    def bounds(self, topic: str) -> Mapping[int, tuple[int, int]]:
        """Return the first and the next offset by partition."""
        return {number: self._watermarks(topic, number) for number in range(self._count(topic))}

    def offset_at(self, topic: str, partition: int, instant: datetime) -> int:
        """Return the offset of the first message at or after the instant, which Kafka knows in milliseconds."""
        from confluent_kafka import TopicPartition

        topic_partition = TopicPartition(topic, partition, -(-int(instant.timestamp() * 1_000_000) // 1000))
        with self._errors(topic):
            offset = int(self._asker.offsets_for_times([topic_partition], timeout=_SECONDS)[0].offset)
        return self._watermarks(topic, partition)[1] if offset < 0 else offset

    def consumer(self, group: str, topic: str, *, start: StartPositions | None = None) -> Consumer:
        """Join a group."""
        self._count(topic)
        consumer = self._make_consumer(group, {"partition.assignment.strategy": "cooperative-sticky"})
        return _KafkaConsumer(self, consumer, group=group, topic=topic, start=start)

    def committed(self, group: str, topic: str) -> Positions:
        """Return the group's committed positions."""
        from confluent_kafka import TopicPartition

        asker = self._make_consumer(group, {})
        with self._errors(topic):
            parts = asker.committed([TopicPartition(topic, n) for n in range(self._count(topic))], timeout=_SECONDS)
            asker.close()
        return {part.partition: part.offset for part in parts if part.offset >= 0}

    def close(self) -> None:
        """Send what is queued and close the clients."""
        if "producer" in self._opened:
            self._opened["producer"].flush(_SECONDS)
        if "asker" in self._opened:
            self._opened["asker"].close()
        self._opened.clear()

    @property
    def _admin(self) -> Any:
        from confluent_kafka.admin import AdminClient

        if "admin" not in self._opened:  # kept: a temporary one is destroyed before its futures end
            self._opened["admin"] = AdminClient(self._common)
        return self._opened["admin"]

    @property
    def _producer(self) -> Any:
        from confluent_kafka import Producer

        if "producer" not in self._opened:
            settings = {"enable.idempotence": True, "acks": "all", "linger.ms": 20, "compression.type": "lz4"}
            self._opened["producer"] = Producer({**self._common, **settings})
        return self._opened["producer"]

    @property
    def _asker(self) -> Any:
        if "asker" not in self._opened:
            self._opened["asker"] = self._make_consumer("platform-asker", {})
        return self._opened["asker"]

    def _make_consumer(self, group: str, more: Mapping[str, str | int | float | bool]) -> Any:
        from confluent_kafka import Consumer as Client

        settings = {
            "group.id": group,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",  # a position that is gone is said, never moved silently
            "session.timeout.ms": 10_000,
            "heartbeat.interval.ms": 1_000,
            "fetch.wait.max.ms": 50,
            "queued.max.messages.kbytes": 64 * 1024,  # the memory that waits for a slow worker
        }
        return Client({**self._common, **settings, **more})

    def _watermarks(self, topic: str, partition: int) -> tuple[int, int]:
        from confluent_kafka import TopicPartition

        with self._errors(topic):
            first, end = self._asker.get_watermark_offsets(TopicPartition(topic, partition), timeout=_SECONDS)
        return int(first), int(end)

    def _count(self, topic: str) -> int:
        topics = self.topics()
        if topic not in topics:
            raise TopicNotFound(topic, list(topics))
        return topics[topic]

    def _await(self, topic: str, *, present: bool) -> None:
        """Wait until the cluster's list shows what was done."""
        deadline = time.monotonic() + _SECONDS
        while (topic in self.topics()) is not present and time.monotonic() < deadline:
            time.sleep(0.05)

    @contextmanager
    def _errors(self, topic: str) -> Iterator[None]:
        from confluent_kafka import KafkaError, KafkaException

        try:
            yield
        except KafkaException as error:
            problem = error.args[0]
            unreachable = {
                KafkaError._TRANSPORT,
                KafkaError._ALL_BROKERS_DOWN,
                KafkaError._TIMED_OUT,
                KafkaError._MSG_TIMED_OUT,
            }
            if problem.code() in unreachable:
                raise BrokerUnreachable(topic, self._servers, problem.str()) from error
            raise BrokerError(topic, f"Kafka refuses: {problem.str()}", fix="look at the broker's log") from error


class KafkaTransactions:
    """Messages of one topic, written with a position, all or nothing.

    The position is an offset of a group that nobody is a member of, committed by Kafka in the same transaction. Readers
    that see committed messages see no other ones; a writer of the same name that was there before is refused.
    """

    def __init__(self, broker: KafkaBroker, name: str, topic: str) -> None:
        """Fence whoever wrote under the name, and end what it had begun."""
        from confluent_kafka import Producer

        self._broker, self._name, self._topic = broker, name, topic
        options = {**broker._common, "transactional.id": name, "linger.ms": 5}
        self._producer = Producer(options)
        self._group = broker._make_consumer(name, {})
        with broker._errors(topic):
            self._producer.init_transactions(_SECONDS)

    def position(self) -> int | None:
        """Return the position of the last transaction; None before the first."""
        return self._broker.committed(self._name, self._topic).get(0)

    def write(self, values: Sequence[bytes | None], keys: Sequence[bytes | None], *, position: int) -> None:
        """Write messages and the position in one transaction.

        Raises:
            WriterFenced: Another writer took the name over; nothing of this is seen by anybody.
            BrokerUnreachable: Whether it was written is known by the position, when the writer is opened again.
        """
        from confluent_kafka import KafkaException, TopicPartition

        self._producer.begin_transaction()
        try:
            for value, key in zip(values, keys, strict=True):
                self._send(value, key)
            place = [TopicPartition(self._topic, 0, position)]
            self._producer.send_offsets_to_transaction(place, self._group.consumer_group_metadata(), _SECONDS)
            self._producer.commit_transaction(_SECONDS)
        except KafkaException as error:
            problem = error.args[0]
            if problem.fatal():
                raise WriterFenced(self._topic, self._name) from error
            if problem.txn_requires_abort():
                self._producer.abort_transaction(_SECONDS)
            raise BrokerUnreachable(self._topic, self._broker._servers, problem.str()) from error

    def close(self) -> None:
        """Close the clients; a transaction that is open is ended by the next writer."""
        self._group.close()

    def _send(self, value: bytes | None, key: bytes | None) -> None:
        while True:
            try:
                self._producer.produce(self._topic, value, key=key, headers=_headers())
            except BufferError:  # its queue is full: wait until the broker took some
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return


class _KafkaConsumer(Consumer):
    """A member of one of Kafka's groups."""

    def __init__(
        self, broker: KafkaBroker, client: Any, *, group: str, topic: str, start: StartPositions | None
    ) -> None:
        self._broker, self._client, self._group, self._topic, self._start = broker, client, group, topic, start
        self._owned: set[int] = set()
        self._unplaced: set[int] = set()
        client.subscribe([topic], on_assign=self._assign, on_revoke=self._revoke, on_lost=self._revoke)

    def poll(
        self,
        *,
        max_messages: int = 50_000,
        max_bytes: int = 64 * 1024**2,  # noqa: ARG002 - librdkafka counts messages
        timeout: timedelta = timedelta(0),
    ) -> list[Batch]:
        """Return the next messages; `max_bytes` is librdkafka's queue, whatever is asked for."""
        with self._broker._errors(self._topic):
            self._place_rest()
            messages = self._client.consume(1, max(0.001, timeout.total_seconds()))
            if messages and max_messages > 1:  # the first came; take what has come with it
                messages += self._client.consume(min(max_messages - 1, 100_000), 0.02)
        parts: dict[int, list[Message]] = {}
        for message in messages:
            if message.error() is not None:
                self._refuse(message)
            elif message.partition() in self._owned:
                parts.setdefault(message.partition(), []).append(message)
        return [
            _as_batch(self._topic, number, part, (part[-1].offset() or 0) + 1) for number, part in sorted(parts.items())
        ]

    def assignment(self) -> frozenset[tuple[str, int]]:
        """Return the partitions that it owns now."""
        return frozenset((self._topic, partition) for partition in self._owned)

    def seek(self, topic: str, partition: int, offset: int) -> None:
        """Read the partition from the offset on at the next poll."""
        from confluent_kafka import TopicPartition

        if topic != self._topic or partition not in self._owned:
            raise PartitionLost(topic, partition, self._group)
        with self._broker._errors(topic):
            self._client.seek(TopicPartition(topic, partition, offset))

    def commit(self, topic: str, positions: Positions) -> None:
        """Keep the positions in Kafka."""
        from confluent_kafka import KafkaError, KafkaException, TopicPartition

        for partition in positions:
            if topic != self._topic or partition not in self._owned:
                raise PartitionLost(topic, partition, self._group)
        parts = [TopicPartition(topic, number, position) for number, position in positions.items()]
        fenced = {KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.REBALANCE_IN_PROGRESS}
        with self._broker._errors(topic):
            try:
                self._client.commit(offsets=parts, asynchronous=False)
            except KafkaException as error:
                if error.args[0].code() in fenced:
                    raise PartitionLost(topic, min(positions), self._group) from error
                raise

    def close(self) -> None:
        """Leave the group."""
        self._owned.clear()
        self._client.close()

    def _assign(self, client: Any, parts: Sequence[Any]) -> None:
        """Take partitions; what is raised in a callback ends the process, so that a failure waits for the next poll."""
        from confluent_kafka import OFFSET_BEGINNING

        try:
            self._place(client, parts)
        except Exception:  # noqa: BLE001 - asked again, outside of a callback
            self._unplaced |= {part.partition for part in parts}
            for part in parts:
                part.offset = OFFSET_BEGINNING  # any: what comes meanwhile is passed over
            client.incremental_assign(list(parts))
            client.pause(list(parts))
            return
        client.incremental_assign(list(parts))
        self._owned |= {part.partition for part in parts}

    def _place_rest(self) -> None:
        """Say where partitions are read from that were assigned while somebody did not answer."""
        from confluent_kafka import TopicPartition

        if self._unplaced:
            parts = [TopicPartition(self._topic, partition) for partition in sorted(self._unplaced)]
            self._place(self._client, parts)
            for part in parts:
                self._client.seek(part)
            self._client.resume(parts)
            self._owned |= self._unplaced
            self._unplaced.clear()

    def _place(self, client: Any, parts: Sequence[Any]) -> None:
        committed = {p.partition: p.offset for p in client.committed(list(parts), timeout=_SECONDS) if p.offset >= 0}
        for part in parts:
            position = None if self._start is None else self._start(part.topic, part.partition)
            if position is None:
                position = committed.get(part.partition)
            if position is None:
                position = client.get_watermark_offsets(part, timeout=_SECONDS)[0]
            part.offset = position

    def _revoke(self, client: Any, parts: Sequence[Any]) -> None:
        from confluent_kafka import KafkaException

        self._owned -= {part.partition for part in parts}
        self._unplaced -= {part.partition for part in parts}
        with suppress(KafkaException):  # the broker has taken them already
            client.incremental_unassign(list(parts))

    def _refuse(self, message: "Message") -> None:
        from confluent_kafka import KafkaError

        error = message.error()
        lost = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}
        if error is not None and error.code() in lost:
            partition = message.partition() or 0
            first, end = self._broker._watermarks(self._topic, partition)
            raise PositionOutOfRange(self._topic, partition, message.offset() or -1, first=first, end=end)
        _refuse_error(message, self._topic)


def _refuse_error(message: "Message", topic: str) -> None:
    """Raise what a message's error says; the end of a partition is none."""
    from confluent_kafka import KafkaError, KafkaException

    error = message.error()
    if error is None or error.code() == KafkaError._PARTITION_EOF:
        return
    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        raise TopicNotFound(topic, [])
    if not error.retriable():
        raise KafkaException(error)


def _as_batch(topic: str, partition: int, messages: Sequence["Message"], next_offset: int) -> Batch:
    rows = build_rows(
        [message.offset() or 0 for message in messages],
        [message.timestamp()[1] * 1000 for message in messages],
        [message.key() for message in messages],
        [message.value() for message in messages],
    )
    told = [headers for message in messages if (headers := message.headers())]  # most have none
    parents = (dict(headers).get(TRACEPARENT) for headers in told)
    traces = distinct_traces(parent.decode() for parent in parents if isinstance(parent, bytes))
    return Batch(topic, partition, rows, next_offset, traces)


def _headers() -> list[tuple[str, str | bytes | None]] | None:
    """Return the headers of messages that are sent now; none outside of a trace."""
    trace = current_traceparent()
    return [(TRACEPARENT, trace.encode())] if trace else None
