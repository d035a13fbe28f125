"""A coarser dataset over finer partitions: differing starts, the open month, late data."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from platform_assets.factory import asset_key
from platform_assets.factory.partitioning import partitions_definition
from platform_assets.operations.automation import ended_partition
from platform_assets.operations.catch_up import stale_runs
from platform_core.contracts import Partitions, daily, hourly, quarterly, weekly, yearly
from tests.assets.test_automation import requested
from tests.world import World, world


@pytest.fixture
def meter(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, "tests.rollups") as made:
        yield made


def land(meter: World, name: str, *readings: tuple[str, float]) -> None:
    lines = "".join(f"{at},{used}\n" for at, used in readings)
    meter.land(f"meter/hours-{name}.csv", f"at,used\n{lines}".encode())


def test_late_hours_make_stale_what_lies_below_them_and_nothing_else(meter: World) -> None:
    land(meter, "a", ("2026-01-20T07:10:00Z", 1.0), ("2026-01-20T09:10:00Z", 2.0))
    land(meter, "b", ("2026-02-03T07:10:00Z", 4.0))
    meter.catch_up()
    assert meter.rows("meter/days").rows() == [(date(2026, 1, 20), 3.0), (date(2026, 2, 3), 4.0)]
    assert meter.rows("meter/months").rows() == [(date(2026, 1, 1), 3.0), (date(2026, 2, 1), 4.0)]
    land(meter, "late", ("2026-01-20T08:10:00Z", 8.0))
    begins = [run.tags["dagster/asset_partition_range_start"] for run in stale_runs(meter.location, meter.instance)]
    assert begins == ["2026-01-20-08:00", "2026-01-20", "2026-01"]
    meter.catch_up()
    assert meter.rows("meter/months").rows() == [(date(2026, 1, 1), 11.0), (date(2026, 2, 1), 4.0)]
    assert stale_runs(meter.location, meter.instance) == []


def test_the_month_that_is_running_is_made_of_the_days_there_are(meter: World) -> None:
    now = datetime.now(UTC).replace(minute=0)
    land(meter, "now", (now.isoformat(), 1.0))
    meter.catch_up()
    assert meter.rows("meter/months").rows() == [(now.date().replace(day=1), 1.0)]


def test_a_schedule_asks_for_the_day_that_ended_when_it_was_due(meter: World) -> None:
    definition = meter.location.defs.resolve_asset_graph().get(asset_key("meter/days")).partitions_def
    due = datetime(2026, 1, 12, 1, tzinfo=UTC)
    ended = [ended_partition(definition, due - timedelta(days=days)) for days in (0, 1, 2, 3)]
    assert ended == ["2026-01-11", "2026-01-10", None, None]


@pytest.mark.parametrize(
    ("partitions", "due", "ended"),
    [
        (hourly("2026-01-01-00:00", on="at"), "2026-01-12T01:05", "2026-01-12-00:00"),
        (weekly("2026-01-05", on="at"), "2026-01-19T01:00", "2026-01-12"),
        (quarterly("2025-01", on="at"), "2026-01-01T00:00", "2025-10"),
        (quarterly("2025-01", on="at"), "2026-03-31T23:00", "2025-10"),
        (yearly("2024", on="at"), "2026-01-01T01:00", "2025"),
        (daily("2026-03-01", on="at", zone="Europe/Berlin"), "2026-03-29T22:30", "2026-03-29"),
    ],
)
def test_a_tick_asks_for_the_period_that_ended_when_it_was_due(partitions: Partitions, due: str, ended: str) -> None:
    definition = partitions_definition(partitions)
    assert isinstance(definition, dg.TimeWindowPartitionsDefinition)
    assert ended_partition(definition, datetime.fromisoformat(due).replace(tzinfo=UTC)) == ended


def test_the_day_of_an_hour_follows_it_under_the_daemon_too(meter: World) -> None:
    _, cursor = requested(meter)
    land(meter, "a", ("2026-01-20T07:10:00Z", 1.0))
    assert meter.materialise("meter/hours", partitions=["2026-01-20-07:00"]).success
    assert requested(meter, cursor)[0] == {("meter/days", "2026-01-20")}
