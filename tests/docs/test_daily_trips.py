"""What a domain's own tests look like."""

from datetime import UTC, datetime

import polars as pl

from docs_src.tutorial.bikes.daily_trips import build


def test_trips_are_counted_by_utc_day() -> None:
    late, early = datetime(2024, 5, 31, 23, 50, tzinfo=UTC), datetime(2024, 6, 1, 0, 10, tzinfo=UTC)
    trips = pl.LazyFrame({"station": ["park", "park"], "started_at": [late, early], "minutes": [26, 45]})
    assert build(trips).collect().sort("day")["minutes"].to_list() == [26, 45]
