"""Who read a table: materialisations of what is made from it, and the columns that their queries filtered by."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from platform_assets.factory.effort import CPU, PEAK
from platform_assets.factory.reads import filters_of
from platform_assets.operations.upkeep.readings import Readings
from platform_assets.operations.upkeep.tables import Reader
from platform_resources.machine import memory_bytes, usable_cores
from platform_resources.settings import Settings
from platform_resources.storage import Lake, TableSpec
from tests.assets.upkeep.wear import SALES, kept, wear
from tests.world import World

ORDERS = TableSpec(path="shop/orders/v1", mode="append", partition_column="_partition")
PLACES = TableSpec(path="shop/places/v1", format="parquet")


def lake(folder: Path) -> Lake:
    found = Lake(Settings.from_environment({"PLATFORM_STATE": str(folder)}))
    found.write(
        ORDERS, pl.DataFrame({"id": [1, 2], 'größe "x"': [1, 2], "place": ["a", "b"], "_partition": ["m", "n"]})
    )
    found.write(PLACES, pl.DataFrame({"place": ["a", "b"], "open": [True, False]}))
    return found


def test_a_query_tells_by_which_columns_it_filters_each_input(tmp_path: Path) -> None:
    made = lake(tmp_path)
    orders, places = made.scan(ORDERS, partitions=["m"]), made.scan(PLACES)
    query = orders.filter(pl.col('größe "x"') > 0, pl.col("id") > 0).join(places.filter("open"), on="place")
    found = filters_of(query, {"shop/orders": made.location(ORDERS), "shop/places": made.location(PLACES)})
    assert found == {"shop/orders": ["_partition", 'größe "x"', "id"], "shop/places": ["open"]}


def test_a_query_without_a_filter_and_one_over_no_table_tell_none(tmp_path: Path) -> None:
    made = lake(tmp_path)
    assert filters_of(made.scan(PLACES), {"shop/places": made.location(PLACES)}) == {"shop/places": []}
    assert filters_of(pl.LazyFrame({"a": [1]}).filter(pl.col("a") > 0), {"b": "/nowhere"}) == {"b": []}


def test_a_table_whose_name_begins_like_another_is_not_taken_for_it(tmp_path: Path) -> None:
    made = lake(tmp_path)
    near = made.location(PLACES)[:-1]
    assert filters_of(made.scan(PLACES).filter("open"), {"shop/plac": near}) == {"shop/plac": []}


def test_a_run_of_what_is_made_from_a_table_is_one_reading_of_its_months(shop: World) -> None:
    wear(shop, times=1)
    shop.materialise("shop/takings", partitions=["2024-01", "2024-02"])
    readings = Readings(shop.instance, datetime.now(UTC) + timedelta(days=1))
    found = readings.of(kept(shop)["shop/sales/v1"])
    assert [(each.reader, each.partitions) for each in found.reads] == [
        ("shop/takings", ("2024-01", "2024-02")), ("shop/takings", ("2024-01",)),
    ]  # fmt: skip
    assert timedelta(days=1) <= found.window < timedelta(days=1, hours=1)
    assert readings.of(kept(shop)["shop/takings/v1"]).reads == ()


def test_a_reader_that_never_ran_hides_nobody_elses_readings(shop: World) -> None:
    wear(shop, times=1)
    table = kept(shop)["shop/sales/v1"]
    never = Reader(key=dg.AssetKey(["shop", "never"]), alike=False)
    readings = Readings(shop.instance, datetime.now(UTC))
    assert readings.of(replace(table, readers=(*table.readers, never))) == readings.of(table)
    assert len(readings.of(table).reads) == 1


def test_of_many_readings_the_latest_count_for_the_time_in_which_all_are_known(
    shop: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    wear(shop, times=1)
    for month in ("2024-01", "2024-02", "2024-03"):
        shop.materialise("shop/takings", partitions=[month])
    table, now = kept(shop)["shop/sales/v1"], datetime.now(UTC)
    everything = Readings(shop.instance, now).of(table)
    monkeypatch.setattr("platform_assets.operations.upkeep.readings.MOST_EVENTS", 2)
    latest = Readings(shop.instance, now).of(table)
    assert (len(everything.reads), len(latest.reads)) == (4, 2)
    assert latest.window < everything.window


def test_what_was_read_before_the_window_does_not_count(shop: World) -> None:
    wear(shop, times=1)
    later, table = Readings(shop.instance, datetime.now(UTC) + timedelta(days=91)), kept(shop)["shop/sales/v1"]
    assert (list(later.of(table).reads), later.longest(table)) == ([], timedelta(0))


def test_steps_are_timed_and_say_what_they_took(shop: World) -> None:
    wear(shop, times=1)
    readings = Readings(shop.instance, datetime.now(UTC))
    (step,) = readings.steps(dg.AssetKey(["shop", "sales"]))
    assert step.seconds > 0
    assert step.cpu_seconds is not None
    assert 0 < (step.peak_memory_bytes or 0) < memory_bytes()
    assert readings.longest(kept(shop)["shop/sales/v1"]) > timedelta(0)
    (event,) = shop.instance.fetch_materializations(dg.AssetKey(SALES.split("/")), limit=1).records
    assert {CPU, PEAK} <= set(event.asset_materialization.metadata if event.asset_materialization else ())


def test_a_machine_is_as_large_as_its_container_allows(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text("1048576\n")
    assert memory_bytes(limit) == 1 << 20
    limit.write_text("max\n")
    assert memory_bytes(limit) == memory_bytes(tmp_path / "none") > 1 << 20
    assert usable_cores() >= 1
