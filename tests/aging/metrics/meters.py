"""Meters by month, in Delta, whose old months go by a commit."""

from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Delta,
    Field,
    Generated,
    Retention,
    UtcTimestamp,
    monthly,
    within,
)


class Meters(DataFrameModel):
    """One row per reading."""

    meter: int = Field(gt=0)
    at: UtcTimestamp


meters = Dataset(
    "metrics/meters",
    Meters,
    owner="team:metrics",
    version="1.0.0",
    source=Generated(20),
    partitions=monthly("2020-01", on="at"),
    store=Delta(mode="append"),
    retention=Retention(keep=within(days=365), read_back=within(days=90)),
)
