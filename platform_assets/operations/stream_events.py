"""Messages for a topic: from a file of JSON lines, or generated from the contract of the dataset that reads it."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from platform_assets.ingest.stream import create_topic
from platform_assets.ingest.topic_history import topic_name, topic_of
from platform_core.contracts import Dataset
from platform_core.synthetic import synthesize
from platform_resources.brokers import Broker
from platform_resources.storage import Lake

_AT_ONCE = 10_000


def produce_file(broker: Broker, topic: str, path: Path, *, key: str | None) -> int:
    """Send each line of the file as a message, and return how many; empty lines are passed over.

    Args:
        broker: Where the topic is.
        topic: Its name at the broker.
        path: A file of JSON lines; a line that is no object is sent all the same, for the reader to set aside.
        key: The field that becomes the message's key.
    """
    count = 0
    with path.open("rb") as lines:
        filled = (line.rstrip(b"\r\n") for line in lines if line.strip())
        while chunk := list(islice(filled, _AT_ONCE)):
            broker.produce(topic, chunk, keys=None if key is None else [_key_of(line, key) for line in chunk])
            count += len(chunk)
    return count


def produce_generated(  # noqa: PLR0913 - what the messages are like
    lake: Lake,
    broker: Broker,
    dataset: Dataset,
    *,
    count: int,
    seed: int,
    bad_each: int = 0,
    until: datetime | None = None,
    odd: Mapping[str, int] | None = None,
) -> int:
    """Send rows made from the contract as messages, and return how many.

    Args:
        lake: Whose settings name the topic.
        broker: Where the topic is; it is created where it is missing.
        dataset: Whose source is the topic.
        count: How many.
        seed: Of the rows.
        bad_each: One message in so many is cut off, so that it is no JSON any more; 0 for none.
        until: The instant behind the last event: one a second, out of order by less than the lateness. None leaves
            events where the generator puts them.
        odd: By column of whole numbers, one row in how many keeps its value; the others are divided by 60.
    """
    create_topic(broker, lake, dataset)
    rng = np.random.default_rng(seed)
    rows = synthesize(dataset, count, seed)
    if until is not None:
        rows = _as_live(dataset, rows, until, rng)
    for name, interval in (odd or {}).items():
        is_odd = pl.int_range(pl.len()) % interval == interval - 1
        rows = rows.with_columns(pl.when(is_odd).then(pl.col(name).max()).otherwise(pl.col(name) // 60))
    messages, keys = as_messages(dataset, rows)
    messages = list(spoil(messages, each=bad_each)) if bad_each else messages
    for start in range(0, len(messages), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        broker.produce(topic_name(lake, dataset), messages[part], keys=None if keys is None else keys[part])
    return len(messages)


def _as_live(dataset: Dataset, rows: pl.DataFrame, until: datetime, rng: np.random.Generator) -> pl.DataFrame:
    """Put events a second apart, in the order of the rows but for less than the topic's lateness."""
    topic = topic_of(dataset)
    if topic.event_time is None:
        return rows
    jitter = rng.uniform(0, 0.9 * topic.lateness.total_seconds(), rows.height)
    micros = ((np.arange(rows.height) - rows.height - jitter) * 1_000_000).astype(np.int64)
    at = pl.lit(until).dt.cast_time_unit("us") + pl.Series(micros).cast(pl.Duration("us"))
    return rows.with_columns(at.cast(rows.schema[topic.event_time]).alias(topic.event_time))


def as_messages(dataset: Dataset, rows: pl.DataFrame) -> tuple[list[bytes | None], list[bytes | None] | None]:
    """Write rows in the topic's format, in JSON instants in ISO 8601 with a zone; with the keys that it declares."""
    topic = topic_of(dataset)
    if topic.format in {"arrow", "avro"}:
        packed: list[bytes | None] = [_pack(rows[number], topic.format) for number in range(rows.height)]
        return packed, None if topic.key is None else _as_keys(rows[topic.key])
    texts = rows.with_columns(
        pl.col(name).dt.convert_time_zone("UTC").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
        for name, dtype in rows.schema.items()
        if isinstance(dtype, pl.Datetime)
    )
    lines: list[bytes | None] = [*texts.write_ndjson().encode().splitlines()]
    return lines, None if topic.key is None else _as_keys(texts[topic.key])


def _as_keys(values: pl.Series) -> list[bytes | None]:
    return [None if value is None else value.encode() for value in values.cast(pl.String)]


def _pack(row: pl.DataFrame, form: str) -> bytes:
    packed = io.BytesIO()
    if form == "arrow":
        row.write_ipc_stream(packed)
    else:  # Polars' Avro has no zone: instants are UTC without one
        instants = [name for name, dtype in row.schema.items() if isinstance(dtype, pl.Datetime)]
        row.with_columns(pl.col(name).dt.replace_time_zone(None) for name in instants).write_avro(packed)
    return packed.getvalue()


def _key_of(line: bytes, key: str) -> bytes | None:
    try:
        document: Any = json.loads(line)
    except ValueError:
        return None
    value = document.get(key) if isinstance(document, Mapping) else None
    return None if value is None else str(value).encode()


def spoil(messages: Sequence[bytes | None], *, each: int) -> Iterator[bytes | None]:
    """Yield the messages, of which one in `each` is cut off, so that it is no JSON any more."""
    for number, message in enumerate(messages):
        yield message[:-1] if message and number % each == each - 1 else message
