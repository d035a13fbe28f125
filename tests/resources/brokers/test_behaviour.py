"""What every broker does alike: memory, the embedded log, Kafka, Redis and Pulsar run the same sentences."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from platform_resources.brokers import DEAD_LETTERS, Batch, Broker, Consumer, TopicSettings
from platform_resources.brokers.errors import (
    BrokerUnreachable,
    InvalidTopic,
    PartitionLost,
    PositionOutOfRange,
    TopicNotFound,
)
from platform_resources.settings import Settings
from platform_resources.telemetry import open_span

_WAIT = timedelta(seconds=15)


def _texts(count: int, prefix: str = "m") -> list[bytes | None]:
    return [f"{prefix}{number}".encode() for number in range(count)]


def _drain(consumer: Consumer, count: int) -> list[Batch]:
    """Poll until so many messages came; an empty answer after the wait ends it."""
    batches: list[Batch] = []
    while sum(map(len, batches)) < count:
        polled = consumer.poll(timeout=_WAIT)
        if not polled:
            break
        batches += polled
    return batches


def _values(batches: list[Batch]) -> list[bytes | None]:
    return [value for batch in batches for value in batch.values()]


def _settle(members: list[Consumer], partitions: int) -> None:
    """Poll all until each partition has one owner and no member more than its share."""
    for _ in range(400):
        for member in members:
            member.poll(timeout=timedelta(milliseconds=20))
        shares = [len(member.assignment()) for member in members]
        if sum(shares) == partitions and max(shares) - min(shares) <= 1:
            return
    raise AssertionError(shares)


def test_what_is_produced_is_consumed_in_order_with_its_key_and_time(broker: Broker, topic: str) -> None:
    broker.create_topic(topic)
    times = [1_700_000_000_000_000 + 1000 * number for number in range(5)]
    broker.produce(
        topic, [b"a", b"", None, b"\xff\x00", "é".encode()], keys=[b"k", None, b"k", b"", b"q"], timestamps=times
    )
    with broker.consumer("readers", topic) as consumer:
        rows = _drain(consumer, 5)[0].rows
    assert rows["value"].to_pylist() == [b"a", b"", None, b"\xff\x00", "é".encode()]
    assert [key or None for key in rows["key"].to_pylist()] == [b"k", None, b"k", None, b"q"]
    assert [int(at.timestamp() * 1_000_000) for at in rows["timestamp"].to_pylist()] == times
    assert all(before < after for before, after in pairwise(rows["offset"].to_pylist()))


def test_messages_carry_the_trace_in_which_they_were_sent(broker: Broker, topic: str, tmp_path: Path) -> None:
    broker.create_topic(topic)
    tracing = Settings.from_environment({"PLATFORM_STATE": str(tmp_path), "PLATFORM_TRACES": "http://127.0.0.1:1"})
    sent = []
    for part in (slice(0, 3), slice(3, 5)):
        with open_span(tracing, "push") as span:
            broker.produce(topic, _texts(5)[part], keys=[b"k"] * len(_texts(5)[part]))
            sent.append(span.traceparent)
    broker.produce(topic, _texts(6)[5:])
    with broker.consumer("readers", topic) as consumer:
        batches = _drain(consumer, 6)
    assert _values(batches) == _texts(6)
    assert list(dict.fromkeys(trace for batch in batches for trace in batch.traces)) == sent


def test_messages_of_one_key_share_a_partition_and_keep_their_order(broker: Broker, topic: str) -> None:
    broker.create_topic(topic, TopicSettings(partitions=4))
    keys: list[bytes | None] = [f"user{number % 20}".encode() for number in range(400)]
    broker.produce(topic, _texts(400), keys=keys)
    with broker.consumer("readers", topic) as consumer:
        batches = _drain(consumer, 400)
    partitions: dict[bytes, set[int]] = {}
    order: dict[bytes, list[int]] = {}
    for batch in batches:
        for row in batch.rows.to_pylist():
            partitions.setdefault(row["key"], set()).add(batch.partition)
            order.setdefault(row["key"], []).append(int(row["value"][1:]))
    assert all(len(owners) == 1 for owners in partitions.values())
    assert all(numbers == sorted(numbers) and len(numbers) == 20 for numbers in order.values())
    assert len({min(owners) for owners in partitions.values()}) > 1


def test_a_group_reads_on_from_its_committed_position_and_another_group_from_the_start(
    broker: Broker, topic: str
) -> None:
    broker.create_topic(topic)
    broker.produce(topic, _texts(10))
    with broker.consumer("first", topic) as consumer:
        batch = _drain(consumer, 10)[0]
        middle = batch.rows["offset"][6].as_py()
        consumer.commit(topic, {0: middle})
    with broker.consumer("first", topic) as consumer:
        assert _values(_drain(consumer, 4)) == _texts(10)[6:]
    with broker.consumer("second", topic) as consumer:
        assert _values(_drain(consumer, 10)) == _texts(10)
    assert broker.committed("first", topic) == {0: middle}
    assert broker.committed("second", topic) == {}


def test_what_was_not_acknowledged_is_delivered_again(broker: Broker, topic: str) -> None:
    broker.create_topic(topic)
    broker.produce(topic, _texts(6))
    with broker.consumer("readers", topic) as consumer:
        first = _drain(consumer, 6)
        consumer.seek(topic, 0, first[0].rows["offset"][2].as_py())
        assert _values(_drain(consumer, 4)) == _texts(6)[2:]
    with broker.consumer("readers", topic) as consumer:
        assert _values(_drain(consumer, 6)) == _texts(6)


def test_a_reader_says_itself_where_it_starts(broker: Broker, topic: str) -> None:
    broker.create_topic(topic)
    broker.produce(topic, _texts(6))
    batch = broker.read(topic, 0, broker.bounds(topic)[0][0], max_messages=3, max_bytes=1 << 20)
    with broker.consumer("readers", topic, start=lambda _topic, _partition: batch.next_offset) as consumer:
        assert _values([batch, *_drain(consumer, 3)]) == _texts(6)


def test_a_reader_that_cannot_say_yet_where_it_starts_is_asked_again(broker: Broker, topic: str) -> None:
    broker.create_topic(topic)
    broker.produce(topic, _texts(6))
    position = broker.read(topic, 0, broker.bounds(topic)[0][0], max_messages=2, max_bytes=1 << 20).next_offset
    asked: list[int] = []

    def start(_topic: str, partition: int) -> int:
        asked.append(partition)
        if len(asked) == 1:
            raise BrokerUnreachable(topic, "nowhere", "no answer")
        return position

    values: list[bytes | None] = []
    with broker.consumer("readers", topic, start=start) as consumer:
        for _ in range(100):
            with suppress(BrokerUnreachable):
                values += _values(consumer.poll(timeout=timedelta(milliseconds=200)))
            if len(values) == 4:
                break
    assert values == _texts(6)[2:]


def test_a_position_is_found_by_time(broker: Broker, topic: str) -> None:
    broker.create_topic(topic)
    start = datetime(2026, 3, 1, tzinfo=UTC)
    micros = int(start.timestamp()) * 1_000_000
    broker.produce(topic, _texts(5), timestamps=[micros + 60_000_000 * number for number in range(5)])
    offsets = (
        broker.read(topic, 0, broker.bounds(topic)[0][0], max_messages=5, max_bytes=1 << 20).rows["offset"].to_pylist()
    )
    assert broker.offset_at(topic, 0, start + timedelta(minutes=2)) == offsets[2]
    assert broker.offset_at(topic, 0, start + timedelta(minutes=2, seconds=1)) == offsets[3]
    assert broker.offset_at(topic, 0, start - timedelta(days=1)) == offsets[0]
    assert broker.offset_at(topic, 0, start + timedelta(days=1)) == broker.bounds(topic)[0][1]


def test_a_second_member_takes_its_share_and_nothing_is_lost(broker: Broker, topic: str) -> None:
    broker.create_topic(topic, TopicSettings(partitions=4))
    seen: list[bytes | None] = []
    first = broker.consumer("readers", topic)
    _settle([first], 4)
    second = broker.consumer("readers", topic)
    _settle([first, second], 4)
    assert not first.assignment() & second.assignment()
    broker.produce(topic, _texts(200), keys=[f"u{number}".encode() for number in range(200)])
    for _ in range(200):
        for member in (first, second):
            for batch in member.poll(timeout=timedelta(milliseconds=20)):
                seen += batch.values()
                member.commit(topic, {batch.partition: batch.next_offset})
        if len(seen) >= 200:
            break
    first.close()
    _settle([second], 4)
    second.close()
    assert sorted(seen, key=str) == sorted(_texts(200), key=str)
    assert broker.lag("readers", topic) == dict.fromkeys(range(4), 0)


def test_a_member_cannot_acknowledge_what_it_does_not_own(broker: Broker, topic: str) -> None:
    broker.create_topic(topic)
    with broker.consumer("readers", topic) as consumer, pytest.raises(PartitionLost, match="nothing was committed"):
        consumer.commit(topic, {0: 1})


def test_a_slow_reader_is_given_what_it_asks_for_and_no_more(broker: Broker, topic: str) -> None:
    broker.create_topic(topic)
    for _ in range(3):
        broker.produce(topic, _texts(100))
    with broker.consumer("readers", topic) as consumer:
        sizes = []
        while sum(sizes) < 300:
            sizes.append(sum(map(len, consumer.poll(max_messages=70, timeout=_WAIT))))
    assert max(sizes) <= 70
    assert sum(sizes) == 300


def test_lag_is_what_was_not_acknowledged(broker: Broker, topic: str) -> None:
    broker.create_topic(topic)
    broker.produce(topic, _texts(8))
    assert broker.lag("readers", topic)[0] >= 8
    with broker.consumer("readers", topic) as consumer:
        consumer.commit(topic, {0: _drain(consumer, 8)[-1].next_offset})
    assert broker.lag("readers", topic) == {0: 0}


def test_poison_messages_are_set_aside_with_their_reason(broker: Broker, topic: str) -> None:
    broker.create_topic(topic)
    broker.produce(topic, [b"fine", b"\xff{", b"fine"])
    batch = broker.read(topic, 0, broker.bounds(topic)[0][0], max_messages=3, max_bytes=1 << 20)
    bad = batch.rows["offset"][1].as_py()
    broker.set_aside(batch, {bad: "no JSON"})
    dead = topic + DEAD_LETTERS
    letter = json.loads(
        broker.read(dead, 0, broker.bounds(dead)[0][0], max_messages=9, max_bytes=1 << 20).values()[0] or b""
    )
    assert (letter["topic"], letter["offset"], letter["reason"], letter["value"]) == (topic, bad, "no JSON", "/3s=")


def test_a_position_beyond_the_end_is_refused(broker: Broker, topic: str) -> None:
    broker.create_topic(topic)
    broker.produce(topic, _texts(3))
    end = broker.bounds(topic)[0][1]
    with pytest.raises(PositionOutOfRange, match=f"up to {end}"):
        broker.read(topic, 0, end + 5, max_messages=1, max_bytes=1)


def test_a_topic_is_created_once_and_refused_in_another_shape(broker: Broker, topic: str) -> None:
    broker.create_topic(topic, TopicSettings(partitions=2))
    broker.create_topic(topic, TopicSettings(partitions=2))
    assert broker.topics()[topic] == 2
    with pytest.raises(InvalidTopic, match="it has 2 partitions, not 3"):
        broker.create_topic(topic, TopicSettings(partitions=3))
    broker.delete_topic(topic)
    assert topic not in broker.topics()
    with pytest.raises(TopicNotFound, match=topic):
        broker.produce(topic, [b"x"])


def test_a_topic_that_was_created_again_has_another_identity(broker: Broker, topic: str) -> None:
    broker.create_topic(topic)
    first = broker.identity(topic)
    broker.produce(topic, _texts(3))
    broker.create_topic(topic)
    assert first is not None
    assert broker.identity(topic) == first
    broker.delete_topic(topic)
    with pytest.raises(TopicNotFound, match=topic):
        broker.identity(topic)
    broker.create_topic(topic)
    assert broker.identity(topic) not in (None, first)
