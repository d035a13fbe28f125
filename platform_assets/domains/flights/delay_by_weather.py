"""What weather does to punctuality: a mart that dbt makes, with a contract like any other dataset."""

from platform_core.contracts import DataFrameModel, Dataset, DbtModel, Delta, Field, col, expression


class DelayByWeather(DataFrameModel):
    """What does the weather cost? One row per condition of wind, precipitation and visibility."""

    factor: str = Field(isin=["wind", "precipitation", "visibility"], description="What is looked at")
    condition: str = Field(description="Its class; unknown where no weather was reported")
    flights: int = Field(ge=1, description="Scheduled departures")
    cancelled: int = Field(ge=0, description="Departures that did not take place")
    cancelled_share: float = Field(ge=0, le=1, description="Share of departures that did not take place")
    mean_dep_delay: float = Field(nullable=True, ge=-60, le=1500, unit="minutes", description="Mean departure delay")
    median_dep_delay: float = Field(nullable=True, ge=-60, le=1500, unit="minutes", description="Median of it")
    late_share: float = Field(nullable=True, ge=0, le=1, description="Share of those that left 15 minutes late or more")
    mean_arr_delay: float = Field(nullable=True, ge=-120, le=1500, unit="minutes", description="Mean arrival delay")


delay_by_weather = Dataset(
    "flights/delay_by_weather",
    DelayByWeather,
    owner="team:aviation",
    version="1.0.0",
    tags=("mart",),
    key=("factor", "condition"),
    source=DbtModel(),
    store=Delta(),
    rules=[expression("cancelled_within_flights", col("cancelled") <= col("flights"))],
)
