"""Days are sums of hours; they begin before the hours do."""

import polars as pl

from platform_core.contracts import DataFrameModel, Dataset, Day, Delta, Field, daily


class Days(DataFrameModel):
    """One row per day."""

    day: Day
    used: float = Field(ge=0)


days = Dataset(
    "meter/days",
    Days,
    owner="team:meter",
    version="1.0.0",
    key=("day",),
    partitions=daily("2026-01-10", on="day"),
    store=Delta(mode="overwrite"),
)


@days.transform
def build(hours: pl.LazyFrame) -> pl.LazyFrame:
    """The sum of each day."""
    return hours.group_by(pl.col("at").dt.date().alias("day")).agg(pl.col("used").sum())
