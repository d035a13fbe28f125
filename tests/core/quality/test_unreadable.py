"""A value that cannot be read is told of with its column, itself and what was expected; personal data is masked."""

from datetime import UTC, date, datetime
from typing import Annotated

import polars as pl
import pytest

from platform_core.contracts import DataFrameModel, Dataset, Day, Field, Files, UtcTimestamp
from platform_core.errors import ShapeError
from platform_core.quality import conform
from platform_core.quality.conform import read_as
from platform_core.quality.nested import first_misfit
from platform_core.quality.unreadable import unreadable_values, why_unreadable


class Things(DataFrameModel):
    """One row per thing."""

    at: UtcTimestamp
    price: Annotated[pl.Decimal, 6, 2]
    count: int
    card: int = Field(pii="card")


THINGS = Dataset("x/things", Things, owner="team:x", version="1.0.0")
GOOD = {"at": "2024-03-03T09:00:00Z", "price": "1.50", "count": "3", "card": "4"}


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("at", "2024-03-03T09:00:00", "at: '2024-03-03T09:00:00' has no zone; UtcTimestamp wants one"),
        ("at", "01/05/2024", "at: '01/05/2024' is no instant"),
        ("price", "1.505", "price: '1.505' does not fit 6 digits with 2 places."),
        ("price", "$7", "price: '$7' is no number; digits and a point are wanted"),
        ("count", "1.5", "count: '1.5' has places; a whole number is wanted."),
        ("count", "99999999999999999999", "lies beyond Int64."),
        ("card", "no card", "card: ••• is no whole number"),
    ],
)
def test_the_reason_names_column_value_and_what_was_expected(column: str, value: str, told: str) -> None:
    raw = pl.DataFrame([GOOD, {**GOOD, column: value}])
    (reason,) = unreadable_values(raw, conform(raw, THINGS).unreadable, THINGS)
    assert told in reason
    assert "no card" not in reason


class Moments(DataFrameModel):
    """Instants and days, alone and in a list."""

    at: UtcTimestamp = Field(nullable=True)
    day: Day = Field(nullable=True)
    many: Annotated[pl.List, pl.Datetime("us", "UTC")] = Field(nullable=True)


MOMENTS = Dataset("a/moments", Moments, owner="team:a", version="1.0.0", source=Files("moments-*.csv"))


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("at", "2024-01-01T00:00:00.123456700Z", None),
        ("at", "2024-01-01T00:00:00.123456000Z", datetime(2024, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)),
        ("at", "0824-01-01T00:00:00Z", datetime(824, 1, 1, tzinfo=UTC)),
        ("day", "31-12-24", None),
        ("day", "824-12-31", None),
        ("day", "0824-12-31", date(824, 12, 31)),
        ("day", "2024-12-31 00:00:00", date(2024, 12, 31)),
        ("day", "2024-12-31 00:00:01", None),
        ("day", "2024-12-31T00:00:00", None),
        ("many", ["2024-01-01T00:00:00Z"], [datetime(2024, 1, 1, tzinfo=UTC)]),
        ("many", ["2024-01-01T00:00:00Z", "2024-01-01T00:00:00"], None),
        ("many", ["2024-01-01T00:00:00.1234567Z"], None),
    ],
)
def test_no_digit_of_time_is_cut_and_none_is_guessed(column: str, value: object, expected: object) -> None:
    names = [each.name for each in MOMENTS.columns]
    raw = pl.DataFrame({name: [value if name == column else None] for name in names})
    conformed = conform(raw, MOMENTS)
    assert conformed.frame[column].to_list() == [expected]
    assert conformed.unreadable[column].to_list() == [expected is None]


def test_an_instant_in_nanoseconds_is_not_cut_to_microseconds() -> None:
    fine = pl.Series("at", [1_704_067_200_123_456_789, 1_704_067_200_123_456_000]).cast(pl.Datetime("ns", "UTC"))
    raw = pl.DataFrame({"at": fine, "day": [None, None], "many": [None, None]})
    assert conform(raw, MOMENTS).unreadable["at"].to_list() == [True, False]


def test_instants_without_a_zone_in_a_list_are_refused_as_those_outside_of_one() -> None:
    raw = pl.DataFrame({"at": [None], "day": [None], "many": [[datetime(2024, 1, 1)]]})  # noqa: DTZ001 - the point
    with pytest.raises(ShapeError, match=r"many: is a timestamp without a zone"):
        conform(raw, MOMENTS)


def test_the_reason_names_the_digits_and_the_year() -> None:
    told = [why_unreadable(MOMENTS.columns[0], "2024-01-01T00:00:00.1234567Z"),
            why_unreadable(MOMENTS.columns[1], "31-12-24")]  # fmt: skip
    assert ["digits below a microsecond" in told[0], "four digits of the year" in told[1]] == [True, True]


class Flats(DataFrameModel):
    """One flat."""

    rent: float
    since: Day


def test_what_the_source_declares_of_numbers_and_days_is_what_the_reason_asks_for() -> None:
    flats = Dataset("city/flats", Flats, owner="team:city", version="1.0.0",
                    source=Files("flats-*", decimal=",", thousands=".", formats={"since": "%d.%m.%Y"}))  # fmt: skip
    raw = pl.DataFrame({"rent": ["55.5"], "since": ["2024-02-29"]})
    assert list(unreadable_values(raw, conform(raw, flats).unreadable, flats)) == [
        "rent: '55.5' is no number as the source declares, with ',' before places and '.' between thousands.",
        "since: '2024-02-29' is not written as the source declares, '%d.%m.%Y'.",
    ]


def test_a_misfit_within_a_nested_value_is_named_by_its_path() -> None:
    tags = pl.Struct({"name": pl.String, "tags": pl.List(pl.Struct({"k": pl.Int64}))})
    assert first_misfit('{"name": "a", "tags": [{"k": 1}, {"k": 2, "colour": "red"}]}', tags) == (
        ".tags[1].colour: is a key that the contract lacks; it has 'k'."
    )
    assert first_misfit({"name": "a", "tags": [{"k": "x"}]}, tags) == ".tags[0].k: 'x' is no Int64."
    assert first_misfit("{", tags) is None


def test_a_60th_second_is_no_instant_and_does_not_become_the_next_minute() -> None:
    raw = pl.DataFrame({"at": ["2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"]})
    read = raw.select(read_as("at", pl.String(), pl.Datetime("us", "UTC")))
    assert read["at"].is_null().to_list() == [True, False]
