"""What a blocking check stopped stays stopped: in the next run, by itself, across dbt and Python, until it holds."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from platform_assets.composition import build_location
from platform_assets.operations.catch_up import red_checks_of, stopped_assets
from platform_resources.settings import Settings
from tests.assets.flights_world import DBT
from tests.world import World, world

MODELS = {
    "by_line.sql": "select line, amount from {{ source('shop', 'ledger') }}",
    "through.sql": "select line, amount from {{ ref('by_line') }}",
    "after.sql": "select line, amount from {{ ref('through') }}",
    "shop.yml": """
version: 2
models:
  - name: by_line
    columns: [{name: amount, data_tests: [{not_negative: {name: no_debt}}]}]
  - {name: through, config: {materialized: view}}
  - name: after
    config: {materialized: table, meta: {lake: {version: 1.0.0}}}
    columns: [{name: amount, data_tests: [{below_100: {name: no_riches}}]}]
""",
}
TESTS = """
{% test not_negative(model, column_name) %}select * from {{ model }} where {{ column_name }} < 0{% endtest %}
{% test below_100(model, column_name) %}select * from {{ model }} where {{ column_name }} >= 100{% endtest %}
"""
GOOD, DEBT, RUIN = b"line,amount\n1,5\n", b"line,amount\n1,5\n2,-1\n", b"line,amount\n1,-5\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("red") / "dbt"
    (folder / "models" / "shop").mkdir(parents=True)
    shutil.copytree(DBT / "macros", folder / "macros")
    (folder / "dbt_project.yml").write_text((DBT / "dbt_project.yml").read_text().replace("flights", "shop"))
    (folder / "macros" / "judged.sql").write_text(TESTS)
    for name, text in MODELS.items():
        (folder / "models" / "shop" / name).write_text(text)
    return folder


@pytest.fixture
def shop(tmp_path: Path, project: Path) -> Iterator[World]:
    settings = Settings.from_environment({"PLATFORM_STATE": str(tmp_path / "state")})
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(build_location("tests.gated", settings, dbt=project), instance)


def made(result: dg.ExecuteInProcessResult) -> set[str]:
    return {event.asset_key.path[-1] for event in result.get_asset_materialization_events()}


def reason(result: dg.ExecuteInProcessResult, step: str) -> str:
    failure = result.failure_data_for_node(step)
    assert failure is not None
    assert failure.user_failure_data is not None
    return str(failure.user_failure_data.description)


def test_a_failed_test_of_staging_stops_the_mart_alone_and_all_below_it_until_it_holds(shop: World) -> None:
    shop.land("shop/ledger.csv", GOOD)
    shop.catch_up()
    shop.land("shop/ledger.csv", DEBT)
    assert made(shop.materialise("shop/ledger", "shop/by_line", "shop/through", "shop/after")) == {"ledger", "by_line"}

    alone = shop.materialise("shop/after")
    assert made(alone) == set()
    assert "shop/by_line: no_debt" in reason(alone, "dbt")
    assert made(shop.materialise("shop/through", "shop/after")) == set()
    with pytest.raises(AssertionError, match="no_debt"):
        shop.catch_up()
    assert set(stopped_assets(shop.location, shop.instance)) == {"shop/after", "shop/through"}

    shop.land("shop/ledger.csv", GOOD)
    shop.catch_up()
    assert stopped_assets(shop.location, shop.instance) == {}


def test_a_red_dataset_stops_dbt_models_and_transforms_in_later_runs(shop: World) -> None:
    shop.land("shop/ledger.csv", RUIN)
    shop.materialise("shop/ledger")
    models, doubled = shop.materialise("shop/by_line", "shop/through", "shop/after"), shop.materialise("shop/doubled")
    assert made(models) | made(doubled) == set()
    for result, step in ((models, "dbt"), (doubled, "shop__doubled")):
        assert "shop/ledger: sum_of_all" in reason(result, step)
    shop.land("shop/ledger.csv", GOOD)
    shop.catch_up()
    assert shop.rows("shop/doubled").height == 1


def test_a_red_mart_stops_assets_by_hand_that_load_it_or_depend_on_it_alone(shop: World) -> None:
    shop.land("shop/ledger.csv", b"line,amount\n1,5\n")
    assert shop.materialise("shop/ledger", "shop/by_line", "shop/through", "shop/after").success
    readers = ("report", "letter", "posted", "summary")
    for name in readers:
        assert made(shop.materialise(f"shop/{name}")) == {name}
    shop.land("shop/ledger.csv", b"line,amount\n1,500\n")
    assert not shop.materialise("shop/ledger", "shop/by_line", "shop/through", "shop/after").success
    for name in readers:
        alone = shop.materialise(f"shop/{name}")
        assert made(alone) == set()
        (failure,) = [event.step_failure_data for event in alone.all_events if event.is_step_failure]
        assert "shop/after: no_riches" in str(failure.user_failure_data)
    assert made(shop.materialise("shop/filed")) == {"filed"}, "it depends on nothing"


def test_a_red_month_stops_what_reads_that_month_and_no_other(tmp_path: Path) -> None:
    with world(tmp_path, "tests.barred") as bank:
        bank.land("bank/takings-1.csv", b"line,day,amount\n1,2024-01-05,5\n")
        assert bank.materialise("bank/takings", partitions=["2024-01"]).success
        bank.land("bank/takings-2.csv", b"line,day,amount\n2,2024-02-05,-5\n3,2024-03-05,7\n")
        assert not bank.materialise("bank/takings", partitions=["2024-02", "2024-03"]).success
        assert made(bank.materialise("bank/totals", partitions=["2024-01"])) == {"totals"}
        february = bank.materialise("bank/totals", partitions=["2024-02"])
        assert made(february) == set()
        assert "bank/takings: sum_of_month in 2024-02 (run" in reason(february, "bank__totals")
        assert reason(february, "bank__totals").endswith("dg launch --assets bank/takings --partition 2024-02")
        key = dg.AssetKey(["bank", "totals"])
        red_checks = red_checks_of(bank.location)
        assert red_checks.passable(bank.instance, key, ["2024-01", "2024-02"]) == {"2024-01"}
        bank.land("bank/takings-4.csv", b"line,day,amount\n4,2024-04-05,9\n")
        april = bank.materialise("bank/takings", "bank/totals", partitions=["2024-04"],
                                 files=["bank/takings-4.csv"])  # fmt: skip
        assert april.success
        assert made(april) == {"takings", "totals"}
        assert bank.rows("bank/takings")["line"].to_list() == [1, 4]
        assert "2024-02: -5" in str(bank.checks("bank/takings")["sum_of_month"].description), "February is still red"
        assert red_checks.passable(bank.instance, key, ["2024-02", "2024-04"]) == {"2024-04"}
        bank.land("bank/takings-2.csv", b"line,day,amount\n2,2024-02-05,5\n")
        bank.catch_up()
        assert bank.red("bank/takings") == set()
        assert bank.rows("bank/totals").height == 3


def test_a_refused_run_leaves_what_other_runs_found_and_adds_its_month_to_the_red_ones(tmp_path: Path) -> None:
    with world(tmp_path, "tests.barred") as bank:
        bank.land("bank/takings-1.csv", b"line,day,amount\n1,2024-01-05,5\n-9,2024-01-06,1\n")
        bank.catch_up()
        assert bank.red("bank/takings") == {"line_gt"}, "a row waits in quarantine"
        for month in ("02", "03"):
            name = f"bank/takings-{month}.csv"
            bank.land(name, f"line,day,amount\n{int(month)},2024-{month}-05,-5\n".encode())
            assert not bank.materialise("bank/takings", partitions=[f"2024-{month}"], files=[name]).success
            assert bank.red("bank/takings") == {"line_gt", "sum_of_month"}
        key = dg.AssetKey(["bank", "totals"])
        months = ["2024-01", "2024-02", "2024-03"]
        assert red_checks_of(bank.location).passable(bank.instance, key, months) == {"2024-01"}
