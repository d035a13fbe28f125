"""Days are looked up instead of being spelled one by one, and no text shows it."""

from datetime import date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from platform_resources.conversion.days import spelled_days

DAYS = st.dates()
DTYPES = (pl.Date(), pl.Datetime("ms"), pl.Datetime("us"), pl.Datetime("ns"))
NANOSECONDS = (date(1677, 9, 22), date(2262, 4, 11))
MANY = 2 * 4 * 2048
"""Rows that are worth a calendar which spans two of its pages."""


def in_json(values: pl.Series) -> pl.Series:
    """As the encoder of JSON lines spells them, kept with all that JSON puts around them."""
    return pl.Series(values.to_frame("").write_ndjson().splitlines())


def in_csv(values: pl.Series) -> pl.Series:
    return pl.Series(values.to_frame("").write_csv(include_header=False).splitlines())


@pytest.mark.parametrize("spell", [in_json, in_csv])
@given(start=DAYS, offsets=st.lists(st.none() | st.integers(0, 2000), min_size=1), dtype=st.sampled_from(DTYPES))
def test_every_day_has_the_text_that_its_encoder_gives_it(spell, start, offsets, dtype) -> None:  # type: ignore[no-untyped-def]
    least, last = NANOSECONDS if dtype == pl.Datetime("ns") else (date.min, date.max)
    first = min(max(start, least), last)
    values = [None if each is None else first + min(timedelta(days=each), last - first) for each in offsets]
    column = pl.Series("d", values, dtype=pl.Date).cast(dtype)
    rows = pl.select(column.extend(column.new_from_index(0, MANY)).alias("d"))
    found = spelled_days(rows, spell)
    days = rows.filter(pl.col("d").is_not_null())
    assert found["d"].null_count() == rows["d"].null_count()
    if days.height and found.schema["d"] == pl.String:
        assert found["d"].drop_nulls().to_list() == spell(days["d"]).to_list()
    else:
        assert_frame_equal(found, rows)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_calendar_is_used_where_it_is_worth_it(dtype: pl.DataType) -> None:
    days = pl.select(pl.date_range(date(2000, 1, 1), date(2003, 1, 1), eager=True).alias("d").cast(dtype))
    assert spelled_days(pl.concat([days] * 20), in_json).schema["d"] == pl.String
    assert_frame_equal(spelled_days(days, in_json), days)


@pytest.mark.parametrize(
    "column",
    [
        pl.Series("d", [datetime(2024, 2, 29), datetime(2024, 2, 29, 0, 0, 0, 1)]),  # noqa: DTZ001 - it has no zone
        pl.Series("d", [datetime(2024, 2, 29)]).dt.replace_time_zone("Europe/Dublin"),  # noqa: DTZ001 - it has one now
        pl.Series("d", [None, None], dtype=pl.Date),
        pl.Series("d", [timedelta(days=1)]),
        pl.Series("d", [[date(2024, 2, 29)]]),
        pl.Series("d", ["2024-02-29"]),
    ],
    ids=["an instant", "a zone", "nothing but nulls", "a duration", "a list", "a text"],
)
def test_what_is_no_day_is_left_to_the_encoder(column: pl.Series) -> None:
    rows = pl.concat([column.to_frame()] * MANY)
    assert_frame_equal(spelled_days(rows, in_json), rows)
    assert_frame_equal(spelled_days(rows.clear(), in_json), rows.clear())


def test_a_day_that_the_calendar_of_polars_lacks_is_left_to_the_encoder() -> None:
    rows = pl.DataFrame({"d": pl.Series([2**31 - 1] * MANY, dtype=pl.Int32).cast(pl.Date)})
    assert_frame_equal(spelled_days(rows, in_json), rows)
