"""A row's partition: by every grain, in a zone, by category and by both; and what a declaration must not say."""

from datetime import UTC, date, datetime, timedelta

import dagster as dg
import polars as pl
import pytest

from platform_assets.factory.partitioning import partitions_definition
from platform_core.contracts import Partitions, by, daily, hourly, monthly, pairs, quarterly, weekly, yearly

BERLIN = "Europe/Berlin"
EVERY = [
    hourly("2024-01-01-00:00", on="at"), daily("2024-01-01", on="at"), daily("2024-01-01", on="at", zone=BERLIN),
    weekly("2024-01-01", on="at"), weekly("2024-01-01", on="at", zone="America/New_York"),
    monthly("2024-01", on="at", zone="Asia/Kathmandu"), quarterly("2024-01", on="at"),
    yearly("2024", on="at", zone=BERLIN),
]  # fmt: skip


@pytest.mark.parametrize("partitions", EVERY, ids=lambda partitions: partitions.label)
def test_a_row_has_the_key_that_dagster_gives_its_instant(partitions: Partitions) -> None:
    first = partitions.starts_at
    instants = [first + timedelta(minutes=17) * step * step for step in range(250)] + [first]
    keys = pl.DataFrame({"at": instants}, schema={"at": pl.Datetime("us", "UTC")}).select(partitions.key()).to_series()
    definition = partitions_definition(partitions)
    assert isinstance(definition, dg.TimeWindowPartitionsDefinition)
    assert keys.to_list() == [definition.get_partition_key_for_timestamp(each.timestamp()) for each in instants]
    for key in set(keys):
        assert partitions.ends_at(key) == definition.time_window_for_partition_key(key).end.astimezone(UTC)


def test_days_of_berlin_have_23_24_and_25_hours() -> None:
    days = daily("2024-01-01", on="at", zone=BERLIN)
    ends = [days.ends_at(key) for key in ("2024-03-30", "2024-03-31", "2024-10-26", "2024-10-27")]
    assert [ends[1] - ends[0], ends[3] - ends[2]] == [timedelta(hours=23), timedelta(hours=25)]


def test_partitions_end_where_they_are_said_to() -> None:
    months = monthly("2013-01", on="at", end="2014-01")
    definition = partitions_definition(months)
    assert definition is not None
    assert definition.get_partition_keys() == [f"2013-{month:02}" for month in range(1, 13)]
    rows = pl.DataFrame({"at": [datetime(2013, 12, 31, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC)]})
    assert rows.select(months.holds(datetime(2026, 1, 1, tzinfo=UTC))).to_series().to_list() == [True, False]


def test_the_key_of_a_pair_is_the_one_that_dagster_makes() -> None:
    both = pairs(daily("2024-01-01", on="day"), by("country", values=["DE", "NA"]))
    (key,) = pl.DataFrame({"country": ["NA"], "day": [date(2024, 1, 2)]}).select(both.key()).to_series()
    assert key == str(dg.MultiPartitionKey({"day": "2024-01-02", "country": "NA"}))
    definition = partitions_definition(both)
    assert definition is not None
    assert definition.has_partition_key(key)


@pytest.mark.parametrize(
    ("partitions", "message", "fix"),
    [
        (daily("2024-1-1", on="at"), "partitions from '2024-1-1'", "write '2024-01-01'."),
        (weekly("2024-01-03", on="at"), "begins no weekly partition.", "write '2024-01-01'."),
        (quarterly("2024-05", on="at"), "begins no quarterly partition.", "write '2024-04'."),
        (yearly("24", on="at"), "is not a key of that grain.", "write it as '%Y'."),
        (daily("2024-01-02", on="at", end="2024-01-02"), "end before they begin.", ""),
        (daily("2024-01-01", on="at", zone="Berlin"), "is no time zone.", 'write it as "Europe/Berlin".'),
        (by("country", values=[]), "is empty.", "name the values"),
        (by("country", values=["a|b"]), "cannot be a partition's key.", ""),
        (pairs(by("country"), by("country")), "are twice by 'country'.", "name another column"),
    ],
)  # fmt: skip
def test_partitions_that_cannot_be_are_refused_with_the_fix(partitions: Partitions, message: str, fix: str) -> None:
    told = [" ".join(fault) for fault in partitions.faults()]
    assert any(message in line and fix in line for line in told), told
