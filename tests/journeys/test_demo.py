"""`make demo`: the whole graph on real input from the command line, and a second time for nothing."""

import re

import polars as pl
import pytest

from tests.journeys.conftest import Demo

pytestmark = pytest.mark.journey
HEADINGS = ["lies at", "rows in", "valid", "quarantined", "passed", "warned", "failed", "seconds"]
MARTS = ("daily_delays", "delay_by_carrier", "delay_by_hour", "delay_by_route")


def lines(told: str) -> dict[str, list[str]]:
    """The cells of each dataset's line, by the dataset's name."""
    cells = [
        re.split(r"\s{2,}", line.strip())
        for line in told.splitlines()
        if re.match(r" (flights|commerce|support)/", line)
    ]
    return {re.sub(r"/v\d+$", "", row[0]): row[1:] for row in cells if len(row) == len(HEADINGS)}


def test_the_demo_ends_with_a_line_for_every_dataset_and_mart(demo: Demo) -> None:
    graph = demo.installation.location.defs.resolve_asset_graph()
    tables = {
        key.to_user_string()
        for key in graph.materializable_asset_keys
        if key.path[0] != "platform" and "detector" not in graph.get(key).kinds
    }
    assert [each for each in HEADINGS if each not in demo.told] == []
    assert lines(demo.told).keys() == tables


def test_the_demo_takes_in_all_flights_and_sets_the_impossible_wind_aside(demo: Demo) -> None:
    shown = lines(demo.told)
    assert shown["flights/flights"][:5] == ["336,776", "336,776", "0", "49", "1"]
    assert shown["flights/weather"][:3] == ["26,115", "26,114", "1"]
    assert {row[5] for row in shown.values()} == {"0"}, "no check failed"


def test_the_demo_shows_its_progress_and_how_to_open_the_ui(demo: Demo) -> None:
    assert "flights/flights  done" in demo.told
    assert demo.told.rstrip().splitlines()[-1] == (
        "Open the UI and the catalog with make dev, at http://localhost:3000 and http://127.0.0.1:3001"
    )


def test_the_marts_count_every_flight(demo: Demo) -> None:
    for mart in MARTS:
        counted = demo.installation.scan(f"flights/{mart}").select(pl.col("flights").sum()).collect().item()
        assert (mart, counted) == (mart, 336_776)


def test_a_second_demo_finds_everything_up_to_date_and_commits_nothing(demo: Demo) -> None:
    commits = demo.installation.versions()
    told = demo.installation.succeed("platform", "demo")
    assert "0 new files published" in told
    assert "Everything was up to date." in told
    assert demo.installation.versions() == commits
    assert len(commits) > len(lines(demo.told)) / 2
