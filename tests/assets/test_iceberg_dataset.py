"""A dataset kept in Iceberg, end to end: files land, bad rows go aside, a transform and dbt read it."""

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from platform_assets.ingest import table_spec
from platform_assets.ingest.replay import replay_tag
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


def bad_sale(shop: World) -> str:
    """The id of the one row that was set aside, its sku unknown."""
    shop.land("shop/sales-a.parquet", FIRST)
    shop.catch_up()
    (envelope,) = shop.store("shop/sales").envelopes(decision="open").to_dicts()
    return str(envelope["quarantine_id"])


def mend(shop: World, quarantine_id: str, **values: object) -> None:
    store = shop.store("shop/sales")
    (envelope,) = store.envelopes(ids=[quarantine_id]).to_dicts()
    store.fix(quarantine_id, json.dumps(json.loads(envelope["payload"]) | values))


def replay(shop: World, month: str = "2024-01") -> None:
    assert shop.materialise("shop/sales", partitions=[month], tags=replay_tag(None)).success


def test_a_fixed_row_is_replayed_once_in_one_commit_and_its_file_does_not_undo_it(shop: World) -> None:
    held = bad_sale(shop)
    before = history(shop)
    mend(shop, held, sku="pear")
    replay(shop)
    assert [row[0] for row in shop.rows("shop/sales").rows()] == [1, 2, 3]
    assert history(shop)[1:] == before
    replay(shop)
    shop.materialise("shop/sales", partitions=["2024-01"])
    assert (shop.rows("shop/sales").height, len(history(shop)), shop.balance("shop/sales")) == (3, 2, (3, 3))
    assert shop.store("shop/sales").envelopes(decision="open").is_empty()


def test_a_replayed_row_may_move_to_another_month(shop: World) -> None:
    mend(shop, bad_sale(shop), sku="pear", at="2024-05-02T00:00:00Z")
    replay(shop, "2024-05")
    table = shop.location.lake.scan(table_spec(shop.dataset("shop/sales")), partitions=["2024-05"])
    assert table.collect().height == 1
    assert shop.balance("shop/sales") == (3, 3)


def test_a_row_that_is_refused_again_stays_open_and_no_version_is_made(shop: World) -> None:
    held = bad_sale(shop)
    before = history(shop)
    mend(shop, held, sku="pear", price=-1)
    replay(shop)
    (envelope,) = shop.store("shop/sales").envelopes(decision="open").to_dicts()
    assert (envelope["quarantine_id"], envelope["rules"]) == (held, ["price_ge"])
    assert (history(shop), shop.balance("shop/sales")) == (before, (3, 3))


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
