"""Redis as a sink: a JSON document a row, put unless the one that is there is of a later publication."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from typing import Any

from platform_resources.settings import Settings
from platform_resources.sinks.base import Changes, Sink, SinkContext
from platform_resources.sinks.errors import SinkError, SinkRefused, SinkUnreachable

_AT_ONCE = 5_000
# The number stands before the document, so that both are one value; 20 digits compare as texts.
_PUT = """
for place = 1, #KEYS do
  local there = redis.call('get', KEYS[place])
  if not there or string.sub(there, 1, 20) <= ARGV[1] then
    local document = ARGV[place + 2]
    if document == '' then redis.call('del', KEYS[place])
    elseif ARGV[2] == '0' then redis.call('set', KEYS[place], ARGV[1] .. document)
    else redis.call('set', KEYS[place], ARGV[1] .. document, 'PX', ARGV[2]) end
  end
end
"""
_NUMBER_DIGITS = 20


class RedisSink(Sink):
    """Documents of one dataset in Redis."""

    def __init__(self, url: str, prefix: str, keep: timedelta | None, *, context: SinkContext, name: str) -> None:
        """Take the address, what stands before keys, and how long a document stays."""
        self._dataset, self._name, self._prefix = context.dataset, f"redis {name}", prefix
        self._client = open_client(url, context.dataset, self._name)
        self._keep = 0 if keep is None else keep // timedelta(milliseconds=1)

    def write(self, changes: Changes) -> None:
        """Put and delete documents, some thousand at once."""
        with _errors(self._dataset, self._name):
            put = self._client.register_script(_PUT)
            documents = [*changes.documents()]
            entries = iter([*documents, *((name, b"") for name in changes.deleted_ids)])
            while part := list(islice(entries, _AT_ONCE)):
                keys = [f"{self._prefix}:{name}" for name, _ in part]
                number = str(changes.number).zfill(_NUMBER_DIGITS)
                put(keys=keys, args=[number, str(self._keep), *(document for _, document in part)])

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def look_up(settings: Settings, connection: str, prefix: str, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Return the documents by id, for those that are there."""
    context = SinkContext(dataset=prefix, settings=settings, key=(), schema={})
    client = open_client(context.address(connection), prefix, f"redis {connection}")
    with _errors(prefix, f"redis {connection}"):
        values = client.mget([f"{prefix}:{name}" for name in ids]) if ids else []
        client.close()
    pairs = zip(ids, values, strict=True)
    return {name: json.loads(value[_NUMBER_DIGITS:]) for name, value in pairs if value is not None}


def open_client(url: str, dataset: str, name: str) -> Any:
    """Return a client of the server.

    Raises:
        SinkError: The package that speaks to it is not installed, or the address is none.
    """
    try:
        import redis
    except ImportError as error:
        fix = "install the extra redis"
        raise SinkError(dataset, name, "the package redis is not installed", fix=fix) from error
    try:
        return redis.Redis.from_url(url, socket_timeout=30, socket_connect_timeout=10)
    except ValueError as error:
        raise SinkError(dataset, name, "its address is none of Redis", fix="write redis://host:6379/0") from error


@contextmanager
def _errors(dataset: str, name: str) -> Iterator[None]:
    import redis

    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise SinkUnreachable(dataset, name, f"it does not answer ({type(error).__name__})") from error
    except redis.ResponseError as error:
        fix = "look at its configuration: memory, rights, cluster"
        raise SinkRefused(dataset, name, f"it refuses: {str(error).split(' ', 1)[0]}", fix=fix) from error


def open_sink(options: Mapping[str, Any], context: SinkContext) -> RedisSink:
    """Open the documents of a dataset."""
    connection, prefix = options["connection"], options["prefix"] or context.dataset
    return RedisSink(context.address(connection), prefix, options["keep"], context=context, name=connection)
