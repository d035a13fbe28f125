"""Months are sums of days; the one that is running has days that are still to come."""

import polars as pl

from platform_core.contracts import DataFrameModel, Dataset, Day, Delta, Field, monthly


class Months(DataFrameModel):
    """One row per month, by its first day."""

    month: Day
    used: float = Field(ge=0)


months = Dataset(
    "meter/months",
    Months,
    owner="team:meter",
    version="1.0.0",
    key=("month",),
    partitions=monthly("2026-01", on="month"),
    store=Delta(mode="overwrite"),
)


@months.transform
def build(days: pl.LazyFrame) -> pl.LazyFrame:
    """The sum of each month."""
    return days.group_by(pl.col("day").dt.month_start().alias("month")).agg(pl.col("used").sum())
