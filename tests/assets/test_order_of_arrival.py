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
from platform_core.contracts import Retention
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
