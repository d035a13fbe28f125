"""A topic as a source: each message is a record, and one that is no row keeps its number, offset and text."""

from pathlib import Path

import polars as pl

from platform_resources.brokers import open_broker
from platform_resources.settings import Settings
from platform_resources.sources import Cursor, SourceContext, open_source


def test_a_message_that_is_no_row_is_set_aside_between_the_others(tmp_path: Path) -> None:
    settings = Settings.from_environment({"PLATFORM_STATE": str(tmp_path)})
    broker = open_broker(settings)
    broker.create_topic("clicks")
    broker.produce("clicks", [b'{"a":1}', b"no JSON", b'{"a":3}'])
    broker.close()
    context = SourceContext(
        dataset="web/clicks", version="1.0.0", settings=settings, partitions=None,
        partition_keys=lambda rows: pl.Series([None] * rows.height), generate=lambda *_: pl.DataFrame(),
        quarantined=lambda _: pl.DataFrame(),
    )  # fmt: skip
    topic = open_source("topic", {"topic": "clicks", "format": "json"}, context)
    (unit,) = topic.pending(Cursor())
    (batch,) = topic.read(unit)
    (malformed,) = batch.malformed
    assert batch.rows.rows() == [(1,), (3,)]
    assert (malformed.record, malformed.line, malformed.text) == (2, 1, "no JSON")
