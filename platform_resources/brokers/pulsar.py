"""Pulsar as a log: a partition is a topic of its own, read by position; an exclusive subscription owns it.

A message's id, ledger, entry and place in its batch, is one offset here. What only Pulsar's administration can do
(partitions, retention, positions) goes to its web service, by default on port 8080 of the same host.
"""

import base64
import binascii
import json
import os
import re
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from platform_resources.brokers.base import (
    TRACEPARENT,
    Batch,
    Consumer,
    Positions,
    StartPositions,
    TopicSettings,
)
from platform_resources.brokers.errors import (
    BrokerClientMissing,
    BrokerError,
    BrokerUnreachable,
    InvalidTopic,
    MessageTooLarge,
    PositionOutOfRange,
    TopicNotFound,
)
from platform_resources.brokers.pulled import Message, PulledBroker, PulledConsumer, as_batch, fitting
from platform_resources.telemetry import current_traceparent

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
_LEDGER_BITS, _ENTRY_BITS, _BATCH_BITS = 27, 24, 12
_SECONDS = 30
_WAIT_MILLISECONDS = 2_000
_MESSAGE_BYTES = 5 * 1024**2
_NOT_FOUND, _CONFLICT, _SERVER = 404, 409, 500
_TIME, _KEY, _TOMBSTONE = "us", "key64", "tombstone"
_POSITION, _IDENTITY = "position", "platform-identity"


class PulsarBroker(PulledBroker):
    """Topics of one namespace of a Pulsar cluster."""

    def __init__(
        self,
        url: str,
        options: Mapping[str, str | int | float | bool] | None = None,
        *,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """Take `pulsar://host:6650` or `pulsar+ssl://…`.

        Args:
            url: The address of the brokers.
            options: `admin`, the web service's URL; `namespace`, by default public/default; `token`; `certificates`.
            clock: In nanoseconds, for messages without a timestamp.

        Raises:
            BrokerClientMissing: pulsar-client is not installed.
        """
        try:
            import pulsar
        except ImportError as error:
            raise BrokerClientMissing("pulsar://", "pulsar-client", "pulsar") from error
        merged_options = dict(options or {})
        parts = urlsplit(url)
        self._address = parts.netloc.rsplit("@", 1)[-1]
        scheme = "https://{}:8443" if parts.scheme == "pulsar+ssl" else "http://{}:8080"
        self._admin = str(merged_options.pop("admin", scheme.format(parts.hostname))).rstrip("/")
        self._namespace = str(merged_options.pop("namespace", "public/default"))
        token, certificates = merged_options.pop("token", None), merged_options.pop("certificates", None)
        if merged_options:
            known = "admin, namespace, token, certificates"
            raise BrokerError("*", f"Pulsar has no options {sorted(merged_options)}", fix=f"name some of {known}")
        self._headers = {"Content-Type": "application/json"} | (
            {} if token is None else {"Authorization": f"Bearer {token}"}
        )
        self._client: Any = pulsar.Client(
            url,
            authentication=None if token is None else pulsar.AuthenticationToken(str(token)),
            tls_trust_certs_file_path=None if certificates is None else str(certificates),
            operation_timeout_seconds=_SECONDS,
            logger=pulsar.FileLogger(pulsar.LoggerLevel.Error, os.devnull),
        )
        self._clock = clock
        self._counts: dict[str, int] = {}
        self._producers: dict[tuple[str, int], Any] = {}
        self._readers: dict[tuple[str, int], _Reading] = {}
        self._lock = threading.RLock()

    def create_topic(self, topic: str, settings: TopicSettings = TopicSettings()) -> None:  # noqa: B008
        """Create the topic with its retention; a message that a producer sends twice is kept once."""
        if not _NAME.fullmatch(topic) or settings.partitions < 1:
            raise InvalidTopic(topic, "it needs a name of letters, digits, . _ - and a partition", fix="rename it")
        path = self._path(topic)
        is_new = self._ask("PUT", f"{path}/partitions", settings.partitions, topic=topic, allowed=_CONFLICT) is not None
        partitions = self._count(topic)
        if partitions != settings.partitions:
            raise InvalidTopic(
                topic, f"it has {partitions} partitions, not {settings.partitions}", fix="declare as many"
            )
        if is_new:
            minutes = -1 if settings.retention is None else max(1, settings.retention // timedelta(minutes=1))
            policy = {"retentionTimeInMinutes": minutes, "retentionSizeInMB": -1}
            self._ask("POST", f"{path}/retention", policy, topic=topic)
            self._ask("POST", f"{path}/deduplicationEnabled", body=True, topic=topic)

    def delete_topic(self, topic: str) -> None:
        """Delete the topic and the positions of its groups."""
        self._count(topic)
        with self._lock:
            for opened in (self._producers, self._readers):
                for place in [place for place in opened if place[0] == topic]:
                    with self._errors(topic):
                        opened.pop(place).close()
            self._counts.pop(topic, None)
        self._ask("DELETE", f"{self._path(topic)}/partitions?force=true", topic=topic)

    def topics(self) -> Mapping[str, int]:
        """Return the number of partitions by topic."""
        names = self._ask("GET", f"persistent/{self._namespace}/partitioned", topic="*")
        counts = {}
        for name in sorted(name.rsplit("/", 1)[-1] for name in names or ()):
            with suppress(TopicNotFound):
                counts[name] = self._count(name)
        return counts

    def identity(self, topic: str) -> str | None:
        """Return the id among the topic's properties; one that others made is given it when it is first asked for."""
        path = f"{self._path(topic)}/properties"
        self._count(topic)
        properties = self._ask("GET", path, topic=topic) or {}
        if _IDENTITY not in properties:
            self._ask("PUT", path, {_IDENTITY: uuid.uuid4().hex}, topic=topic)
            properties = self._ask("GET", path, topic=topic)
        return str(properties[_IDENTITY])

    def produce(
        self,
        topic: str,
        values: Sequence[bytes | None],
        *,
        keys: Sequence[bytes | None] | None = None,
        timestamps: Sequence[int] | None = None,
        partition: int | None = None,
    ) -> Positions:
        """Append the messages, and wait until the bookies have all of them."""
        count = self._count(topic)
        numbers = self._spread(len(values), keys, count, partition)
        now, trace = self._clock() // 1000, current_traceparent()
        sending = _Sending(len(values))
        with self._lock, self._errors(topic):
            for index, value in enumerate(values):
                key = None if keys is None else keys[index]
                number = numbers[index]
                if value is not None and len(value) > _MESSAGE_BYTES:
                    raise MessageTooLarge(topic, len(value), _MESSAGE_BYTES)
                text, properties = _as_message(key, value, now if timestamps is None else timestamps[index])
                properties |= {TRACEPARENT: trace} if trace else {}
                producer = self._producers.get((topic, number)) or self._open_producer(topic, number)
                producer.send_async(
                    value or b"",
                    sending.acknowledge(number),
                    properties=properties,
                    partition_key=text,
                    event_timestamp=int(properties[_TIME]) // 1000,
                )
            for place, producer in self._producers.items():
                if place[0] == topic:
                    producer.flush()
        sending.wait(topic, self._address)
        return {number: _pack(topic, name) + 1 for number, name in sending.last.items()}

    def read(self, topic: str, partition: int, offset: int, *, max_messages: int, max_bytes: int) -> Batch:
        """Return messages from the offset on; offsets have gaps.

        A position in a ledger that is gone is refused; that of a group is never gone, as its subscription keeps it.
        """
        first, end = self._bounds(topic, partition)
        if offset > end or 0 < offset < first:
            raise PositionOutOfRange(topic, partition, offset, first=first, end=end)
        messages: list[Message] = []
        if offset < end:
            with self._lock, self._errors(topic):
                for message in fitting(self._from(topic, partition, offset, end, max_messages), max_bytes):
                    messages.append(message)
                    self._readers[topic, partition].position = message[0] + 1
        return as_batch(topic, partition, offset, messages)

    def bounds(self, topic: str) -> Mapping[int, tuple[int, int]]:
        """Return the first offset that is kept and the one behind the last, by partition."""
        return {number: self._bounds(topic, number) for number in range(self._count(topic))}

    def consumer(self, group: str, topic: str, *, start: StartPositions | None = None) -> Consumer:
        """Join a group."""
        self._count(topic)
        membership = _Subscriptions(self, group, topic)
        return PulledConsumer(self, group=group, topic=topic, membership=membership, store=membership.keep, start=start)

    def committed(self, group: str, topic: str) -> Positions:
        """Return the group's committed positions: properties of its subscriptions."""
        positions = {}
        for number in range(self._count(topic)):
            path = f"{self._path(topic, number)}/subscription/{quote(group, safe='')}/properties"
            properties = self._ask("GET", path, topic=topic, allowed=_NOT_FOUND) or {}
            if _POSITION in properties:
                positions[number] = int(properties[_POSITION])
        return positions

    def close(self) -> None:
        """Close the connections."""
        with suppress(Exception):  # a broker that is gone cannot be left
            self._client.close()

    def _from(self, topic: str, partition: int, offset: int, end: int, count: int) -> Iterator[Message]:
        """Yield up to so many messages from the offset up to the end."""
        import pulsar

        reading = self._readers.get((topic, partition))
        if reading is None or reading.position != offset:
            if reading is not None:
                reading.close()
            ledger, entry, _ = _unpack(offset)
            place = pulsar.MessageId(-1, ledger, entry, -1) if offset else pulsar.MessageId.earliest
            name = self._name(topic, partition)
            reader = self._client.create_reader(name, place, start_message_id_inclusive=True)
            reading = self._readers[topic, partition] = _Reading(reader, offset)
        while count > 0 and reading.position < end:
            try:
                message = reading.reader.read_next(_WAIT_MILLISECONDS)
            except pulsar.Timeout:
                return
            at = _pack(topic, message.message_id())
            if at >= offset:
                count -= 1
                yield (at, *_as_row(message))

    def _bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """Return the first offset that is kept and the one behind the last."""
        if partition >= self._count(topic):
            raise TopicNotFound(topic, list(self.topics()))
        path = f"{self._path(topic, partition)}/internalStats"
        stats = self._ask("GET", path, topic=topic, allowed=_NOT_FOUND)
        ledgers = [part for part in (stats or {}).get("ledgers", ()) if part["ledgerId"] >= 0]
        last = self._last(topic, partition) if ledgers else None
        if last is None:
            return 0, 0
        ledger = min(part["ledgerId"] for part in ledgers)
        return ledger << (_ENTRY_BITS + _BATCH_BITS), last + 1

    def _last(self, topic: str, partition: int) -> int | None:
        """Return the offset of the last message; None where there is none."""
        message_id = self._ask("GET", f"{self._path(topic, partition)}/lastMessageId", topic=topic) or {}
        if message_id.get("entryId", -1) < 0:
            return None
        return _number(topic, message_id["ledgerId"], message_id["entryId"], message_id.get("batchIndex", 0))

    def _open_producer(self, topic: str, partition: int) -> Any:
        producer = self._producers[topic, partition] = self._client.create_producer(
            self._name(topic, partition),
            batching_enabled=True,
            batching_max_messages=1_000,
            batching_max_allowed_size_in_bytes=1 << 20,
            batching_max_publish_delay_ms=5,
            block_if_queue_full=True,
            max_pending_messages=50_000,
            send_timeout_millis=_SECONDS * 1000,
        )
        return producer

    def _count(self, topic: str) -> int:
        if topic not in self._counts:
            metadata = self._ask("GET", f"{self._path(topic)}/partitions", topic=topic, allowed=_NOT_FOUND) or {}
            if not metadata.get("partitions"):
                raise TopicNotFound(topic, [] if topic == "*" else self._names())
            self._counts[topic] = int(metadata["partitions"])
        return self._counts[topic]

    def _names(self) -> list[str]:
        names = self._ask("GET", f"persistent/{self._namespace}/partitioned", topic="*")
        return [name.rsplit("/", 1)[-1] for name in names or ()]

    def _path(self, topic: str, partition: int | None = None) -> str:
        return f"persistent/{self._namespace}/{topic}" + ("" if partition is None else f"-partition-{partition}")

    def _name(self, topic: str, partition: int) -> str:
        return f"persistent://{self._namespace}/{topic}-partition-{partition}"

    def _ask(self, method: str, path: str, body: Any = None, *, topic: str, allowed: int | None = None) -> Any:
        """Send a request to the web service; None where it answers with the status that is allowed.

        Raises:
            BrokerUnreachable: It does not answer, or is not ready.
            BrokerError: It refuses.
        """
        url = f"{self._admin}/admin/v2/{path}"
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, content, self._headers, method=method)  # noqa: S310 - of the setting
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - of the setting
                text = answer.read()
        except urllib.error.HTTPError as error:
            if error.code == allowed:
                return None
            if error.code == _NOT_FOUND:
                self._counts.pop(topic, None)
                raise TopicNotFound(topic, []) from error
            if error.code >= _SERVER:
                raise BrokerUnreachable(topic, self._admin, f"it answers {error.code}") from error
            raise BrokerError(
                topic, f"Pulsar answers {error.code} to {method} {path}", fix="look at its rights and its log"
            ) from error
        except (OSError, ValueError) as error:
            raise BrokerUnreachable(topic, self._admin, type(error).__name__) from error
        return json.loads(text) if text.strip() else {}

    @contextmanager
    def _errors(self, topic: str) -> Iterator[None]:
        import pulsar

        try:
            yield
        except pulsar.MessageTooBig as error:
            raise MessageTooLarge(topic, _MESSAGE_BYTES + 1, _MESSAGE_BYTES) from error
        except (pulsar.TopicNotFound, pulsar.InvalidTopicName) as error:
            self._counts.pop(topic, None)
            raise TopicNotFound(topic, self._names()) from error
        except (pulsar.AuthenticationError, pulsar.AuthorizationError) as error:
            raise BrokerError(topic, f"Pulsar refuses: {error}", fix="check the token and its rights") from error
        except pulsar.PulsarException as error:
            raise BrokerUnreachable(topic, self._address, str(error)) from error


class _Reading:
    """A reader, and the offset of the message that it reads next."""

    def __init__(self, reader: Any, position: int) -> None:
        self.reader, self.position = reader, position

    def close(self) -> None:
        self.reader.close()


class _Sending:
    """Messages on their way: acknowledged by Pulsar's own threads."""

    def __init__(self, count: int) -> None:
        self.last: dict[int, Any] = {}
        self._missing, self._problem = count, ""
        self._changed = threading.Condition()

    def acknowledge(self, partition: int) -> Callable[[Any, Any], None]:
        """Return what is called with a message's result and id; those of a partition come in order."""
        import pulsar

        def answer(result: Any, name: Any) -> None:
            with self._changed:
                self._missing -= 1
                if result == pulsar.Result.Ok:
                    self.last[partition] = name
                else:
                    self._problem = str(result)
                self._changed.notify_all()

        return answer

    def wait(self, topic: str, address: str) -> None:
        """Wait until all are acknowledged.

        Raises:
            BrokerUnreachable: Some were not; they may be there or not.
        """
        with self._changed:
            is_complete = self._changed.wait_for(lambda: self._missing <= 0, timeout=2 * _SECONDS)
        if not is_complete or self._problem:
            raise BrokerUnreachable(topic, address, self._problem or "no acknowledgement")


class _Subscriptions:
    """Owners hold exclusive subscriptions, members a reader each; the broker ends both with their connection."""

    def __init__(self, broker: PulsarBroker, group: str, topic: str) -> None:
        import pulsar

        self._broker, self._group, self._topic = broker, group, topic
        self._name = uuid.uuid4().hex
        self._owned: dict[int, Any] = {}
        self._asked = float("-inf")
        self._members: tuple[str, ...] = (self._name,)
        with broker._errors(topic):
            self._member = broker._client.create_reader(
                broker._name(topic, 0),
                pulsar.MessageId.latest,
                reader_name=self._name,
                subscription_role_prefix=f"members-{group}",
                receiver_queue_size=1,
            )

    def members(self) -> tuple[str, tuple[str, ...]]:
        """Return this member and all that live; asked anew each tenth of a second."""
        if time.monotonic() - self._asked > 0.1:  # noqa: PLR2004 - seconds
            path = f"{self._broker._path(self._topic, 0)}/stats"
            stats = self._broker._ask("GET", path, topic=self._topic)
            names = {
                consumer["consumerName"]
                for name, subscription in stats.get("subscriptions", {}).items()
                if name.startswith(f"members-{self._group}-")
                for consumer in subscription["consumers"]
            }
            self._members = tuple(sorted(names | {self._name}))
            self._asked = time.monotonic()
        return self._name, self._members

    def claim(self, partition: int) -> bool:
        """Subscribe alone; False while another one is subscribed."""
        import pulsar

        name = self._broker._name(self._topic, partition)
        with self._broker._errors(self._topic):
            try:
                self._owned[partition] = self._broker._client.subscribe(
                    name,
                    self._group,
                    consumer_type=pulsar.ConsumerType.Exclusive,
                    initial_position=pulsar.InitialPosition.Earliest,
                    receiver_queue_size=0,
                )
            except pulsar.ConsumerBusy:
                return False
        return True

    def owns(self, partition: int) -> bool:
        """Tell whether it is subscribed still; a subscriber whose connection is lost is none."""
        return partition in self._owned and bool(self._owned[partition].is_connected())

    def release(self, partition: int) -> None:
        """Give the subscription up; its position stays."""
        subscriber = self._owned.pop(partition, None)
        if subscriber is not None:
            with suppress(Exception):  # the broker has dropped it already
                subscriber.close()

    def leave(self) -> None:
        """Give everything up."""
        for partition in list(self._owned):
            self.release(partition)
        with suppress(Exception):  # the broker has dropped it already
            self._member.close()

    def keep(self, partition: int, position: int) -> None:
        """Keep a position, and let Pulsar delete what lies before its entry when the retention has passed."""
        import pulsar

        ledger, entry, _ = _unpack(position)
        path = self._broker._path(self._topic, partition)
        path = f"{path}/subscription/{quote(self._group, safe='')}/properties"
        self._broker._ask("PUT", path, {_POSITION: str(position)}, topic=self._topic)
        if entry > 0:
            with self._broker._errors(self._topic):
                self._owned[partition].acknowledge_cumulative(pulsar.MessageId(-1, ledger, entry - 1, -1))


def _as_message(key: bytes | None, value: bytes | None, micros: int) -> tuple[str | None, dict[str, str]]:
    """Return Pulsar's key and properties: a key that is no text is kept in base64, a tombstone is marked."""
    properties = {_TIME: str(micros)} | ({_TOMBSTONE: "1"} if value is None else {})
    if key is None:
        return None, properties
    try:
        return key.decode(), properties
    except UnicodeDecodeError:
        text = base64.b64encode(key).decode()
        return text, properties | {_KEY: text}


def _as_row(message: Any) -> tuple[int, bytes | None, bytes | None, str]:
    """Return a message's time in microseconds, key, value and trace, whoever produced it."""
    properties = message.properties()
    micros = properties.get(_TIME) or (message.event_timestamp() or message.publish_timestamp()) * 1000
    text = message.partition_key()
    key = text.encode() if text else None
    if _KEY in properties:
        with suppress(binascii.Error):
            key = base64.b64decode(properties[_KEY])
    is_tombstone = _TOMBSTONE in properties or message.has_null_value()
    return int(micros), key, None if is_tombstone else message.data(), properties.get(TRACEPARENT, "")


def _pack(topic: str, name: Any) -> int:
    return _number(topic, name.ledger_id(), name.entry_id(), name.batch_index())


def _number(topic: str, ledger: int, entry: int, batch_index: int) -> int:
    """Return a message's id as an offset.

    Raises:
        BrokerError: A part of it is too large for its bits.
    """
    index = max(0, batch_index)
    if ledger >> _LEDGER_BITS or entry >> _ENTRY_BITS or index >> _BATCH_BITS:
        raise BrokerError(
            topic,
            f"the message {ledger}:{entry}:{index} has no offset of 63 bits",
            fix=f"let producers put at most {1 << _BATCH_BITS} messages into a batch",
        )
    return (ledger << (_ENTRY_BITS + _BATCH_BITS)) | (entry << _BATCH_BITS) | index


def _unpack(offset: int) -> tuple[int, int, int]:
    batch_index = offset & ((1 << _BATCH_BITS) - 1)
    entry = (offset >> _BATCH_BITS) & ((1 << _ENTRY_BITS) - 1)
    return offset >> (_ENTRY_BITS + _BATCH_BITS), entry, batch_index
