"""Rows whose partition has not begun: set aside with the reason, and taken up when it begins where that is declared."""

from datetime import UTC, datetime, timedelta

import polars as pl

from platform_assets.ingest.ingest import Run, ingest
from platform_assets.ingest.inputs import Input
from platform_assets.operations.awaited_rows import begun_rows
from platform_core.quality import judge
from tests.world import World, sales

AHEAD = datetime.now(UTC) + timedelta(days=40)


def dated(*instants: datetime) -> pl.DataFrame:
    rows = sales(*((place, "apple", 1.0) for place in range(1, len(instants) + 1)))
    return rows.with_columns(at=pl.Series(instants, dtype=pl.Datetime("us", "UTC")))


def test_rows_of_months_to_come_go_to_quarantine_with_the_reason(shop: World) -> None:
    past = datetime(2024, 3, 2, tzinfo=UTC)
    shop.land("shop/sales-a.parquet", dated(past, past + timedelta(hours=1), AHEAD, datetime(9999, 12, 31, tzinfo=UTC)))
    shop.catch_up()
    waiting = shop.store("shop/sales").envelopes()
    assert waiting["rules"].to_list() == [["partition"]] * 2
    assert "that has begun" in waiting["reason"][0]
    assert (shop.rows("shop/sales").height, shop.balance("shop/sales"), shop.red("shop/sales")) == (
        2, (4, 4), {"partition"},
    )  # fmt: skip


def test_a_file_of_nothing_but_the_future_is_set_aside_and_not_lost(shop: World) -> None:
    shop.land("shop/sales-a.parquet", dated(AHEAD))
    shop.catch_up()
    assert shop.balance("shop/sales") == (1, 1)


def test_a_clock_some_seconds_ahead_is_no_case_of_it(shop: World) -> None:
    now = datetime(2024, 3, 31, 23, 59, 58, tzinfo=UTC)
    rows = dated(now + timedelta(seconds=4), now + timedelta(days=40))
    assert judge(rows, shop.dataset("shop/sales"), {}, arrived=now).refused.to_list() == [False, True]


def test_awaited_rows_are_taken_up_when_their_month_begins(shop: World) -> None:
    lake, dataset = shop.location.lake, shop.dataset("shop/sales")
    rows = Input("shop/sales-a.parquet", "1", raw=dated(datetime(2024, 3, 2, tzinfo=UTC)))
    earlier = Run(run_id="earlier", at=datetime(2024, 2, 1, tzinfo=UTC), partitions=["2024-02"])
    ingest(lake, dataset, lambda _: [rows], {}, run=earlier, admits=lambda _: True)
    assert shop.balance("shop/sales") == (1, 1)
    (awaited,) = begun_rows(lake, shop.location.catalog)
    shop.catch_up()
    assert (awaited.partitions, list(begun_rows(lake, shop.location.catalog))) == (("2024-03",), [])
    assert (shop.rows("shop/sales").height, shop.rows("shop/takings").height) == (1, 1)
