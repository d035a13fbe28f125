"""Delays by day and airport, with the day's weather."""

import polars as pl

from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Day,
    Delta,
    Field,
    balance,
    col,
    expression,
    monthly,
    within,
)

LATE_MINUTES = 15
"""The Bureau of Transportation Statistics counts a departure as late from here on."""


class DailyDelays(DataFrameModel):
    """One row per airport and UTC day with at least one scheduled departure."""

    day: Day = Field(description="The day, UTC")
    origin: str = Field(isin=["EWR", "JFK", "LGA"], description="Airport of departure")
    flights: int = Field(gt=0, description="Scheduled departures")
    cancelled: int = Field(ge=0, description="Departures that never happened")
    mean_dep_delay: float = Field(nullable=True, ge=-60, le=1500, unit="minutes", description="Mean departure delay")
    delayed_share: float = Field(nullable=True, ge=0, le=1, description="Share of departures over 15 minutes late")
    mean_wind_speed: float = Field(nullable=True, ge=0, le=250, unit="miles per hour", description="Mean wind speed")
    total_precip: float = Field(nullable=True, ge=0, unit="inches", description="Precipitation of the day")


BY_DAY: dict[str, pl.Expr | str] = {"day": col("time_hour").dt.date(), "origin": "origin"}

daily_delays = Dataset(
    "flights/daily_delays",
    DailyDelays,
    owner="team:aviation",
    version="1.1.1",
    key=("day", "origin"),
    partitions=monthly("2013-01", on="day", end="2015-01"),
    store=Delta(mode="overwrite"),
    rules=[
        expression("cancelled_within_flights", col("cancelled") <= col("flights")),
        balance(
            "flights_counted_once",
            "flights/flights",
            by=BY_DAY,
            own=col("flights").sum(),
            theirs=pl.len(),
            label="each flight counts once, on its day and at its airport",
        ),
        balance(
            "cancelled_counted_once",
            "flights/flights",
            by=BY_DAY,
            own=col("cancelled").sum(),
            theirs=col("dep_time").is_null().sum(),
            label="each flight that never left counts once",
        ),
        balance(
            "precip_is_kept",
            "flights/weather",
            by=BY_DAY,
            own=col("total_precip").sum(),
            theirs=col("precip").sum(),
            tolerance=1e-6,
            groups="own",
            label="the rain of a day is that of its hours",
        ),
    ],
    freshness=within(days=2),
)


@daily_delays.transform
def build(flights: pl.LazyFrame, weather: pl.LazyFrame) -> pl.LazyFrame:
    """Departures of each day and airport, beside the weather of that day."""
    day = col("time_hour").dt.date().alias("day")
    departures = flights.group_by(day, "origin").agg(
        flights=pl.len().cast(pl.Int64),
        cancelled=col("dep_time").is_null().sum().cast(pl.Int64),
        mean_dep_delay=col("dep_delay").mean(),
        delayed_share=(col("dep_delay") > LATE_MINUTES).mean(),
    )
    skies = weather.group_by(day, "origin").agg(
        mean_wind_speed=col("wind_speed").mean(),
        total_precip=col("precip").sum(),
    )
    return departures.join(skies, on=["day", "origin"], how="left").sort("day", "origin")
