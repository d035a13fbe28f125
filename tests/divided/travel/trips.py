"""Trips of a day and a country; the day is Berlin's."""

from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Delta,
    Field,
    Files,
    Quarantine,
    UtcTimestamp,
    by,
    daily,
    pairs,
    volume,
)


class Trips(DataFrameModel):
    """One row per trip."""

    trip: int
    at: UtcTimestamp
    country: str
    price: float = Field(ge=0)


trips = Dataset(
    "travel/trips",
    Trips,
    owner="team:travel",
    version="1.0.0",
    key=("trip",),
    source=Files("trips-*.csv"),
    partitions=pairs(daily("2026-03-27", on="at", zone="Europe/Berlin"), by("country", name="travel_countries")),
    store=Delta(mode="merge"),
    rules=[volume(at_least=1, over="partition")],
    quarantine=Quarantine(awaits_future=True),
    schedule="0 1 * * *",
)
