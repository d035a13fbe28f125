"""A stream as of this moment: its table, and what the durable log holds beyond it, judged by the same rules.

A worker may then commit once a minute, so that a day has 1,440 versions of a table at any rate, while a reader sees a
message as soon as the broker has acknowledged it. Nothing is written.
"""

from dataclasses import replace
from datetime import UTC, datetime

import polars as pl

from platform_assets.ingest.existing_rows import after_messages
from platform_assets.ingest.references import load_references
from platform_assets.ingest.stored import as_declared
from platform_assets.ingest.stream import judge_messages
from platform_assets.ingest.tables import INGEST, SOURCE, table_spec
from platform_assets.ingest.topic_history import history_name, read_positions, refuse_replaced, topic_name
from platform_core.contracts import Catalog, Dataset
from platform_resources.brokers import Broker
from platform_resources.errors import WriteConflict
from platform_resources.storage import Lake

_MESSAGES, _BYTES = 100_000, 64 * 1024**2
_ATTEMPTS = 20
_BESIDE = [SOURCE, INGEST]


def read_fresh(lake: Lake, catalog: Catalog, dataset: Dataset, broker: Broker) -> pl.DataFrame:
    """Return the rows of a stream's table and of the messages behind it, with `_source` and `_ingest_id`.

    Of one key the last message stands where the table merges. What a rule refuses is left out, as the worker will.

    Raises:
        TopicReplaced: The topic is not the one that the table's position belongs to.
        WriteConflict: Writers were faster than every attempt to read a version and its positions together.
    """
    topic, spec = topic_name(lake, dataset), table_spec(dataset)
    partitions = list(broker.bounds(topic)) if topic in broker.topics() else []
    if partitions:
        refuse_replaced(lake, dataset, broker)
    stored, positions = _read_together(lake, dataset, partitions)
    parts, history = [stored], history_name(lake, dataset)
    references, beside = load_references(lake, catalog, dataset), after_messages(lake, dataset)
    for partition in partitions:
        first, end = broker.bounds(topic)[partition]
        reached = positions[partition]
        position = first if reached is None else reached
        while position < end:
            batch = broker.read(topic, partition, position, max_messages=_MESSAGES, max_bytes=_BYTES)
            if not len(batch):
                break
            at = datetime.now(UTC)
            read = replace(batch, topic=history)
            judged = judge_messages(dataset, read, references, beside=beside, run_id="reader", at=at)
            if judged.rows.width:
                parts.append(as_declared(judged.rows.lazy(), dataset, beside=_BESIDE).collect())
            position = batch.next_offset
    rows = pl.concat(parts)
    return rows.unique(list(dataset.key), keep="last", maintain_order=True) if spec.mode == "merge" else rows


def _read_together(lake: Lake, dataset: Dataset, partitions: list[int]) -> tuple[pl.DataFrame, dict[int, int | None]]:
    """Return the rows of a version and the positions that it has: what was committed in between is read again."""
    spec = table_spec(dataset)
    for _ in range(_ATTEMPTS):
        version = lake.version(spec) if lake.exists(spec) else None
        positions = read_positions(lake, dataset, partitions)
        if (lake.version(spec) if lake.exists(spec) else None) != version:
            continue
        if version is None:
            types = {column.name: column.dtype for column in dataset.columns}
            return pl.DataFrame(schema={**types, SOURCE: pl.String(), INGEST: pl.String()}), positions
        rows = as_declared(lake.scan(spec, version=version), dataset, beside=_BESIDE).collect()
        return rows, positions
    raise WriteConflict(spec.path, _ATTEMPTS)
