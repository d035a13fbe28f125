"""`platform upkeep`: plans, applies, compares the bucket's rules, advises; for people and for programs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from platform_assets.entrypoints.cli import main
from platform_assets.ingest import table_spec
from platform_resources.storage import Lake
from tests.assets.entrypoints.conftest import Shell
from tests.assets.upkeep.wear import SALES, files, wear

AGING = ("--package", "tests.aging")


def test_a_plan_is_shown_and_applied_once(shell: Shell) -> None:
    wear(shell.world)
    assert "compact 10 files to 1 in 1 partition" in shell("upkeep", "plan")
    planned = shell.json("upkeep", "plan", "--table", SALES)
    assert (planned["applied"], planned["tables"][0]["files"], planned["tables"][0]["files_after"]) == (False, 10, 1)
    assert files(shell.world) == 10
    assert "compact 10 → 1 files" in shell("upkeep", "apply")
    assert files(shell.world) == 1
    again = shell.json("upkeep", "apply", "--table", SALES)
    assert {each["told"] for each in again["tables"]} == {"nothing"}


def test_a_lake_without_tables_needs_nothing(shell: Shell) -> None:
    assert shell.json("upkeep", "plan")["tables"] == []
    assert "No table has been written yet" in shell("upkeep", "apply")


def test_a_wrong_name_is_answered_with_those_that_are_near(shell: Shell) -> None:
    for verb in ("plan", "apply"):
        assert "there is no table 'shop/sale'. Fix: perhaps shop/sales" in shell.refused(
            "upkeep", verb, "--table", "shop/sale"
        )


def test_advice_says_its_numbers_or_that_there_is_none(shell: Shell) -> None:
    assert "No advice" in shell("upkeep", "advise")
    wear(shell.world, times=1)
    for _ in range(2):
        shell.world.materialise(SALES, partitions=["2024-01"])
    found = shell.json("upkeep", "advise")
    assert found[0]["subject"] == "steps"
    assert "median of 3" in found[0]["evidence"]


def test_a_disk_has_no_rules_and_says_so(shell: Shell) -> None:
    assert "the lake lies on a disk" in shell.refused("upkeep", "lifecycle")


def test_prices_of_another_region_are_read_and_wrong_ones_refused(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "prices.json"
    monkeypatch.setenv("PLATFORM_PRICES", str(told))
    assert "PLATFORM_PRICES" in shell.refused("upkeep", "plan")
    told.write_text('{"region": "eu-central-1", "classes": {"STANDARD": {"gigabyte_month": 0.0245}}}')
    assert shell.json("upkeep", "plan")["totals"]["prices"] == "eu-central-1"
    told.write_text('{"classes": {"COLD": {}}}')
    assert "class COLD is no storage class. Fix: use one of STANDARD" in shell.refused("upkeep", "plan")
    told.write_text("[]")
    assert "holds no object" in shell.refused("upkeep", "plan")


def months(lake: Lake, shell: Shell, name: str, *keys: str) -> None:
    """Gives a table a row in each month."""
    rows = pl.DataFrame(
        {"meter": range(1, len(keys) + 1), "gauge": range(1, len(keys) + 1), "_partition": keys,
         "at": [datetime.strptime(key, "%Y-%m").replace(tzinfo=UTC) for key in keys]}
    )  # fmt: skip
    dataset = shell.world.dataset(name)
    lake.write(table_spec(dataset), rows.select(*(each.name for each in dataset.columns), "_partition"))


@pytest.fixture
def aging(shell: Shell, capsys: pytest.CaptureFixture[str]) -> Shell:
    """The shell over datasets that grow old."""
    from dataclasses import replace  # noqa: PLC0415

    from platform_assets.composition import build_location  # noqa: PLC0415

    location = build_location("tests.aging", shell.world.location.settings)
    return Shell(replace(shell.world, location=location), capsys)


def run(shell: Shell, *arguments: str) -> str:
    """What a command over the aging datasets prints."""
    assert main([*AGING, *arguments]) == 0
    return str(shell.capture.readouterr().out)


def test_months_past_their_keeping_time_go_and_younger_ones_stay(aging: Shell) -> None:
    lake, spec = aging.world.location.lake, table_spec(aging.world.dataset("metrics/meters"))
    now = datetime.now(UTC)
    young, old = f"{now - timedelta(days=300):%Y-%m}", f"{now - timedelta(days=500):%Y-%m}"
    months(lake, aging, "metrics/meters", old, young)
    assert "drop 1 partition past their keeping time" in run(aging, "upkeep", "plan")
    assert set(lake.scan(spec).collect()["_partition"]) == {old, young}
    assert "drop 1 partitions" in run(aging, "upkeep", "apply")
    assert set(lake.scan(spec).collect()["_partition"]) == {young}
    assert "nothing" in run(aging, "upkeep", "apply")


def test_the_page_of_a_dataset_says_how_long_it_is_kept(aging: Shell) -> None:
    assert "rows 365 days, earlier versions 7 days, read 90 days back" in run(
        aging, "datasets", "show", "metrics/meters"
    )


@pytest.mark.parametrize("place", ["s3"], indirect=True)
def test_the_bucket_gets_its_rules_once_after_a_diff_and_keeps_those_of_others(aging: Shell) -> None:
    lake = aging.world.location.lake
    s3, bucket = lake.settings.s3.boto3_client(), lake.settings.tables_root.split("/")[2]
    theirs = {"ID": "theirs", "Filter": {"Prefix": "logs/"}, "Status": "Enabled", "Expiration": {"Days": 9}}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [theirs]})  # type: ignore[typeddict-item, list-item]
    months(lake, aging, "metrics/gauges", "2024-01")
    months(lake, aging, "metrics/meters", "2026-01")
    shown = run(aging, "upkeep", "lifecycle")
    assert "not yet in bucket" in shown
    assert len(s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]) == 1
    run(aging, "upkeep", "lifecycle", "--apply")
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    prefix = lake.settings.tables_root.partition(f"{bucket}/")[2]
    assert [(each["Filter"]["Prefix"], each.get("Expiration", {}).get("Days")) for each in rules] == [
        ("logs/", 9), (f"{prefix}/", None), (f"{prefix}/metrics/gauges/v1/_partition=", 3681),
    ]  # fmt: skip
    assert "the bucket says all of it already; 1 rule of others left alone" in run(
        aging, "upkeep", "lifecycle", "--apply"
    )
    s3.delete_bucket_lifecycle(Bucket=bucket)
