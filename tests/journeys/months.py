"""Months of flights that the sample does not have, made from those that it has."""

from datetime import timedelta

import polars as pl

from tests.journeys.installation import Installation

_YEAR = timedelta(days=365)


def a_year_later(installation: Installation, month: int) -> pl.DataFrame:
    """The flights of a month of 2013, as if they had left in 2014."""
    sample = pl.read_parquet(installation.landing / f"flights/flights-2013-{month:02d}.parquet")
    return sample.with_columns(pl.col("time_hour") + _YEAR, pl.col("year") + 1)
