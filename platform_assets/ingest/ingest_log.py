"""The log of inputs: for each, its latest version, its place in the order of arrival, and counts that add up."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl

from platform_assets.ingest.inputs import Input
from platform_assets.ingest.quarantine import INGESTS
from platform_assets.ingest.tables import SOURCE, table_spec
from platform_core.contracts import Dataset
from platform_resources.storage import Lake


def log_of(
    inputs: Sequence[Input],
    counts: Mapping[str, Mapping[str, int]],
    *,
    arrivals: Mapping[str, int],
    partitions: Mapping[str, Sequence[str]],
    run_id: str,
    at: datetime,
) -> pl.DataFrame:
    """One row an input, in their order.

    Args:
        inputs: What came in.
        counts: By source, the rows that came (`rows`), that are written (`valid`) and that are `quarantined`; the
            others are superseded.
        arrivals: By source, the place of its content in the order of arrival.
        partitions: By source, those that its valid rows lie in.
        run_id: Of the Dagster run.
        at: The instant of the run, in UTC.
    """
    numbers = {
        name: [counts[name].get(given.source, 0) for given in inputs] for name in ("rows", "valid", "quarantined")
    }
    return pl.DataFrame(
        {
            "source": [given.source for given in inputs],
            "ingest_id": [given.ingest_id for given in inputs],
            "stamp": [given.stamp for given in inputs],
            "position": [given.position or None for given in inputs],
            "arrival": [arrivals.get(given.source) for given in inputs],
            "partitions": [partitions.get(given.source) for given in inputs],
            **numbers,
        },
        schema={name: INGESTS[name] for name in
                ("source", "ingest_id", "stamp", "position", "arrival", "partitions", *numbers)},
    ).with_columns(
        (pl.col("rows") - pl.col("valid") - pl.col("quarantined")).alias("superseded"),
        pl.lit(run_id).alias("run_id"),
        pl.lit(at).cast(INGESTS["ingested_at"]).alias("ingested_at"),
        unreadable_id=None,
        commit=None,
    ).select(pl.col(name).cast(dtype) for name, dtype in INGESTS.items())  # fmt: skip


def unread_rows(log: pl.DataFrame, unread: pl.DataFrame) -> pl.DataFrame:
    """Give the log's rows of sources that cannot be read now: their earlier versions, or 0 rows where there is none."""
    now = unread.select("source", pl.col("stamp").alias("_stamp"), pl.col("ingest_id").alias("_unreadable"))
    earlier = log.join(now, on="source", maintain_order="right")
    standing = earlier.with_columns(stamp=pl.col("_stamp"), unreadable_id=pl.col("_unreadable"))
    first = unread.join(earlier, on="source", how="anti", maintain_order="left")
    return pl.concat([standing.select(list(INGESTS)), first.with_columns(unreadable_id="ingest_id")])


def shifted(log: pl.DataFrame, *, overtaken: pl.Series, restored: pl.Series) -> pl.DataFrame:
    """Give the log's rows of sources that lost rows to newer inputs, or have some back, with the counts they have now.

    Args:
        log: The log's rows.
        overtaken: The source of each row that gave way.
        restored: The source of each row that stands again.
    """
    moves = pl.concat([
        pl.DataFrame({"source": sources}, schema={"source": pl.String}).with_columns(pl.lit(step).alias("_lost"))
        for sources, step in ((overtaken, 1), (restored, -1))
    ])  # fmt: skip
    lost = moves.group_by("source").agg(pl.col("_lost").sum().cast(pl.Int64)).filter(pl.col("_lost") != 0)
    return log.join(lost, on="source", maintain_order="left").with_columns(
        valid=pl.col("valid") - pl.col("_lost"), superseded=pl.col("superseded") + pl.col("_lost")
    ).select(list(INGESTS))  # fmt: skip


def recounted(log: pl.DataFrame, lake: Lake, dataset: Dataset) -> pl.DataFrame:
    """Give the log's rows with the rows that the table has of each source; the other valid ones are superseded."""
    spec = table_spec(dataset)
    if log.is_empty() or not spec.replaces or not lake.exists(spec):
        return log
    mine = lake.scan(spec, columns=[SOURCE]).filter(pl.col(SOURCE).is_in(log["source"].to_list()))
    stored = mine.group_by(pl.col(SOURCE).alias("source")).agg(pl.len().cast(pl.Int64).alias("_stored")).collect()
    valid = pl.min_horizontal(pl.col("_stored").fill_null(0), pl.col("rows") - pl.col("quarantined"))
    return (
        log.join(stored, on="source", how="left", maintain_order="left")
        .with_columns(valid=valid, superseded=pl.col("rows") - pl.col("quarantined") - valid)
        .select(list(INGESTS))
    )
