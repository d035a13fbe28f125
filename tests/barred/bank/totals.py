"""What each month took."""

import polars as pl

from platform_core.contracts import DataFrameModel, Dataset, Day, Delta, monthly


class Totals(DataFrameModel):
    """One row per month."""

    month: Day
    amount: float


totals = Dataset(
    "bank/totals",
    Totals,
    owner="team:bank",
    version="1.0.0",
    key=("month",),
    partitions=monthly("2024-01", on="month"),
    store=Delta(mode="overwrite"),
)


@totals.transform
def build(takings: pl.LazyFrame) -> pl.LazyFrame:
    """The sum of each month."""
    return takings.group_by(month=pl.col("day").dt.month_start()).agg(pl.col("amount").sum())
