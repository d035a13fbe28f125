"""Takings of a day in Berlin, over all countries."""

import polars as pl

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, UtcTimestamp, daily


class Days(DataFrameModel):
    """One row per day, by its first trip."""

    first_at: UtcTimestamp
    taken: float = Field(ge=0)


days = Dataset(
    "travel/days",
    Days,
    owner="team:travel",
    version="1.0.0",
    key=("first_at",),
    partitions=daily("2026-03-27", on="first_at", zone="Europe/Berlin"),
    store=Delta(mode="overwrite"),
)


@days.transform
def build(trips: pl.LazyFrame) -> pl.LazyFrame:
    """The sum of each day."""
    day = pl.col("at").dt.convert_time_zone("Europe/Berlin").dt.date()
    return (
        trips.group_by(day.alias("day"))
        .agg(pl.col("at").min().alias("first_at"), pl.col("price").sum().alias("taken"))
        .drop("day")
    )
