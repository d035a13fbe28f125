"""Hourly weather at New York's airports."""

from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Delta,
    Field,
    Files,
    Quarantine,
    UtcTimestamp,
    complete,
    monthly,
)


class Weather(DataFrameModel):
    """One row per airport and hour."""

    origin: str = Field(isin=["EWR", "JFK", "LGA"], description="Weather station")
    year: int = Field(ge=2000, le=2100, description="Year, local time")
    month: int = Field(ge=1, le=12, description="Month, local time")
    day: int = Field(ge=1, le=31, description="Day of the month, local time")
    hour: int = Field(ge=0, le=23, description="Hour, local time")
    temp: float = Field(nullable=True, ge=-60, le=140, unit="degrees Fahrenheit", description="Temperature")
    dewp: float = Field(nullable=True, ge=-80, le=100, unit="degrees Fahrenheit", description="Dew point")
    humid: float = Field(nullable=True, ge=0, le=100, unit="percent", description="Relative humidity")
    wind_dir: float = Field(nullable=True, ge=0, le=360, unit="degrees", description="Wind direction")
    wind_speed: float = Field(nullable=True, ge=0, le=250, unit="miles per hour", description="Wind speed")
    wind_gust: float = Field(nullable=True, ge=0, le=300, unit="miles per hour", description="Wind gust")
    precip: float = Field(ge=0, le=20, unit="inches", description="Precipitation")
    pressure: float = Field(nullable=True, ge=850, le=1100, unit="millibars", description="Sea-level pressure")
    visib: float = Field(ge=0, le=10, unit="miles", description="Visibility")
    time_hour: UtcTimestamp = Field(description="The hour's start")


weather = Dataset(
    "flights/weather",
    Weather,
    owner="team:aviation",
    version="1.1.0",
    key=("origin", "time_hour"),
    source=Files("weather-*.parquet"),
    partitions=monthly("2013-01", on="time_hour", end="2015-01"),
    store=Delta(mode="merge"),
    rules=[complete("pressure", at_least=0.85)],
    quarantine=Quarantine(),
)
