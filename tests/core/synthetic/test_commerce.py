"""The generated shop: its tables agree, people come back, and a larger shop is the smaller one and more."""

from dataclasses import replace

import polars as pl
import pytest

from platform_assets.discovery import discover
from platform_core.contracts import Catalog, DataFrameModel, Dataset, Generated
from platform_core.synthetic import CannotGenerate, lookups
from platform_core.synthetic.commerce import TABLES, shop
from platform_core.synthetic.verdicts import red_rules
from platform_core.synthetic.worlds import world_rows, world_tables


@pytest.fixture(scope="module")
def tables() -> dict[str, pl.DataFrame]:
    return {name: pl.concat(shop(0.05, 4, name)) for name in TABLES}


def test_every_table_keeps_the_contract_of_its_dataset():
    declared = discover("platform_assets.domains.commerce")
    made = world_tables(declared, rows=300, seed=4)
    assert sorted(made) == sorted(f"commerce/{name}" for name in TABLES)
    for name, rows in made.items():
        dataset = declared[name]
        assert red_rules(dataset.newest_rows(rows), dataset, lookups(dataset, made)) == ()
    spread = replace(declared["commerce/products"], synthetic={"schema": []})
    assert world_tables(Catalog({"commerce/products": spread}, {}), rows=300, seed=4) == {}


def test_a_dataset_that_is_no_table_of_the_world_is_refused():
    class Parcels(DataFrameModel):
        """One row per parcel."""

        weight: int

    of_shop = {"owner": "team:shop", "version": "1.0.0", "source": Generated(world="commerce")}
    with pytest.raises(CannotGenerate, match=r"has no table 'parcels'\. Fix: name the dataset after one of customers"):
        world_rows(Dataset("shop/parcels", Parcels, **of_shop))
    with pytest.raises(CannotGenerate, match="weight: are not in the table"):
        world_rows(Dataset("shop/orders", Parcels, **of_shop), scale=0.001)


def test_an_order_costs_its_lines_and_is_paid_once_and_given_back_where_it_returned(tables):
    orders, lines, payments = tables["orders"], tables["order_lines"], tables["payments"]
    sums = orders.join(lines.group_by("order_id").agg(pl.col("line_cents").sum()), on="order_id", how="left")
    assert (sums["total_cents"] == sums["line_cents"]).all()
    assert (lines["line_cents"] == lines["quantity"] * lines["unit_price_cents"]).all()
    assert lines.select("order_id", "product_id").is_unique().all()
    paid = payments.filter(pl.col("state") == "settled").group_by("order_id").agg(pl.col("amount_cents").sum())
    owed = orders.select(
        "order_id", pl.when(pl.col("status") == "returned").then(0).otherwise("total_cents").alias("owed")
    )
    both = owed.join(paid, on="order_id", how="left")
    assert (both["owed"] == both["amount_cents"]).all()
    assert (payments["state"] == "failed").any()


def test_customers_come_back_and_december_is_busy(tables):
    orders = tables["orders"]
    assert orders["customer_id"].value_counts()["count"].median() >= 2
    of_2025 = orders.filter(pl.col("ordered_at").dt.year() == 2025)["ordered_at"].dt.month().value_counts()
    assert of_2025.sort("count")["ordered_at"].last() == 12
    signed = orders.join(tables["customers"], on="customer_id")
    assert (signed["ordered_at"] >= signed["signed_up_at"]).all()


def test_events_come_in_sessions_some_late_and_some_twice(tables):
    events = tables["events"]
    assert set(events["kind"]) == {"page_view", "click", "purchase", "sign_up", "log_out"}
    assert events["event_id"].is_duplicated().any()
    late = (events["received_at"] - events["occurred_at"]).dt.total_minutes()
    assert late.min() >= 0
    assert late.max() > 60
    bought = events.unique("event_id").filter(pl.col("kind") == "purchase")["order_id"]
    assert sorted(bought) == sorted(tables["orders"]["order_id"])
    assert events.group_by("session_id").agg(pl.col("customer_id").n_unique())["customer_id"].max() == 1


def test_a_smaller_shop_is_the_beginning_of_a_larger_one(tables):
    for name in ("customers", "orders", "order_lines", "payments"):
        small = pl.concat(shop(0.01, 4, name))
        assert tables[name].head(small.height).equals(small)
    few = pl.concat(shop(0.01, 4, "events"))
    assert few.join(tables["events"], on=few.columns, how="anti", nulls_equal=True).is_empty()
