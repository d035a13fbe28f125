"""How many lines a year has, kept as Parquet."""

import polars as pl

from platform_core.contracts import DataFrameModel, Dataset, Field, Parquet, by


class Editions(DataFrameModel):
    """One row per year."""

    year: int
    lines: int = Field(ge=1)


editions = Dataset(
    "travel/editions",
    Editions,
    owner="team:travel",
    version="1.0.0",
    key=("year",),
    partitions=by("year", values=[2024, 2025]),
    store=Parquet(mode="overwrite"),
)


@editions.transform
def build(yearbook: pl.LazyFrame) -> pl.LazyFrame:
    """The count of each year."""
    return yearbook.group_by("year").agg(pl.len().cast(pl.Int64).alias("lines"))
