"""Screenings: which film runs where and when."""

from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Delta,
    Field,
    Files,
    Quarantine,
    UtcTimestamp,
    monthly,
    references,
)


class Screenings(DataFrameModel):
    """One row per screening."""

    house: str
    hall: int
    starts_at: UtcTimestamp
    film: str = Field(references="cinema/films.film")


screenings = Dataset(
    "cinema/screenings",
    Screenings,
    owner="team:programme",
    version="1.0.0",
    key=("house", "hall", "starts_at"),
    source=Files("screenings-*.csv"),
    partitions=monthly("2026-01", on="starts_at"),
    store=Delta(mode="merge"),
    rules=[references(("house", "hall"), "cinema/halls")],
    quarantine=Quarantine(),
)
