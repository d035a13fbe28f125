"""Partitions that people have: by category, by pairs, in a zone; stored in three formats, followed and replayed."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from platform_assets.factory import asset_key
from platform_assets.ingest.ingest import Run, ingest
from platform_assets.ingest.inputs import Input
from platform_assets.operations.catch_up import stale_runs
from platform_assets.operations.envelopes import record_fix
from platform_assets.operations.replays import replay_envelopes
from tests.assets.test_landing_sensor import settle, tick
from tests.world import World, world


@pytest.fixture
def travel(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, "tests.divided") as made:
        yield made


def land(travel: World, name: str, *lines: str) -> None:
    travel.land(f"travel/{name}.csv", "\n".join([*lines, ""]).encode())


def made(travel: World, name: str) -> set[str]:
    return travel.instance.get_materialized_partitions(asset_key(name))


def test_categories_are_those_that_came_and_what_lies_below_follows_them(travel: World) -> None:
    land(travel, "visits-a", "visit,country,day,nights", "1,DE,2026-01-02,3", "2,NA,2026-01-03,4", "3,DE,2026-01-05,0")
    travel.catch_up()
    assert made(travel, "travel/visits") == made(travel, "travel/nights") == {"DE", "NA"}
    land(travel, "visits-b", "visit,country,day,nights", "4,FR/GP,2026-02-02,7", "5,NA,2026-02-02,1")
    assert {(*run.keys, *run.tags.values()) for run in stale_runs(travel.location, travel.instance)} == {
        (asset_key("travel/visits"), "FR/GP", "FR/GP"),
        (asset_key("travel/nights"), "NA", "FR/GP"),
    }
    travel.catch_up()
    assert travel.rows("travel/nights").rows() == [("DE", 3), ("FR/GP", 7), ("NA", 5)]
    assert travel.balance("travel/visits") == (5, 5)
    assert stale_runs(travel.location, travel.instance) == []


def test_awaited_rows_of_a_country_that_nobody_had_yet_are_taken_up_when_their_day_begins(travel: World) -> None:
    when = [datetime(2026, 3, 29, 10, tzinfo=UTC), datetime(2026, 3, 30, 10, tzinfo=UTC)]
    rows = pl.DataFrame({"trip": [1, 2], "at": when, "country": ["XK", "FR"], "price": [1.0, 2.0]})
    given = Input("travel/trips-a.csv", "1", raw=rows)
    earlier = Run(run_id="earlier", at=datetime(2026, 3, 27, tzinfo=UTC), partitions=[])
    lake, trips = travel.location.lake, travel.dataset("travel/trips")
    ingest(lake, trips, lambda _: [given], {}, run=earlier, admits=lambda _: True)
    assert travel.rows("travel/trips").is_empty()
    travel.catch_up()
    assert made(travel, "travel/trips") == {"2026-03-29|XK", "2026-03-30|FR"}
    assert travel.rows("travel/days").height == 2
    assert travel.balance("travel/trips") == (2, 2)


def test_a_category_that_can_be_no_partition_waits_in_quarantine(travel: World) -> None:
    land(travel, "visits-a", "visit,country,day,nights", "1,D|E,2026-01-02,3", "2,DE,2026-01-02,3")
    land(travel, "yearbook-a", "year,line", "2024,a", "2026,b", "2025,c")
    travel.catch_up()
    assert made(travel, "travel/visits") == {"DE"}
    assert travel.store("travel/visits").envelopes()["rules"].to_list() == [["partition_country"]]
    assert travel.rows("travel/yearbook").rows() == [(2024, "a"), (2025, "c")]
    assert travel.rows("travel/editions").rows() == [(2024, 1), (2025, 1)]
    assert travel.red("travel/yearbook") == {"partition_year"}


def test_a_pair_is_a_day_of_the_zone_and_a_country(travel: World) -> None:
    lines = ["1,2026-03-28T22:59:59Z,DE,1", "2,2026-03-28T23:00:00Z,DE,2", "3,2026-03-29T21:59:59Z,FR,4",
             "4,2026-03-29T22:00:00Z,DE,8"]  # fmt: skip
    land(travel, "trips-a", "trip,at,country,price", *lines)
    travel.catch_up()
    assert made(travel, "travel/trips") == {"2026-03-28|DE", "2026-03-29|DE", "2026-03-29|FR", "2026-03-30|DE"}
    assert made(travel, "travel/days") == {"2026-03-28", "2026-03-29", "2026-03-30"}
    assert [taken for _, taken in travel.rows("travel/days").rows()] == [1, 6, 8]
    assert travel.red("travel/trips") == set()
    assert stale_runs(travel.location, travel.instance) == []


def test_late_rows_of_a_pair_make_its_day_stale_and_no_other(travel: World) -> None:
    land(travel, "trips-a", "trip,at,country,price", "1,2026-04-01T10:00:00Z,DE,1", "2,2026-04-02T10:00:00Z,DE,2")
    travel.catch_up()
    land(travel, "trips-late", "trip,at,country,price", "3,2026-04-01T11:00:00Z,PT,4")
    tags = [[*run.tags.values()] for run in stale_runs(travel.location, travel.instance)]
    assert tags == [["2026-04-01|PT"] * 2, ["2026-04-01"] * 2]
    travel.catch_up()
    assert [taken for _, taken in travel.rows("travel/days").rows()] == [5, 2]


def scheduled(travel: World, name: str, due: str) -> list[str | None]:
    """The partitions that a dataset's schedule asks for at a tick."""
    at = datetime.fromisoformat(due)
    context = dg.build_schedule_context(travel.instance, at, repository_def=travel.location.defs.get_repository_def())
    tick = travel.location.defs.resolve_schedule_def(f"{name.replace('/', '_')}_schedule").evaluate_tick(context)
    return [request.partition_key for request in tick.run_requests or ()]


@pytest.fixture
def kept(travel: World) -> Iterator[World]:
    """The same world with a history on disk, which a schedule opens by itself."""
    with dg.instance_for_test() as instance:
        yield replace(travel, instance=instance)


def test_a_schedule_asks_for_the_countries_that_have_come_and_for_the_day_of_each_that_ended(kept: World) -> None:
    travel = kept
    assert scheduled(travel, "travel/visits", "2026-04-06T06:00:00Z") == []
    assert scheduled(travel, "travel/trips", "2026-03-30T01:00:00Z") == []
    land(travel, "visits-a", "visit,country,day,nights", "1,DE,2026-01-02,3")
    land(travel, "trips-a", "trip,at,country,price", "1,2026-03-28T23:00:00Z,FR/GP,2")
    travel.catch_up()
    assert scheduled(travel, "travel/visits", "2026-04-06T06:00:00Z") == ["DE", "FR/GP"]
    assert scheduled(travel, "travel/trips", "2026-03-30T01:00:00Z") == ["2026-03-29|DE", "2026-03-29|FR/GP"]
    assert scheduled(travel, "travel/trips", "2026-03-29T22:30:00Z") == ["2026-03-29|DE", "2026-03-29|FR/GP"]
    assert scheduled(travel, "travel/trips", "2026-03-29T21:30:00Z") == ["2026-03-28|DE", "2026-03-28|FR/GP"]


def test_the_daemon_adds_new_categories_and_names_one_of_them_in_the_run(travel: World) -> None:
    land(travel, "visits-a", "visit,country,day,nights", "1,DE,2026-01-02,3", "2,AT,2026-01-03,4")
    settle(travel)
    result = tick(travel, None)
    assert [(each.partitions_def_name, each.partition_keys) for each in result.dynamic_partitions_requests or ()] == [
        ("travel_countries", ["AT", "DE"])
    ]
    assert [request.tags["dagster/asset_partition_range_end"] for request in result.run_requests] == ["AT"]


def test_a_refused_row_goes_by_its_fix_into_a_category_that_was_not_there(travel: World) -> None:
    land(travel, "visits-a", "visit,country,day,nights", "1,D|E,2026-01-02,3", "2,AT,2026-01-03,4")
    travel.catch_up()
    (refused,) = travel.store("travel/visits").envelopes()["quarantine_id"]
    record_fix(travel.location, "travel/visits", refused, ["country=PT"])
    replay_envelopes(travel.location, "travel/visits", [], wait=None)
    assert [country for _, country, _, _ in travel.rows("travel/visits").rows()] == ["PT", "AT"]
