"""A table's versions, files and upkeep from the command line."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import polars as pl

from platform_assets.ingest import table_spec
from tests.assets.entrypoints.conftest import GOOD, Shell
from tests.resources.storage.ages import age
from tests.world import sales


def filled(shell: Shell) -> list[str]:
    """The versions of shop/sales after three files, newest first."""
    for number in range(3):
        shell.world.land(f"shop/sales-{number}.parquet", sales((10 + number, "apple", 1.0 + number)))
        shell.world.land(f"shop/sales-{number}x.parquet", GOOD)
        shell.world.catch_up()
    return [each["version"] for each in shell.json("table", "history", "shop/sales", "--limit", "0")]


def test_history_and_statistics_tell_versions_and_files(shell: Shell) -> None:
    versions = filled(shell)
    assert len(versions) == 3
    newest = shell.json("table", "history", "shop/sales", "--limit", "1")[0]
    assert (newest["version"], newest["operation"]) == (versions[0], "merge")
    assert newest["at"].endswith("+00:00")
    assert versions[0] in shell("table", "history", "shop/sales")
    found = shell.json("table", "statistics", "shop/sales")
    assert found["rows"] == 5
    assert found["files"] == sum(each["files"] for each in found["partitions"])
    assert "2024-01" in shell("table", "statistics", "shop/sales")
    assert shell.json("table", "statistics", "shop/sales", "--of", "ingests")["rows"] == 6


def test_rows_are_read_as_they_are_and_as_they_were_with_personal_data_masked(shell: Shell) -> None:
    versions = filled(shell)
    now = shell.json("table", "read", "shop/sales", "--column", "sale", "--column", "buyer")
    assert sorted(row["sale"] for row in now["rows"]) == [1, 2, 10, 11, 12]
    assert {row["buyer"] for row in now["rows"]} == {"•••"}
    assert now["masked"] == ["buyer"]
    then = shell.json("table", "read", "shop/sales", "--version", versions[-1])
    assert len(then["rows"]) == 3
    first = shell.json("table", "history", "shop/sales")[-1]["at"]
    then = shell.json("table", "read", "shop/sales", "--at", first)
    assert (then["version"], len(then["rows"])) == (versions[-1], 3)
    assert "ada@example.com" in shell("table", "read", "shop/sales", "--unmask")
    assert "ada@example.com" not in shell("table", "read", "shop/sales")


def test_a_version_of_other_types_is_read_as_the_contract_declares_and_says_what_that_lost(shell: Shell) -> None:
    spec = replace(table_spec(shell.world.dataset("shop/sales")), mode="append", replaces=None, schema_evolution="add")
    older = sales((1, "plum", 1.5)).with_columns(pl.col("sale").cast(pl.Int32), _partition=pl.lit("2024-01"))
    shell.world.location.lake.write(spec, older.rename({"_partition": spec.partition_column or ""}))
    told = shell.json("table", "read", "shop/sales")
    assert told["conversions"] == ["sale: Int32 to Int64, nothing lost"]
    assert "read as sale: Int32 to Int64, nothing lost" in shell("table", "read", "shop/sales")


def test_a_quarantines_raw_rows_stay_masked(shell: Shell) -> None:
    shell.world.land("shop/sales-a.parquet", sales((1, "plum", 1.0)))
    shell.world.land("shop/sales-b.parquet", GOOD)
    shell.world.catch_up()
    told = shell.json("table", "read", "shop/sales", "--of", "quarantine")
    assert told["rows"][0]["payload"] == "•••"
    assert "ada@example.com" not in str(told)


def test_compaction_says_what_it_would_do_and_does_it(shell: Shell) -> None:
    filled(shell)
    lake, spec = shell.world.location.lake, table_spec(shell.world.dataset("shop/sales"))
    appended = replace(spec, mode="append", replaces=None)
    for _ in range(3):
        lake.write(appended, lake.scan(spec).head(1).collect())
    planned = shell.json("table", "compact", "shop/sales", "--dry-run")
    assert (planned["dry_run"], planned["changed"]) == (True, True)
    assert "would pack" in shell("table", "compact", "shop/sales", "--dry-run")
    done = shell.json("table", "compact", "shop/sales", "--partition", "2024-01")
    assert (done["files_removed"], done["files_added"]) == (planned["files_removed"], 1)
    assert "nothing to do" in shell("table", "compact", "shop/sales")
    assert shell.json("table", "zorder", "shop/sales", "sku", "price")["changed"]


def test_vacuum_and_expiry_do_nothing_before_they_are_told_to(shell: Shell) -> None:
    versions = filled(shell)
    age(shell.world.location.lake, table_spec(shell.world.dataset("shop/sales")), timedelta(days=10))
    assert shell.json("table", "expire", "shop/sales")["versions_removed"] == versions[:0:-1]
    assert len(shell.json("table", "history", "shop/sales")) == 3
    assert shell.json("table", "expire", "shop/sales", "--apply")["versions_removed"] == versions[:0:-1]
    planned = shell.json("table", "vacuum", "shop/sales", "--keep", "36h")
    assert planned["files_removed"] > 0
    assert "--apply does it" in shell("table", "vacuum", "shop/sales")
    assert shell.json("table", "vacuum", "shop/sales", "--apply")["files"] == planned["files"]
    assert shell.world.rows("shop/sales").height == 5


def test_nothing_is_deleted_under_a_run_that_started_before(shell: Shell) -> None:
    filled(shell)
    long_ago = (datetime.now(UTC) - timedelta(days=9)).timestamp()
    with dg.DagsterInstance.get() as instance:
        run = instance.create_run_for_job(dg.job(name="reads")(lambda: None))
        event = dg.DagsterEvent(event_type_value="PIPELINE_START", job_name="reads")
        instance.handle_new_event(
            dg.EventLogEntry(
                error_info=None, level=20, user_message="", run_id=run.run_id, timestamp=long_ago, dagster_event=event
            )
        )
        told = shell.refused("table", "vacuum", "shop/sales", "--apply")
        assert f"run {run.run_id} has been working since" in told
        assert "Fix: wait for its end, terminate it, or keep longer" in told
        assert shell.json("table", "vacuum", "shop/sales", "--keep", "10d")["dry_run"]


def test_an_earlier_version_is_restored_once_it_is_told_to(shell: Shell) -> None:
    versions = filled(shell)
    assert "would restore" in shell("table", "restore", "shop/sales", "--version", versions[-1])
    assert shell.world.rows("shop/sales").height == 5
    assert (
        shell.json("table", "restore", "shop/sales", "--version", versions[-1], "--apply")["restored"] == versions[-1]
    )
    assert shell.world.rows("shop/sales").height == 3


WRONG_WORDS = [
    (("history", "shop/sale"), "no table 'shop/sale'. Fix: perhaps shop/sales"),
    (("history", "shop/sales"), "shop/sales/v1: there is no table at"),
    (("vacuum", "shop/sales", "--keep", "soon"), "'soon' is no time. Fix: write days or hours"),
    (("restore", "shop/sales"), "neither is given. Fix: choose from platform table history"),
    (("read", "shop/sales", "--version", "1", "--at", "2024-01-01"), "both are given. Fix: leave one out"),
    (("read", "shop/sales", "--at", "noon"), "'noon' is no instant. Fix: write it as 2024-05-31T12:00"),
    (("register", "shop/sales"), "delta needs no catalogue"),
]


def test_what_cannot_be_is_refused_with_the_fix(shell: Shell) -> None:
    for arguments, message in WRONG_WORDS:
        assert message in shell.refused("table", *arguments), arguments


def test_an_instant_before_the_first_version_is_refused_with_the_first_one(shell: Shell) -> None:
    filled(shell)
    oldest = shell.json("table", "history", "shop/sales")[-1]["at"]
    told = shell.refused("table", "read", "shop/sales", "--at", "2020-01-01")
    assert told.endswith(f"no version as old as 2020-01-01T00:00:00+00:00. Fix: ask for {oldest} or later.")
    assert shell.json("table", "read", "shop/sales", "--at", oldest)["rows"]


def test_less_than_readers_need_is_refused(shell: Shell) -> None:
    filled(shell)
    assert "Fix: keep at least 24 h" in shell.refused("table", "vacuum", "shop/sales", "--keep", "1h", "--apply")
