"""Incidents from the command line: named where they began, rows in quarantine counted in, marked periods left out."""

import polars as pl
import pytest

from platform_assets.entrypoints.cli import main
from tests.assets.entrypoints.conftest import Shell
from tests.world import sales

MONTHS = range(1, 9)


def month(number: int, *, cents: bool = False, sku: str = "pear") -> pl.DataFrame:
    prices = [((place * 7 + number) % 5 + 10) * (100.0 if cents else 1.0) for place in range(20)]
    return sales(
        *((place + 1, "apple" if place % 2 else sku, price) for place, price in enumerate(prices)), month=number
    )


@pytest.fixture
def shop(shell: Shell) -> Shell:
    for number in MONTHS:
        shell.world.land(f"shop/sales-{number}.parquet", month(number))
    shell.world.catch_up()
    return shell


def test_an_incident_names_dataset_and_column_until_the_period_is_left_out(shop: Shell) -> None:
    assert shop.json("incidents") == []
    shop.world.land("shop/sales-8.parquet", month(8, cents=True))
    shop.world.catch_up()
    assert main(["--package", "tests.declared", "incidents", "shop/sales"]) == 1
    told = shop.capture.readouterr().out
    assert told.startswith("shop/sales.price in 2024-08\n  2024-08: mean 1,2")
    assert main(["--package", "tests.declared", "incidents", "--json"]) == 1
    assert "ada@example.com" not in told + shop.capture.readouterr().out
    shop("incidents", "mark", "shop/sales", "2024-08", "--reason", "prices in cents")
    assert shop.json("incidents", "list", "shop/sales") == []
    assert "'august' is none of its periods" in shop.refused("incidents", "mark", "shop/sales", "august")


def test_rows_that_a_rule_refused_tell_the_column_they_were_refused_for(shop: Shell) -> None:
    shop.world.land("shop/sales-8.parquet", month(8, sku="plum"))
    shop.world.catch_up()
    assert main(["--package", "tests.declared", "incidents", "--last", "1"]) == 1
    assert "shop/sales.sku in 2024-08" in shop.capture.readouterr().out
