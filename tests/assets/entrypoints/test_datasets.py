"""What there is, and all of one dataset, from the command line."""

from datetime import UTC, datetime, timedelta

import pytest

from platform_assets.operations.datasets import freshness_of
from platform_core.contracts import Dataset
from tests.assets.entrypoints.conftest import BAD, Shell
from tests.declared.shop.sales import Sales


def test_the_list_names_every_dataset_with_its_numbers(shell: Shell) -> None:
    shell.world.land("shop/sales-a.parquet", BAD)
    shell.world.catch_up()
    lines = {line["name"]: line for line in shell.json("datasets")}
    assert set(lines) >= {"shop/sales", "shop/ledger", "shop/takings"}
    sold = lines["shop/sales"]
    assert (sold["rows"], sold["quarantine_open"], sold["checks"]["warned"]) == (2, 1, 1)
    assert (sold["source"], sold["format"], sold["mode"], sold["partitions"]) == ("files", "delta", "merge", "monthly")
    assert lines["shop/ledger"]["materialised_at"] is None
    assert "shop/sales" in shell("datasets", "--domain", "shop")


def test_a_page_tells_contract_checks_history_and_inputs_that_add_up(shell: Shell) -> None:
    shell.world.land("shop/sales-a.parquet", BAD)
    shell.world.catch_up()
    page = shell.json("datasets", "show", "shop/sales")
    assert {column["name"]: column["pii"] for column in page["columns"]}["buyer"] == "email"
    assert {rule["id"]: rule["status"] for rule in page["rules"]}["sku_isin"] == "warned"
    assert page["last_materialisation"]["rows_in"] == 3
    assert page["location"].endswith("shop/sales/v1")
    given = page["inputs"][0]
    assert (given["rows"], given["valid"], given["quarantined"], given["superseded"]) == (3, 2, 1, 0)
    told = shell("datasets", "show", "shop/sales")
    assert "merge on sale, at" in told
    assert page["last_materialisation"]["run_id"] in told


def test_a_dataset_that_was_never_filled_has_a_page(shell: Shell) -> None:
    page = shell.json("datasets", "show", "shop/ledger")
    assert (page["rows"], page["last_materialisation"], page["quarantine"]) == (None, None, None)
    assert page["retention"]["versions_days"] == 7
    assert {rule["status"] for rule in page["rules"]} == {"never"}
    assert "one bad row writes nothing" in shell("datasets", "show", "shop/ledger")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("show", "shop/sale"), "no dataset 'shop/sale'. Fix: perhaps shop/sales"),
        (("--domain", "flights"), "no domain 'flights'. Fix: use one of shop."),
    ],
)
def test_an_unknown_name_is_answered_with_those_that_are_near(
    shell: Shell, arguments: tuple[str, ...], told: str
) -> None:
    assert told in shell.refused("datasets", *arguments)


NOON = datetime(2024, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "filled", "state"),
    [
        (None, NOON, "not_applicable"),
        (24, None, "unknown"),
        (24, NOON - timedelta(hours=24), "pass"),
        (24, NOON - timedelta(hours=24, seconds=1), "fail"),
    ],
)
def test_a_dataset_is_fresh_up_to_its_limit_and_not_beyond(
    hours: int | None, filled: datetime | None, state: str
) -> None:
    limit = timedelta(hours=hours) if hours else None
    dataset = Dataset("shop/sales", Sales, owner="team:shop", version="1.0.0", freshness=limit)
    assert freshness_of(dataset, filled, NOON).state == state
