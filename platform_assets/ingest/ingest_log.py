"""The log of inputs: for each, its latest version, and counts that add up."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl

from platform_assets.ingest.inputs import Input
from platform_assets.ingest.quarantine import INGESTS
from platform_assets.ingest.tables import SOURCE


def log_of(
    inputs: Sequence[Input],
    rows: Mapping[str, pl.DataFrame],
    *,
    partition: str | None,
    run_id: str,
    at: datetime,
) -> pl.DataFrame:
    """One row an input, in their order.

    Args:
        inputs: What came in.
        rows: Frames with a `_source` column, to be counted by it: `rows` that came, `stamped` that broke no rule,
            `valid` that will be written, `quarantined`.
        partition: The column of `stamped` that holds the partition, if there is one.
        run_id: Of the Dagster run.
        at: The instant of the run, in UTC.
    """
    log = pl.DataFrame(
        {
            "source": [given.source for given in inputs],
            "ingest_id": [given.ingest_id for given in inputs],
            "stamp": [given.stamp for given in inputs],
            "position": [given.position or None for given in inputs],
        },
        schema=dict.fromkeys(("source", "ingest_id", "stamp", "position"), pl.String),
    ).with_columns(pl.lit(run_id).alias("run_id"), pl.lit(at).cast(INGESTS["ingested_at"]).alias("ingested_at"))
    for name, frame in rows.items():
        counts = _by_source(frame, pl.len().cast(pl.Int64).alias(name))
        log = log.join(counts, on="source", how="left", maintain_order="left").with_columns(pl.col(name).fill_null(0))
    key = pl.col(partition).unique().sort() if partition else pl.lit(None, pl.String)
    touched = _by_source(rows["stamped"], key.alias("partitions"))
    return (
        log.join(touched, on="source", how="left", maintain_order="left")
        .with_columns((pl.col("stamped") - pl.col("valid")).alias("superseded"), unreadable_id=None)
        .select(pl.col(name).cast(dtype) for name, dtype in INGESTS.items())
    )


def _by_source(frame: pl.DataFrame, number: pl.Expr) -> pl.DataFrame:
    return frame.group_by(pl.col(SOURCE).alias("source")).agg(number)
