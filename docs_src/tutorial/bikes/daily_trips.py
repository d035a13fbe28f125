"""Trips by day and station."""

import polars as pl

from platform_core.contracts import DataFrameModel, Dataset, Day, Field, col, monthly


class DailyTrips(DataFrameModel):
    """One row per station and UTC day with at least one trip."""

    day: Day = Field(description="The day, UTC")
    station: str = Field(description="Where the bikes were taken")
    trips: int = Field(gt=0, description="Trips that began there")
    minutes: int = Field(gt=0, unit="minutes", description="How long the bikes were away, together")


daily_trips = Dataset(
    "bikes/daily_trips",
    DailyTrips,
    owner="team:mobility",
    version="1.0.0",
    key=("day", "station"),
    partitions=monthly("2024-05", on="day"),
)


@daily_trips.transform
def build(trips: pl.LazyFrame) -> pl.LazyFrame:
    """Trips of each day and station."""
    by_day = trips.group_by(day=col("started_at").dt.date(), station="station")
    return by_day.agg(trips=pl.len().cast(pl.Int64), minutes=col("minutes").sum())
