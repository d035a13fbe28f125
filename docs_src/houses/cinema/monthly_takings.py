"""What each house took in a month: months of days."""

import polars as pl

from platform_core.contracts import DataFrameModel, Dataset, Day, Delta, Field, monthly


class MonthlyTakings(DataFrameModel):
    """One row per house and month, by its first day."""

    house: str
    month: Day
    tickets: int = Field(ge=1)
    cents: int = Field(ge=0, unit="euro cents")


monthly_takings = Dataset(
    "cinema/monthly_takings",
    MonthlyTakings,
    owner="team:houses",
    version="1.0.0",
    key=("house", "month"),
    partitions=monthly("2026-01", on="month"),
    store=Delta(mode="overwrite"),
)


@monthly_takings.transform
def build(tickets: pl.LazyFrame) -> pl.LazyFrame:
    """The sum of each house and month."""
    return tickets.group_by("house", month=pl.col("starts_at").dt.date().dt.truncate("1mo")).agg(
        tickets=pl.len().cast(pl.Int64), cents=pl.col("cents").sum()
    )
