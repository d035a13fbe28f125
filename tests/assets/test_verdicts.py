"""The state of a check is the state of the table: what is red stays red until it holds."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl

from platform_assets.factory import asset_key
from platform_assets.factory.policy import refuse_if_unfit, state_of_checks
from platform_assets.ingest.ingest import Run, ingest
from platform_assets.ingest.inputs import Input, adapter_for, take_inputs
from platform_assets.ingest.state import IngestState
from platform_core.quality.policy import stopping
from tests.assets.ingest.worker import land, opened, orders
from tests.world import World, sales

GOOD = sales((1, "apple", 1.0), (2, "pear", 2.0))


def test_a_month_that_breaks_a_rule_keeps_its_check_red_while_other_months_come(shop: World) -> None:
    shop.land("shop/sales-a.parquet", GOOD.head(1))
    shop.catch_up()
    shop.land("shop/sales-b.parquet", sales((5, "pear", 1.0), (6, "pear", 2.0), month=2))
    shop.catch_up()
    assert shop.red("shop/sales") == {"volume"}
    assert "2024-01" in str(shop.checks("shop/sales")["volume"].description)
    shop.land("shop/sales-c.parquet", sales((3, "pear", 3.0)))
    shop.catch_up()
    assert shop.red("shop/sales") == set()


def test_a_file_that_cannot_be_read_keeps_its_check_red_while_others_come(shop: World) -> None:
    shop.land("shop/sales-bad.parquet", GOOD.drop("sku"))
    shop.land("shop/sales-a.parquet", GOOD)
    shop.catch_up()
    shop.land("shop/sales-b.parquet", sales((5, "pear", 1.0), (6, "pear", 2.0), month=2))
    shop.catch_up()
    assert shop.red("shop/sales") == {"schema"}


def test_rows_that_wait_in_quarantine_keep_their_check_red_whichever_file_comes(shop: World) -> None:
    shop.land("shop/sales-a.parquet", pl.concat([GOOD, sales((3, "plum", 3.0))]))
    shop.catch_up()
    shop.land("shop/sales-b.parquet", sales((5, "pear", 1.0), (6, "pear", 2.0), month=2))
    shop.catch_up()
    check = shop.checks("shop/sales")["sku_isin"]
    assert (check.passed, check.metadata["rows_failed"].value, check.metadata["rows_judged"].value) == (False, 1, 5)
    shop.store("shop/sales").decide(shop.store("shop/sales").envelopes()["quarantine_id"].to_list(), "discarded", "no")
    shop.materialise("shop/sales", partitions=["2024-02"])
    assert shop.red("shop/sales") == set()


def test_a_month_that_a_revision_empties_is_judged_empty(shop: World) -> None:
    both = pl.concat([GOOD, sales((5, "pear", 1.0), (6, "pear", 2.0), month=2)])
    shop.land("shop/sales-a.parquet", both)
    shop.catch_up()
    assert shop.red("shop/sales") == set()
    shop.land("shop/sales-a.parquet", both.head(2))
    shop.catch_up()
    assert "2024-02: 0" in str(shop.checks("shop/sales")["volume"].description)


def test_a_file_without_a_month_is_shown_with_the_others_and_judges_and_makes_none(shop: World) -> None:
    shop.land("shop/sales-a.parquet", GOOD.drop("sku"))
    shop.catch_up()
    assert (_months_made(shop), shop.red("shop/sales")) == (set(), {"schema"})
    shop.land("shop/sales-c.parquet", GOOD.head(1).drop("sku"))
    shop.land("shop/sales-b.parquet", sales((5, "pear", 1.0), (6, "pear", 2.0), month=3))
    shop.catch_up()
    assert (_months_made(shop), shop.red("shop/sales")) == ({"2024-03"}, {"schema"})


def _months_made(shop: World) -> set[str]:
    return set(shop.instance.get_materialized_partitions(asset_key("shop/sales")))


def test_a_month_of_a_run_without_rows_is_judged_empty(shop: World) -> None:
    shop.land("shop/sales-a.parquet", pl.concat([GOOD, sales((5, "pear", 1.0), (6, "pear", 2.0), month=3)]))
    shop.materialise("shop/sales", partitions=["2024-01", "2024-02", "2024-03"])
    assert "2024-02: 0" in str(shop.checks("shop/sales")["volume"].description)


def test_a_check_names_the_rows_that_wait_and_the_asset_counts_them(shop: World) -> None:
    shop.land("shop/sales-a.parquet", sales((1, "apple", -1.0), (2, "pear", 2.0)))
    shop.catch_up()
    (waiting,) = shop.store("shop/sales").envelopes(decision="open")["quarantine_id"]
    told = {name: check.metadata for name, check in shop.checks("shop/sales").items() if "envelopes" in check.metadata}
    ((rule, metadata),) = told.items()
    assert metadata["envelopes"].value == waiting
    assert metadata["quarantine"].value == f"platform quarantine list shop/sales --rule {rule}"
    latest = shop.instance.get_latest_materialization_event(asset_key("shop/sales")).asset_materialization
    assert (latest.metadata["quarantine_open"].value, "plot_rows" in latest.metadata) == (1, True)


def test_a_month_whose_rows_were_refused_without_a_quarantine_stays_red_until_it_is_written(tmp_path: Path) -> None:
    lake, dataset = opened(tmp_path), replace(orders("delta"), quarantine=None)

    def red_months(name: str, *rows: tuple[int, int, int]) -> list[str]:
        land(lake, name, rows)
        taken = ingest(
            lake, dataset, lambda state: _inputs(state, name), {}, run=Run(run_id=name, at=datetime.now(UTC)),
            admits=lambda intake: not stopping(dataset, intake.results),
        )[-1]  # fmt: skip
        with suppress(dg.Failure):
            list(refuse_if_unfit(lake, dataset, taken.intake))
        (found,) = [each for each in state_of_checks(lake, dataset, []) if each.rule.id == "price_ge"]
        assert found.passed is not bool(found.refused_in)
        return list(found.refused_in)

    def _inputs(state: IngestState, name: str) -> list[Input]:
        adapter = adapter_for(dataset, lake.settings)
        return take_inputs(adapter, state, again=True, names=[f"shop/orders-{name}.csv"], partitions=None)

    assert red_months("a", (1, 2, -1), (2, 3, 5)) == ["2024-02"]
    assert red_months("b", (3, 4, 7)) == ["2024-02"], "another month says nothing of it"
    assert red_months("a", (1, 2, 1), (2, 3, 5)) == []
