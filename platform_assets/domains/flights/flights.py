"""Departures from New York, as the airlines report them."""

from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Delta,
    Field,
    Files,
    Quarantine,
    Sla,
    UtcTimestamp,
    col,
    complete,
    expression,
    monthly,
    references,
    within,
)


class Flights(DataFrameModel):
    """One row per scheduled departure from a New York airport."""

    year: int = Field(ge=2000, le=2100, description="Year of departure, local time")
    month: int = Field(ge=1, le=12, description="Month of departure, local time")
    day: int = Field(ge=1, le=31, description="Day of departure, local time")
    dep_time: int = Field(
        nullable=True, ge=1, le=2400, unit="HHMM", description="Actual departure, local; 2400 is midnight"
    )
    sched_dep_time: int = Field(ge=0, le=2400, unit="HHMM", description="Scheduled departure, local")
    dep_delay: float = Field(
        nullable=True, ge=-60, le=1500, unit="minutes", description="Departure delay; early is negative"
    )
    arr_time: int = Field(nullable=True, ge=1, le=2400, unit="HHMM", description="Actual arrival, local")
    sched_arr_time: int = Field(ge=0, le=2400, unit="HHMM", description="Scheduled arrival, local")
    arr_delay: float = Field(
        nullable=True, ge=-120, le=1500, unit="minutes", description="Arrival delay; early is negative"
    )
    carrier: str = Field(references="flights/airlines.carrier", description="Carrier code")
    flight: int = Field(gt=0, description="Flight number")
    tailnum: str = Field(nullable=True, references="flights/planes.tailnum", coverage=0.80, description="Tail number")
    origin: str = Field(isin=["EWR", "JFK", "LGA"], description="Airport of departure")
    dest: str = Field(references="flights/airports.faa", coverage=0.85, description="Airport of arrival")
    air_time: float = Field(nullable=True, gt=0, le=1500, unit="minutes", description="Time in the air")
    distance: int = Field(gt=0, unit="miles", description="Distance between the airports")
    hour: int = Field(ge=0, le=24, description="Scheduled hour of departure, local")
    minute: int = Field(ge=0, le=59, description="Scheduled minute of departure")
    time_hour: UtcTimestamp = Field(description="The scheduled hour of departure")


flights = Dataset(
    "flights/flights",
    Flights,
    owner="team:aviation",
    version="1.1.0",
    tags=("core",),
    key=("carrier", "flight", "time_hour", "origin"),
    source=Files("flights-*.parquet"),
    partitions=monthly("2013-01", on="time_hour", end="2015-01"),
    store=Delta(mode="merge"),
    rules=[
        complete("dep_delay", at_least=0.90),
        references(("origin", "time_hour"), "flights/weather", coverage=0.98, severity="warn"),
        expression("origin_is_not_dest", col("origin") != col("dest"), label="a flight goes somewhere else"),
    ],
    quarantine=Quarantine(),
    freshness=within(hours=24),
    sla=Sla(availability=0.99, latency=within(hours=1)),
)
