"""Quality over time and for others, from the command line; a canary in every personal column is in nothing written."""

from pathlib import Path

import polars as pl
import pytest

from tests.assets.entrypoints.conftest import Shell
from tests.world import sales

CANARY = "canary@leak.example"
ROWS = sales((1, "apple", 1.0), (2, "pear", 2.0), (3, "plum", 3.0), (4, "apple", -1.0), buyer=CANARY)
"""The third row breaks `sku_isin`, the fourth `price_ge`."""


@pytest.fixture
def shop(shell: Shell) -> Shell:
    shell.world.land("shop/sales-a.parquet", ROWS)
    shell.world.catch_up()
    return shell


def test_each_run_leaves_its_measurements_and_a_score(shop: Shell) -> None:
    shop.world.land("shop/sales-b.parquet", sales((7, "apple", 1.0), (8, "pear", None), month=2))
    shop.world.catch_up()
    found = shop.json("quality", "history", "shop/sales")
    counts = [(row["partition"], row["value"]) for row in found["measurements"] if row["metric"] == "row_count"]
    assert counts == [("2024-01", 2.0), ("2024-02", 2.0)]
    nulls = shop.json("quality", "history", "shop/sales", "--column", "price", "--metric", "null_rate")["measurements"]
    assert [(row["value"], row["high"]) for row in nulls] == [(0.0, False), (0.5, True)]
    assert 50 < found["score"]["total"] <= 100
    assert "score" in shop("quality", "history", "shop/sales")


def test_a_supplier_is_told_file_row_and_rule_without_personal_data(shop: Shell, tmp_path: Path) -> None:
    found = shop.json("quality", "failures", "shop/sales")
    assert [(each["source"], each["row"], each["rule"]) for each in found] == [
        ("shop/sales-a.parquet", 3, "sku_isin"), ("shop/sales-a.parquet", 4, "price_ge"),
    ]  # fmt: skip
    assert found[0]["values"] == {"sku": "plum"}
    for name in ("refused.csv", "refused.html"):
        shop("quality", "failures", "shop/sales", "--for-supplier", str(tmp_path / name))
        assert "plum" in (tmp_path / name).read_text()
    assert "no file with rows set aside 'x'" in shop.refused("quality", "failures", "shop/sales", "--source", "x")


def test_a_value_that_cannot_be_read_is_named_with_its_column_to_owner_and_supplier(shell: Shell) -> None:
    row = b"1,apple,cheap,ada@example.com,2024-01-02T00:00:00Z"
    shell.world.land("shop/sales-x.csv", b"sale,sku,price,buyer,at\n" + row + b"\n")
    shell.world.catch_up()
    why = "price: 'cheap' is no number"
    assert why in " ".join(shell("quarantine", "show", "shop/sales", shell.first()).split())
    (told,) = shell.json("quality", "failures", "shop/sales")
    assert told["values"] == {"price": "cheap"}
    fixed = shell.json("quarantine", "fix", "shop/sales", shell.first(), "--set", "price=dear")
    assert "price: 'dear' is no number" in fixed["breaks"]["types"]


def test_a_backtest_judges_partitions_and_versions(shop: Shell, tmp_path: Path) -> None:
    assert [(each["label"], each["fired"]) for each in shop.json("backtest", "volume", "shop/sales")] == [
        ("2024-01", False)
    ]
    proposed = tmp_path / "proposed.py"
    proposed.write_text("from platform_core.contracts import volume\nSUGGESTED = [volume(at_least=9)]\n")
    found = shop.json("backtest", "volume", "shop/sales", "--rules", str(proposed), "--versions")
    assert found[-1]["fired"] is True
    assert "no rule 'volum'. Fix: perhaps volume" in shop.refused("backtest", "volum", "shop/sales")


def test_no_personal_value_is_in_anything_written(shop: Shell, tmp_path: Path) -> None:
    landed = tmp_path / "landed.parquet"
    ROWS.write_parquet(landed)
    written = [
        shop("report", "--output", str(tmp_path / "site")),
        shop("profile", "shop/sales", "--html", str(tmp_path / "profile.html")),
        shop("profile", str(landed), "--json"),
        shop("suggest", "shop/sales"),
        shop("suggest", str(landed)),
        shop("contracts", "show", "shop/sales"),
        shop("quality", "history", "shop/sales", "--json"),
        shop("quality", "failures", "shop/sales", "--json", "--for-supplier", str(tmp_path / "f.csv")),
        shop("backtest", "sku_isin", "shop/sales", "--html", str(tmp_path / "b.html")),
        shop("expectations", "export", "shop/sales"),
        *(path.read_text() for path in tmp_path.rglob("*") if path.suffix in {".html", ".csv"}),
    ]
    assert (tmp_path / "site" / "index.html").exists()
    assert (tmp_path / "site" / "shop.sales.html").exists()
    assert [text[:80] for text in written if "canary" in text] == []
    assert pl.read_parquet(landed)["buyer"][0] == CANARY
