"""A dataset kept in Iceberg, end to end: files land, bad rows go aside, a transform and dbt read it."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from platform_assets.factory import table_spec
from platform_resources.engines.dbt_plugin import Plugin
from tests.assets.test_killed_runs import FIRST, NEW, OLD, REVISED, run_and_die
from tests.world import World, sales, world

FROZEN = "tests.frozen"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, FROZEN) as made:
        yield made


def history(shop: World) -> list[str]:
    return [each.version for each in shop.location.lake.operations(table_spec(shop.dataset("shop/sales"))).history()]


def test_files_are_taken_in_once_and_every_row_is_accounted_for(shop: World) -> None:
    shop.land("shop/sales-a.parquet", FIRST)
    shop.catch_up()
    assert shop.rows("shop/sales").select("sale", "price").rows() == OLD
    assert shop.balance("shop/sales") == (3, 3)
    assert "sku_isin" in shop.red("shop/sales")
    assert Path(shop.location.lake.location(table_spec(shop.dataset("shop/sales"))), "metadata").is_dir()
    before = history(shop)
    shop.materialise("shop/sales", partitions=["2024-01"])
    assert history(shop) == before
    assert shop.rows("shop/takings").rows() == [("apple", 1.0), ("pear", 2.0)]


def test_a_revised_file_replaces_its_rows_in_one_commit(shop: World) -> None:
    shop.land("shop/sales-a.parquet", FIRST)
    shop.catch_up()
    before = history(shop)
    shop.land("shop/sales-a.parquet", REVISED)
    shop.catch_up()
    assert shop.rows("shop/sales").select("sale", "price").rows() == NEW
    assert history(shop)[1:] == before
    assert shop.balance("shop/sales") == (3, 3)


def test_a_run_over_several_months_is_one_commit(shop: World) -> None:
    shop.land("shop/sales-a.parquet", sales((1, "apple", 1.0), (2, "pear", 2.0)))
    shop.land("shop/sales-b.parquet", sales((3, "apple", 3.0), (4, "pear", 4.0), month=2))
    shop.materialise("shop/sales", partitions=["2024-01", "2024-02"])
    assert len(history(shop)) == 1
    assert shop.rows("shop/sales").height == 4


@pytest.mark.parametrize("point", ["while writing files", "after the table's commit", "while reporting"])
def test_a_killed_run_leaves_the_old_table_or_the_new_one_and_the_next_run_heals(tmp_path: Path, point: str) -> None:
    with world(tmp_path, FROZEN) as shop:
        shop.land("shop/sales-a.parquet", FIRST)
        shop.catch_up()
        shop.land("shop/sales-a.parquet", REVISED)
        run_and_die(tmp_path, point, FROZEN)
        left = shop.rows("shop/sales").select("sale", "price").rows()
        assert left in ([OLD, NEW] if point == "while writing files" else [NEW])
        shop.catch_up()
        assert shop.rows("shop/sales").select("sale", "price").rows() == NEW
        assert shop.balance("shop/sales") == (3, 3)


def test_dbt_is_given_an_iceberg_table_like_any_other(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    import duckdb  # noqa: PLC0415 - used here alone

    shop.land("shop/sales-a.parquet", FIRST)
    shop.catch_up()
    monkeypatch.setenv("PLATFORM_STATE", shop.location.settings.state)
    plugin = Plugin.__new__(Plugin)
    plugin.initialize({})
    spec = table_spec(shop.dataset("shop/sales"))
    frame = plugin.load({"table": {"path": spec.path, "format": "iceberg"}})
    assert isinstance(frame, pl.LazyFrame)
    assert duckdb.sql("select sum(price) from frame where sku = 'pear'").fetchall() == [(2.0,)]
