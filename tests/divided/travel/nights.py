"""Nights by country, made from the visits of the same country."""

import polars as pl

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, by


class Nights(DataFrameModel):
    """One row per country."""

    country: str
    nights: int = Field(ge=1)


nights = Dataset(
    "travel/nights",
    Nights,
    owner="team:travel",
    version="1.0.0",
    key=("country",),
    partitions=by("country", name="travel_countries"),
    store=Delta(mode="overwrite"),
)


@nights.transform
def build(visits: pl.LazyFrame) -> pl.LazyFrame:
    """The sum of each country."""
    return visits.group_by("country").agg(pl.col("nights").sum())
