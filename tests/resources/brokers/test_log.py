"""What only the embedded log promises: several processes, kill -9, damage that is said, retention, full disks."""

import os
import resource
import signal
import subprocess
import sys
import textwrap
from datetime import timedelta
from pathlib import Path

import pytest

from platform_resources.brokers import LogBroker, TopicSettings
from platform_resources.brokers.errors import BrokerError, LogDamaged, PositionOutOfRange, TopicNotFound, TopicRecreated
from platform_resources.brokers.frames import FRAME_BYTES

_WRITER = textwrap.dedent("""
    import sys
    from platform_resources.brokers import LogBroker
    broker = LogBroker(sys.argv[1])
    for number in range(int(sys.argv[3])):
        values = [f"{sys.argv[2]}-{number}-{i}".encode() for i in range(50)]
        broker.produce("clicks", values)
        print(number, flush=True)
""")

_READER = textwrap.dedent("""
    import sys
    from platform_resources.brokers import LogBroker
    consumer = LogBroker(sys.argv[1]).consumer("g", "clicks")
    consumer.poll()
    print(len(consumer.assignment()), flush=True)
    sys.stdin.read()
""")


def _writer(folder: Path, name: str, batches: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _WRITER, str(folder), name, str(batches)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _all(broker: LogBroker, topic: str = "clicks") -> list[bytes | None]:
    first, end = broker.bounds(topic)[0]
    values: list[bytes | None] = []
    while first < end:
        batch = broker.read(topic, 0, first, max_messages=1 << 20, max_bytes=1 << 30)
        values += batch.values()
        first = batch.next_offset
    return values


def _segment(folder: Path, topic: str = "clicks") -> Path:
    return max((folder / "topics" / topic / "0").glob("*.log"))


def test_several_processes_write_one_partition_and_each_keeps_its_order(tmp_path: Path) -> None:
    broker = LogBroker(str(tmp_path))
    broker.create_topic("clicks", TopicSettings(segment_bytes=4096))
    writers = [_writer(tmp_path, name, 20) for name in "abc"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    values = [value.decode() for value in _all(broker) if value]
    assert len(values) == len(set(values)) == 3 * 20 * 50
    for name in "abc":
        own = [value for value in values if value[0] == name]
        assert own == [f"{name}-{number}-{i}" for number in range(20) for i in range(50)]


def test_what_was_acknowledged_survives_kill_9_whole_and_once(tmp_path: Path) -> None:
    broker = LogBroker(str(tmp_path))
    broker.create_topic("clicks", TopicSettings(segment_bytes=20_000))
    acknowledged = []
    for life in range(6):
        writer = _writer(tmp_path, f"life{life}", 100_000)
        assert writer.stdout is not None
        acknowledged += [(life, int(writer.stdout.readline())) for _ in range(1 + 7 * life)]
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    LogBroker(str(tmp_path)).produce("clicks", [b"after"])
    values = _all(LogBroker(str(tmp_path)))
    assert values[-1] == b"after"
    assert len(values) == len(set(values))
    for life, number in acknowledged:
        assert f"life{life}-{number}-49".encode() in values


def test_a_torn_tail_is_cut_at_each_byte_and_a_whole_one_is_kept(tmp_path: Path) -> None:
    broker = LogBroker(str(tmp_path))
    broker.create_topic("clicks")
    broker.produce("clicks", [b"kept"])
    before = _segment(tmp_path).stat().st_size
    broker.produce("clicks", [b"left", b"behind"])
    whole = _segment(tmp_path).read_bytes()
    for size in range(before, len(whole) + 1):
        _segment(tmp_path).write_bytes(whole[:size])
        (tmp_path / "topics/clicks/0/end").write_bytes((1).to_bytes(8, "little"))
        fresh = LogBroker(str(tmp_path))
        expected = [b"kept", b"left", b"behind"] if size == len(whole) else [b"kept"]
        assert _all(fresh) == expected, size
        fresh.produce("clicks", [b"next"])
        assert _all(fresh) == [*expected, b"next"]
        fresh.close()


def test_a_flipped_bit_in_what_was_acknowledged_is_said_and_never_read(tmp_path: Path) -> None:
    broker = LogBroker(str(tmp_path))
    broker.create_topic("clicks")
    broker.produce("clicks", [b"first"])
    at = _segment(tmp_path).stat().st_size
    broker.produce("clicks", [b"second"])
    data = bytearray(_segment(tmp_path).read_bytes())
    for position in range(at, len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 4
        _segment(tmp_path).write_bytes(flipped)
        with pytest.raises(LogDamaged, match="offset 1"):
            _all(LogBroker(str(tmp_path)))
    _segment(tmp_path).write_bytes(data)
    assert _all(LogBroker(str(tmp_path))) == [b"first", b"second"]


def test_messages_beyond_the_retention_go_and_a_reader_that_needs_them_is_told(tmp_path: Path) -> None:
    now = [10**18]
    broker = LogBroker(str(tmp_path), clock=lambda: now[0])
    broker.create_topic("clicks", TopicSettings(retention=timedelta(hours=1), segment_bytes=1))
    for _ in range(5):
        broker.produce("clicks", [b"x"] * 10)
        now[0] += 30 * 60 * 10**9
    first, end = broker.bounds("clicks")[0]
    assert (first, end) == (20, 50)
    with pytest.raises(PositionOutOfRange, match="20 messages are gone"):
        broker.read("clicks", 0, 0, max_messages=1, max_bytes=1)


def test_a_member_that_is_killed_loses_its_partitions_at_once(tmp_path: Path) -> None:
    broker = LogBroker(str(tmp_path))
    broker.create_topic("clicks", TopicSettings(partitions=2))
    command = [sys.executable, "-c", _READER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "2\n"
        with broker.consumer("g", "clicks") as consumer:
            consumer.poll()
            assert not consumer.assignment()
            other.kill()
            other.wait()
            consumer.poll(timeout=timedelta(seconds=0.3))
            assert len(consumer.assignment()) == 2


def test_a_topic_that_was_recreated_is_said_and_not_read(tmp_path: Path) -> None:
    broker, other = LogBroker(str(tmp_path)), LogBroker(str(tmp_path))
    broker.create_topic("clicks")
    broker.produce("clicks", [b"old"])
    assert _all(other) == [b"old"]
    broker.delete_topic("clicks")
    with pytest.raises(TopicNotFound):
        _all(other)
    broker.create_topic("clicks")
    broker.produce("clicks", [b"new"])
    with pytest.raises(TopicRecreated):
        _all(other)
    assert _all(LogBroker(str(tmp_path))) == [b"new"]


def test_a_batch_larger_than_a_frame_and_a_message_of_50_mb_come_back(tmp_path: Path) -> None:
    broker = LogBroker(str(tmp_path))
    broker.create_topic("clicks")
    values: list[bytes | None] = [b"x" * (FRAME_BYTES // 3)] * 8 + [b"y" * 50_000_000, None, b"z"]
    broker.produce("clicks", values)
    assert _all(LogBroker(str(tmp_path))) == values


def test_a_write_that_fails_leaves_nothing_and_the_next_one_goes_on(tmp_path: Path) -> None:
    broker = LogBroker(str(tmp_path))
    broker.create_topic("clicks")
    broker.produce("clicks", [b"before"])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        with pytest.raises(BrokerError, match="clicks"):
            broker.produce("clicks", [os.urandom(1000)] * 200)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    broker.produce("clicks", [b"after"])
    assert _all(LogBroker(str(tmp_path))) == [b"before", b"after"]
