"""The order of arrival decides, in replays too; and what retention dropped does not come back with a revision."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from platform_assets.ingest.ingest import Run, ingest
from platform_assets.ingest.inputs import Input
from platform_assets.ingest.replay import replay_tag
from platform_assets.ingest.tables import table_spec
from platform_assets.operations.envelopes import record_fix
from platform_core.contracts import Generated, Parquet, Retention
from tests.world import World, sales

AT = datetime(2024, 6, 1, tzinfo=UTC)


def prices(shop: World) -> dict[int, float]:
    return dict(shop.rows("shop/sales").select("sale", "price").iter_rows())


def test_a_file_that_is_touched_does_not_win_a_key_back(shop: World) -> None:
    for name, price in (("a", 1.0), ("b", 2.0)):
        shop.land(f"shop/sales-{name}.csv", sales((1, "apple", price), (9, "pear", price)))
        shop.catch_up()
    first = Path(shop.location.settings.landing) / "shop/sales-a.csv"
    os.utime(first, (first.stat().st_mtime + 1000,) * 2)
    assert shop.materialise("shop/sales", partitions=["2024-01"]).success
    assert prices(shop) == {1: 2.0, 9: 2.0}


def test_a_replayed_row_of_an_older_file_gives_way_to_the_newer_file_with_its_key(shop: World) -> None:
    shop.land("shop/sales-a.csv", sales((1, "plum", 1.0), (9, "pear", 1.0)))
    shop.catch_up()
    shop.land("shop/sales-b.csv", sales((1, "apple", 2.0)))
    shop.catch_up()
    (envelope,) = shop.store("shop/sales").envelopes().to_dicts()
    record_fix(shop.location, "shop/sales", envelope["quarantine_id"], ["sku=pear"])
    assert shop.materialise("shop/sales", partitions=["2024-01"], tags=replay_tag(None)).success
    assert (prices(shop), shop.balance("shop/sales")) == ({1: 2.0, 9: 1.0}, (3, 3))
    assert shop.store("shop/sales").envelopes()["decision"].to_list() == ["replayed"]
    shop.land("shop/sales-b.csv", sales((2, "apple", 2.0)))
    shop.catch_up()
    assert prices(shop) == {1: 1.0, 2: 2.0, 9: 1.0}, "the newer file gave the key up"


def taken(shop: World, file: str, *rows: tuple[int, str, float], newest: str, **terms: object) -> None:
    dataset = replace(shop.dataset("shop/sales"), key=("sale",), newest=newest, **terms)
    unit = Input(file, repr(rows), raw=sales(*rows))
    ingest(shop.location.lake, dataset, lambda _: [unit], {}, run=Run(run_id=file, at=AT), admits=lambda _: True)


def test_the_newest_by_a_column_stands_wherever_it_came_and_gives_way_when_its_file_is_revised(shop: World) -> None:
    taken(shop, "shop/sales-a.csv", (1, "apple", 5.0), (1, "apple", 7.0), (1, "apple", 6.0), newest="price")
    taken(shop, "shop/sales-b.csv", (1, "pear", 4.0), (2, "pear", 9.0), newest="price")
    assert prices(shop) == {1: 7.0, 2: 9.0}
    assert shop.balance("shop/sales") == (5, 5)
    taken(shop, "shop/sales-a.csv", (1, "apple", 3.0), newest="price")
    assert prices(shop) == {1: 4.0, 2: 9.0}, "the older file's row is the newest now"


def test_the_last_row_of_a_file_stands_where_arrival_decides_and_parquet_keeps_one_too(shop: World) -> None:
    taken(shop, "shop/sales-a.csv", (1, "apple", 5.0), (1, "apple", 7.0), (1, "apple", 6.0), newest="_arrival")
    assert prices(shop) == {1: 6.0}
    generated = {"source": Generated(rows=1), "store": Parquet(), "version": "2.0.0"}
    taken(shop, "generated", (1, "apple", 5.0), (1, "apple", 7.0), (1, "apple", 6.0), newest="price", **generated)
    spec = table_spec(replace(shop.dataset("shop/sales"), **generated))
    assert shop.location.lake.scan(spec).collect()["price"].to_list() == [7.0]


def test_a_replayed_row_that_is_older_than_the_one_of_its_file_does_not_take_its_place(shop: World) -> None:
    dataset = replace(shop.dataset("shop/sales"), key=("sale",), newest="price")
    taken(shop, "shop/sales-a.csv", (1, "plum", 2.0), (1, "apple", 3.0), newest="price")
    (envelope,) = shop.store("shop/sales").envelopes().to_dicts()
    assert prices(shop) == {1: 3.0}
    replayed = Input("shop/sales-a.csv", envelope["ingest_id"], raw=sales((1, "apple", 2.0)),
                     ids=(envelope["quarantine_id"],))  # fmt: skip
    run = Run(run_id="replay", at=AT, replays=True)
    ingest(shop.location.lake, dataset, lambda _: [replayed], {}, run=run, admits=lambda _: True)
    assert prices(shop) == {1: 3.0}
    assert shop.store("shop/sales").envelopes()["decision"].to_list() == ["replayed"]
    assert shop.balance("shop/sales") == (2, 2)


def test_a_month_that_retention_dropped_does_not_come_back_with_a_revision(shop: World) -> None:
    lake = shop.location.lake
    dataset = replace(shop.dataset("shop/sales"), retention=Retention(keep=timedelta(days=60)))

    def take(*months: int, price: float) -> None:
        raw = pl.concat([sales((month, "apple", price), month=month) for month in months])
        unit = Input("shop/sales-a.parquet", str(price), raw=raw)
        ingest(lake, dataset, lambda _: [unit], {}, run=Run(run_id=str(price), at=AT), admits=lambda _: True)

    take(2, 5, price=1.0)
    assert prices(shop) == {2: 1.0, 5: 1.0}, "a file that comes for the first time is taken in whole"
    lake.delete(table_spec(dataset), "_partition", ["2024-02"])
    take(2, 5, price=2.0)
    assert (prices(shop), shop.balance("shop/sales")) == ({5: 2.0}, (2, 2))
