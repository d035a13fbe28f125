"""`platform lineage`, and the column lineage that a materialisation carries."""

import os
from pathlib import Path

import dagster as dg

from platform_assets.factory import asset_key
from tests.assets.entrypoints.conftest import GOOD, Shell
from tests.docs.pages import ROOT
from tests.world import world

LANDING = ROOT / "docs_src" / "tutorial" / "landing"


def test_what_is_above_and_below_is_listed_and_written(shell: Shell) -> None:
    above = shell.json("lineage", "upstream", "shop/takings")
    assert {each["id"] for each in above["nodes"]} >= {"shop/takings", "shop/sales", "files:shop/sales-*"}
    assert "shop/takings" in shell("lineage", "downstream", "shop/sales")
    touched = shell.json("lineage", "impact", "shop/sales.price")
    assert "sales, return are not LazyFrames, so there is no plan to read" in touched["unknown"]["shop/takings"]
    assert shell.json("lineage", "upstream", "shop/sales.price")["column_links"][0]["how"] == "load"
    assert '"shop/sales" -> "shop/takings"' in shell("lineage", "downstream", "shop/sales", "--format", "dot")


def test_a_wrong_name_is_refused_with_those_that_are_near(shell: Shell) -> None:
    assert "no column 'prise'. Fix: perhaps price" in shell.refused("lineage", "impact", "shop/sales.prise")
    assert "no dataset 'shop/sale'" in shell.refused("lineage", "upstream", "shop/sale")


def test_a_materialisation_carries_the_lineage_of_its_columns(tmp_path: Path) -> None:
    with world(tmp_path, "docs_src.tutorial") as bikes:
        bikes.land("bikes/trips-2024-05.csv", (LANDING / "trips-2024-05.csv").read_bytes())
        bikes.catch_up()
        event = bikes.instance.get_latest_materialization_event(asset_key("bikes/daily_trips"))
    assert event is not None
    assert event.asset_materialization is not None
    lineage = event.asset_materialization.metadata["dagster/column_lineage"].value
    assert isinstance(lineage, dg.TableColumnLineage)
    deps = {name: {dep.column_name for dep in found} for name, found in lineage.deps_by_column.items()}
    assert deps["day"] == {"started_at"}


def test_columns_of_a_pandas_transform_are_known_once_observed(shell: Shell) -> None:
    observed = shell.json("lineage", "observe", "shop/takings")[0]
    assert {edge["source"] for edge in observed["edges"]} == {"shop/sales"}
    touched = shell.json("lineage", "impact", "shop/sales.price")
    assert touched["columns"]["shop/takings"]
    assert touched["unknown"] == {}
    shell.world.land("shop/sales-1.parquet", GOOD)
    shell.world.catch_up()
    event = shell.world.instance.get_latest_materialization_event(asset_key("shop/takings"))
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata["dagster/column_lineage"].value
    assert isinstance(metadata, dg.TableColumnLineage)
    values = {edge["target_column"] for edge in observed["edges"]} - {"*"}
    assert set(metadata.deps_by_column) == values
    steps = {
        each["id"]: each for each in shell.json("lineage", "upstream", "shop/takings", "--transformations")["nodes"]
    }
    making = steps["make shop/takings"]
    assert (making["kind"], making["parameters"], making["run"]) == (
        "transformation", {"sales": "shop/sales"}, event.run_id,
    )  # fmt: skip
    assert making["code"] == "tests.declared.shop.takings:build"
    assert "<canvas" not in (page := shell("lineage", "upstream", "shop/takings", "--format", "html"))
    assert '"focus": "shop/takings"' in page
    kept = next(Path(os.environ["PLATFORM_STATE"]).rglob("shop__takings.json"))
    kept.write_text(kept.read_text().replace(observed["version"], "of other code"))
    assert (
        "lineage observe shop/takings" in shell.json("lineage", "impact", "shop/sales.price")["unknown"]["shop/takings"]
    )


def test_a_step_that_nobody_measured_is_not_said_to_take_no_time(shell: Shell) -> None:
    told = shell("lineage", "critical-path", "shop/takings")
    rows = {line.split()[0]: line.split()[-1] for line in told.splitlines() if line.startswith(("shop/", "files:"))}
    assert rows["files:shop/sales-*"] == "-"
    assert "- is not measured by itself" in told
