"""Visits by country; which countries there are, the data say."""

from platform_core.contracts import DataFrameModel, Dataset, Day, Field, Files, Iceberg, Quarantine, by


class Visits(DataFrameModel):
    """One row per visit."""

    visit: int
    country: str
    day: Day
    nights: int = Field(ge=1)


visits = Dataset(
    "travel/visits",
    Visits,
    owner="team:travel",
    version="1.0.0",
    key=("visit",),
    source=Files("visits-*.csv"),
    partitions=by("country", name="travel_countries"),
    store=Iceberg(mode="merge"),
    quarantine=Quarantine(),
    schedule="0 6 * * 1",
)
