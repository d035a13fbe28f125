"""The upkeep asset: a dry run changes nothing, an applied plan leaves nothing to do, and no row is lost."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from platform_assets.ingest import table_spec
from platform_assets.operations.catch_up import stale_runs
from platform_assets.operations.history import InstanceHistory
from platform_assets.operations.overview import overview
from platform_assets.operations.upkeep import survey
from platform_assets.operations.upkeep.asset import KEY
from platform_assets.operations.upkeep.tables import KeptTable
from platform_assets.operations.upkeep.work import Done
from platform_core.upkeep import TablePlan
from platform_resources.storage import Lake
from tests.assets.upkeep.wear import SALES, files, grow_old, kept, told, upkeep, wear
from tests.world import World, sales, world

ROOT = Path(__file__).parents[3]


def entry(record: dict[str, object], table: str = SALES) -> dict[str, object]:
    """What a record tells of one table."""
    return next(each for each in record["tables"] if each["table"] == table)  # type: ignore[attr-defined,no-any-return]


def test_a_dry_run_tells_what_it_would_gain_and_changes_nothing(shop: World) -> None:
    wear(shop)
    before = shop.location.lake.version(table_spec(shop.dataset(SALES)))
    found = told(upkeep(shop, apply=False))
    assert entry(found["record"])["told"] == "compact 10 files to 1 in 1 partition"
    assert (found["applied"], found["files_before"] - found["files_after"], found["requests_a_scan_saved"]) == (
        False,
        9,
        18,
    )
    assert shop.location.lake.version(table_spec(shop.dataset(SALES))) == before
    assert files(shop) == 10


def test_what_is_to_be_compacted_counts_the_files_of_its_partitions_alone(shop: World) -> None:
    wear(shop)
    spec = table_spec(shop.dataset(SALES))
    moved = pl.col("sale") + 1000, pl.lit("2024-02").alias(str(spec.partition_column))
    shop.location.lake.write(spec, shop.location.lake.read(spec).head(1).with_columns(moved))
    found = told(upkeep(shop, apply=False))
    assert entry(found["record"])["files"] == 11
    assert entry(found["record"])["told"] == "compact 10 files to 1 in 1 partition"


def test_an_applied_plan_keeps_every_row_and_a_second_one_finds_nothing(shop: World) -> None:
    wear(shop)
    rows = shop.rows(SALES)
    done = entry(told(upkeep(shop, apply=True))["record"])
    assert (done["files"], done["files_after"], files(shop)) == (10, 1, 1)
    assert done["told"] == "compact 10 → 1 files"
    assert_frame_equal(shop.rows(SALES), rows)
    assert {each["told"] for each in told(upkeep(shop, apply=True))["record"]["tables"]} == {"nothing"}


def test_the_report_is_a_page_with_a_picture_and_a_file(shop: World) -> None:
    wear(shop)
    result = upkeep(shop, apply=True)
    found = told(result)
    assert found["report"].startswith("# Upkeep, ")
    assert "| shop/sales | 10 → 1 |" in found["report"]
    assert "data:image/svg+xml;base64," in found["plot_files"]
    assert Path(found["report_file"]).read_text() == found["report"]
    assert found["report_file"] == f"{shop.location.settings.state}/upkeep/{result.run_id}.md"


def test_what_nobody_needs_goes_after_its_time_and_not_before(shop: World) -> None:
    wear(shop)
    upkeep(shop, apply=True)
    grow_old(shop, 6)
    assert entry(told(upkeep(shop, apply=True))["record"])["told"] == "nothing"
    grow_old(shop, 2)
    rows, before = (
        shop.rows(SALES),
        len(list(Path(shop.location.lake.location(table_spec(shop.dataset(SALES)))).rglob("*.parquet"))),
    )
    done = entry(told(upkeep(shop, apply=True))["record"])
    assert [each["operation"] for each in done["done"]] == ["expire", "vacuum"]  # type: ignore[attr-defined]
    after = len(list(Path(shop.location.lake.location(table_spec(shop.dataset(SALES)))).rglob("part-*.parquet")))
    assert (after, files(shop)) == (1, 1)
    assert before > after
    assert_frame_equal(shop.rows(SALES), rows)
    assert entry(told(upkeep(shop, apply=True))["record"])["told"] == "nothing"


def test_tables_beside_a_dataset_are_looked_after_too_and_only_those_asked_for(shop: World) -> None:
    wear(shop)
    shop.land("shop/ledger-1.csv", b"line,amount\n1,2.5\n")
    shop.catch_up()
    everything = {each["table"] for each in told(upkeep(shop, apply=False))["record"]["tables"]}
    assert everything == {
        "shop/ledger", "shop/ledger/v1__ingests", SALES, "shop/sales/v1__ingests", "shop/sales/v1__verdicts",
        "shop/takings",
    }  # fmt: skip
    some = told(upkeep(shop, apply=False, tables=("shop/ledger",)))["record"]["tables"]
    assert [each["table"] for each in some] == ["shop/ledger", "shop/ledger/v1__ingests"]


def test_a_broken_table_fails_the_run_and_the_others_are_looked_after(shop: World) -> None:
    wear(shop)
    shop.land("shop/ledger-1.csv", b"line,amount\n1,2.5\n")
    shop.catch_up()
    log = Path(shop.location.lake.location(table_spec(shop.dataset("shop/ledger")))) / "_delta_log"
    for each in log.iterdir():
        each.write_text("no json")
    result = upkeep(shop, apply=True)
    assert not result.success
    failure = next(event for event in result.all_events if event.is_step_failure)
    assert "upkeep of 1 tables failed: shop/ledger:" in str(failure.step_failure_data.user_failure_data.description)
    assert files(shop) == 1


def test_upkeep_is_no_dataset_and_is_made_by_nobody_else(shop: World) -> None:
    wear(shop, times=1)
    assert KEY.to_user_string() not in {state.name for state in overview(shop.location, InstanceHistory(shop.instance))}
    assert [key for run in stale_runs(shop.location, shop.instance) for key in run.keys if key == KEY] == []
    schedules = {each.name: each.default_status for each in shop.location.defs.schedules or ()}  # type: ignore[union-attr]
    assert {schedules["upkeep_plan"], schedules["upkeep_apply"]} == {dg.DefaultScheduleStatus.STOPPED}


def test_every_table_is_written_in_a_pool_that_upkeep_knows(shop: World) -> None:
    pools = {path: each.pool for path, each in kept(shop).items()}
    assert pools["shop/sales/v1"] == pools["shop/sales/v1__quarantine"] == "table_shop_sales"
    assert None not in pools.values()


@pytest.fixture
def lasting(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """The instance of make dev: one slot a pool."""
    home = tmp_path / "dagster"
    home.mkdir()
    shutil.copy(ROOT / "dagster.yaml", home)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def test_a_table_that_is_being_written_is_left_and_a_writer_waits_while_upkeep_works(
    shop: World, lasting: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    wear(shop)
    storage, pool, carry_out = lasting.event_log_storage, "table_shop_sales", survey.carry_out
    storage.initialize_concurrency_limit_to_default(pool)
    assert storage.claim_concurrency_slot(pool, "a-writer", "shop__sales").is_claimed
    left = entry(told(upkeep(shop, apply=True, tables=(SALES,), instance=lasting))["record"])
    assert (left["told"], left["files_after"]) == ("left: it is being written", 10)
    storage.free_concurrency_slots_for_run("a-writer")
    held: list[int] = []

    def watched(lake: Lake, table: KeptTable, plan: TablePlan) -> Iterator[Done]:
        held.append(storage.get_concurrency_info(pool).active_slot_count)
        return carry_out(lake, table, plan)

    monkeypatch.setattr(survey, "carry_out", watched)
    assert entry(told(upkeep(shop, apply=True, tables=(SALES,), instance=lasting))["record"])["files_after"] == 1
    after = storage.get_concurrency_info(pool)
    assert (held, after.active_slot_count, after.pending_step_count) == ([1], 0, 0)


def test_a_compaction_that_is_killed_leaves_every_row_and_work_for_the_next(tmp_path: Path) -> None:
    with world(tmp_path) as shop:
        wear(shop)
        rows = shop.rows(SALES)
        command = [sys.executable, "-m", "tests.assets.upkeep.killed", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
        assert_frame_equal(shop.rows(SALES), rows)
        upkeep(shop, apply=True)
        assert files(shop) == 1
        assert_frame_equal(shop.rows(SALES), rows)
        shop.land("shop/sales-b.parquet", sales((500, "apple", 1.0), (501, "pear", 2.0)))
        shop.catch_up()
        assert shop.rows(SALES).height == rows.height + 2
