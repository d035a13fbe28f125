"""Gauges by month, in plain Parquet, which the bucket itself may remove."""

from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Field,
    Generated,
    Parquet,
    Retention,
    UtcTimestamp,
    monthly,
    within,
)


class Gauges(DataFrameModel):
    """One row per reading."""

    gauge: int = Field(gt=0)
    at: UtcTimestamp


gauges = Dataset(
    "metrics/gauges",
    Gauges,
    owner="team:metrics",
    version="1.0.0",
    source=Generated(20),
    partitions=monthly("2020-01", on="at"),
    store=Parquet(),
    retention=Retention(keep=within(days=3650)),
)
