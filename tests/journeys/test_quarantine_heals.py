"""The impossible wind of February 2013, 1,048 mph: found, looked at, mended, replayed, merged exactly once."""

from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dagster._core.execution.backfill import BulkActionStatus

from platform_assets.operations.sample import sample_files
from tests.journeys.installation import Dev, Installation

pytestmark = pytest.mark.journey
WEATHER = "flights/weather"
FEBRUARY = "flights/weather-2013-02.parquet"
ROWS = 2_010
"""Of the file."""


@cache
def february() -> bytes:
    return next(content for source, content in sample_files() if source == FEBRUARY)


def impossible(platform: Installation) -> Any:
    """The one envelope that is open, as `platform quarantine show` tells it."""
    (held,) = platform.asked("quarantine", "list", WEATHER, "--rule", "wind_speed_le")
    return platform.asked("quarantine", "show", WEATHER, held["id"])


def accounts(platform: Installation) -> tuple[int, int, int, int]:
    """The file's rows, those valid, those quarantined, and those in the table."""
    (given,) = platform.asked("datasets", "show", WEATHER)["inputs"]
    return given["rows"], given["valid"], given["quarantined"], platform.count(WEATHER)


def ended_well(dev: Dev, backfill_id: str) -> bool:
    backfill = dev.instance.get_backfill(backfill_id)
    return backfill is not None and backfill.status is BulkActionStatus.COMPLETED_SUCCESS


def test_a_row_is_mended_and_replayed_once_with_nothing_else_running(tmp_path: Path) -> None:
    platform = Installation.fresh(tmp_path / "state")
    platform.land(FEBRUARY, february())
    ingest = (
        "asset",
        "materialize",
        "--select",
        WEATHER,
        "--partition",
        "2013-02",
        "-m",
        "platform_assets.definitions",
    )
    platform.succeed("dagster", *ingest)
    assert accounts(platform) == (ROWS, ROWS - 1, 1, ROWS - 1)

    held = impossible(platform)
    assert float(held["payload"]["wind_speed"]) > 1_048
    platform.succeed("platform", "quarantine", "fix", WEATHER, held["id"], "--set", "wind_speed=10.35702")
    replayed = platform.asked("quarantine", "replay", WEATHER)
    assert ([row["outcome"] for row in replayed["rows"]], len(replayed["runs"])) == (["merged"], 1)
    assert platform.count(WEATHER, pl.col("wind_speed") == 10.35702) == 1

    commits = platform.versions()
    assert platform.asked("quarantine", "replay", WEATHER)["rows"] == []
    platform.succeed("dagster", *ingest)
    assert accounts(platform) == (ROWS, ROWS, 0, ROWS)
    table = "development/flights/weather/v1"
    assert platform.versions()[table] == commits[table]


def test_with_a_daemon_a_replay_is_a_backfill_of_the_month_the_row_moved_to(tmp_path: Path) -> None:
    platform = Installation.fresh(tmp_path / "state")
    with platform.dev() as dev:
        platform.land(FEBRUARY, february())
        dev.until(lambda: platform.asked("quarantine", "list", WEATHER), "the row in quarantine")
        held = impossible(platform)
        mended = ("--set", "wind_speed=10.35702", "--set", "time_hour=2013-05-12T08:00:00Z")
        platform.succeed("platform", "quarantine", "fix", WEATHER, held["id"], *mended)
        replayed = platform.asked("quarantine", "replay", WEATHER, "--wait")

        assert [row["outcome"] for row in replayed["rows"]] == ["merged"]
        (backfill_id,) = replayed["backfills"]
        dev.until(lambda: ended_well(dev, backfill_id), "the end of the backfill")
        runs = [record.dagster_run.tags for record in dev.runs()]
        (run,) = [tags for tags in runs if tags.get("dagster/backfill") == backfill_id]
        assert "2013-05" in run.values()
        assert platform.count(WEATHER, pl.col("_partition") == "2013-05") == 1
        assert accounts(platform) == (ROWS, ROWS, 0, ROWS)
