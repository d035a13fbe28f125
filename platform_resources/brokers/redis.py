"""Redis Streams as a log: one stream a partition, read by position; owners of partitions hold leases.

An id of Redis, milliseconds and a sequence, is one offset here: `milliseconds * 2**20 + sequence`. Durable is what the
server's append-only file has: set `appendfsync always` where an acknowledged message must survive a loss of power.
"""

import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

from platform_resources.brokers.base import (
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
    PositionOutOfRange,
    TopicNotFound,
)
from platform_resources.brokers.pulled import PulledBroker, PulledConsumer, as_batch, fitting
from platform_resources.telemetry import current_traceparent

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
_SEQUENCE_BITS = 20
_LEASE = timedelta(seconds=10)
_ROOT = "platform"
_RENEW = """
if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end
if redis.call('set', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return 0
"""
_DROP = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


class RedisBroker(PulledBroker):
    """Topics of a Redis server."""

    def __init__(self, url: str, *, clock: Callable[[], int] = time.time_ns) -> None:
        """Take `redis://…` and the clock, in nanoseconds, of messages without a timestamp.

        Raises:
            BrokerClientMissing: redis is not installed.
        """
        try:
            import redis
        except ImportError as error:
            raise BrokerClientMissing("redis://", "redis", "redis") from error
        self._address = url.rsplit("@", 1)[-1].removeprefix("redis://")
        self._client: Any = redis.Redis.from_url(url)
        self._clock = clock

    def create_topic(self, topic: str, settings: TopicSettings = TopicSettings()) -> None:  # noqa: B008
        """Create the topic: its number of partitions and retention are fields of a hash."""
        if not _NAME.fullmatch(topic) or settings.partitions < 1:
            raise InvalidTopic(topic, "it needs a name of letters, digits, . _ - and a partition", fix="rename it")
        retention = "" if settings.retention is None else str(settings.retention // timedelta(milliseconds=1))
        with self._errors(topic):
            self._client.hsetnx(f"{_ROOT}:topics", topic, f"{settings.partitions}|{retention}|{uuid.uuid4().hex}")
        partitions = self._count(topic)
        if partitions != settings.partitions:
            raise InvalidTopic(
                topic, f"it has {partitions} partitions, not {settings.partitions}", fix="declare as many"
            )

    def delete_topic(self, topic: str) -> None:
        """Delete the topic and the positions of its groups."""
        streams = [self._stream(topic, number) for number in range(self._count(topic))]
        with self._errors(topic):
            positions = list(self._client.scan_iter(f"{_ROOT}:positions:*:{topic}"))
            self._client.hdel(f"{_ROOT}:topics", topic)
            self._client.delete(*streams, *positions)

    def topics(self) -> Mapping[str, int]:
        """Return the number of partitions by topic."""
        with self._errors("*"):
            stored = self._client.hgetall(f"{_ROOT}:topics")
        return {name.decode(): int(value.split(b"|")[0]) for name, value in sorted(stored.items())}

    def identity(self, topic: str) -> str | None:
        """Return the id that the topic's field was given when it was created."""
        return self._settings(topic)[2]

    def produce(
        self,
        topic: str,
        values: Sequence[bytes | None],
        *,
        keys: Sequence[bytes | None] | None = None,
        timestamps: Sequence[int] | None = None,
        partition: int | None = None,
    ) -> Positions:
        """Append the messages in one transaction."""
        count = self._count(topic)
        now, trace = self._clock() // 1000, current_traceparent()
        numbers = self._spread(len(values), keys, count, partition)
        with self._errors(topic), self._client.pipeline(transaction=True) as pipeline:
            for index, value in enumerate(values):
                fields = {b"t": now if timestamps is None else timestamps[index]}
                if trace:
                    fields[b"p"] = cast("int", trace)
                if value is not None:
                    fields[b"v"] = cast("int", value)
                if keys is not None and keys[index] is not None:
                    fields[b"k"] = cast("int", keys[index])
                pipeline.xadd(self._stream(topic, numbers[index]), fields)
            self._trim(topic, pipeline, set(numbers))
            answers = pipeline.execute()
        return {number: _offset(answer) + 1 for number, answer in zip(numbers, answers, strict=False)}

    def read(self, topic: str, partition: int, offset: int, *, max_messages: int, max_bytes: int) -> Batch:
        """Return messages from the offset on; offsets have gaps."""
        first, end = self.bounds(topic)[partition]
        if offset > end or offset < self._lowest(topic, partition, first):
            raise PositionOutOfRange(topic, partition, offset, first=first, end=end)
        with self._errors(topic):
            entries = self._client.xrange(self._stream(topic, partition), _id(offset), "+", count=max_messages)
        messages = (
            (_offset(name), int(fields[b"t"]), fields.get(b"k"), fields.get(b"v"), fields.get(b"p", b"").decode())
            for name, fields in entries
        )
        return as_batch(topic, partition, offset, [*fitting(messages, max_bytes)])

    def bounds(self, topic: str) -> Mapping[int, tuple[int, int]]:
        """Return the first offset that is kept and the one behind the last, by partition."""
        bounds = {}
        for number in range(self._count(topic)):
            with self._errors(topic):
                first = self._client.xrange(self._stream(topic, number), count=1)
                last = self._client.xrevrange(self._stream(topic, number), count=1)
            end = _offset(last[0][0]) + 1 if last else 0
            bounds[number] = (_offset(first[0][0]) if first else end, end)
        return bounds

    def consumer(self, group: str, topic: str, *, start: StartPositions | None = None) -> Consumer:
        """Join a group."""
        self._count(topic)
        return PulledConsumer(
            self,
            group=group,
            topic=topic,
            membership=_Leases(self._client, f"{_ROOT}:group:{group}:{topic}"),
            store=lambda partition, position: self._client.hset(_positions(group, topic), partition, position),
            start=start,
        )

    def committed(self, group: str, topic: str) -> Positions:
        """Return the group's committed positions."""
        with self._errors(topic):
            return {int(name): int(value) for name, value in self._client.hgetall(_positions(group, topic)).items()}

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _trim(self, topic: str, pipeline: Any, partitions: set[int]) -> None:
        retention = self._settings(topic)[1]
        if retention is not None:
            for number in partitions:
                pipeline.xtrim(self._stream(topic, number), minid=f"{self._clock() // 1_000_000 - retention}-0")

    def _lowest(self, topic: str, partition: int, first: int) -> int:
        """Return the lowest position that misses nothing: behind the last message that was trimmed."""
        with self._errors(topic):
            if not self._client.exists(self._stream(topic, partition)):
                return 0
            info = self._client.xinfo_stream(self._stream(topic, partition))
        trimmed = info.get("max-deleted-entry-id") or b"0-0"
        added, length = int(info.get("entries-added") or 0), int(info["length"])
        return first if added > length and _offset(trimmed) == 0 else _offset(trimmed)

    def _settings(self, topic: str) -> tuple[int, int | None, str]:
        with self._errors(topic):
            stored = self._client.hget(f"{_ROOT}:topics", topic)
        if stored is None:
            raise TopicNotFound(topic, list(self.topics()))
        partitions, retention, identity = stored.decode().split("|")
        return int(partitions), int(retention) if retention else None, identity

    def _count(self, topic: str) -> int:
        return self._settings(topic)[0]

    def _stream(self, topic: str, partition: int) -> str:
        return f"{_ROOT}:stream:{topic}:{partition}"

    @contextmanager
    def _errors(self, topic: str) -> Iterator[None]:
        import redis

        try:
            yield
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise BrokerUnreachable(topic, self._address, str(error)) from error
        except redis.RedisError as error:
            raise BrokerError(topic, f"Redis refuses: {error}", fix="look at the server's log") from error


class _Leases:
    """Members and owners are keys that end by themselves; each poll renews them."""

    def __init__(self, client: Any, prefix: str) -> None:
        self._client, self._prefix, self._name = client, prefix, uuid.uuid4().hex
        self._milliseconds = _LEASE // timedelta(milliseconds=1)
        self._owned: set[int] = set()
        self._renewed = float("-inf")
        self._members: tuple[str, ...] = ()

    def members(self) -> tuple[str, tuple[str, ...]]:
        if time.monotonic() - self._renewed > 0.1:  # noqa: PLR2004 - seconds
            now = time.time()
            with self._client.pipeline(transaction=True) as pipeline:
                pipeline.zadd(f"{self._prefix}:members", {self._name: now + _LEASE.total_seconds()})
                pipeline.zremrangebyscore(f"{self._prefix}:members", "-inf", now)
                pipeline.zrange(f"{self._prefix}:members", 0, -1)
                names = pipeline.execute()[-1]
            self._members = tuple(sorted(name.decode() for name in names))
            self._owned = {partition for partition in self._owned if self._renew(partition)}
            self._renewed = time.monotonic()
        return self._name, self._members

    def claim(self, partition: int) -> bool:
        if self._renew(partition):
            self._owned.add(partition)
        return partition in self._owned

    def owns(self, partition: int) -> bool:
        return partition in self._owned and self._renew(partition)

    def release(self, partition: int) -> None:
        self._owned.discard(partition)
        self._client.eval(_DROP, 1, f"{self._prefix}:owner:{partition}", self._name)

    def leave(self) -> None:
        for partition in list(self._owned):
            self.release(partition)
        self._client.zrem(f"{self._prefix}:members", self._name)

    def _renew(self, partition: int) -> bool:
        return bool(self._client.eval(_RENEW, 1, f"{self._prefix}:owner:{partition}", self._name, self._milliseconds))


def _positions(group: str, topic: str) -> str:
    return f"{_ROOT}:positions:{group}:{topic}"


def _offset(name: bytes) -> int:
    milliseconds, sequence = name.split(b"-")
    return (int(milliseconds) << _SEQUENCE_BITS) + int(sequence)


def _id(offset: int) -> str:
    return f"{offset >> _SEQUENCE_BITS}-{offset & ((1 << _SEQUENCE_BITS) - 1)}"
