"""A plan carried out on tables of each format that has a log, on disk and S3, whatever their partitions are called."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from platform_assets.operations.upkeep.facts import facts_of
from platform_assets.operations.upkeep.readings import Readings
from platform_assets.operations.upkeep.tables import KeptTable
from platform_assets.operations.upkeep.work import carry_out
from platform_core.contracts import Retention, monthly
from platform_core.upkeep import US_EAST_1, History, Read, TableFacts, TablePlan, plan
from platform_resources.errors import UnsupportedOperation
from platform_resources.settings import Settings
from platform_resources.storage import Lake, TableSpec
from platform_resources.storage.table import Format, Mode
from tests.resources.storage.ages import age
from tests.servers import S3Server, s3_server

NAMES = ("2024-01", "naïve/ü 日本", "a b=c%2F")


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture(params=["delta", "iceberg"])
def stored(request: pytest.FixtureRequest) -> Format:
    return request.param  # type: ignore[no-any-return]


def kept(stored: Format, partition: str | None = "_partition") -> KeptTable:
    spec = TableSpec(path="shop/odd/v1", format=stored, mode="append", partition_column=partition)
    return KeptTable(name="shop/odd", spec=spec, key=dg.AssetKey(["shop", "odd"]), pool=None)


def write(lake: Lake, table: KeptTable, commits: int) -> None:
    for each in range(commits):
        rows = {"id": [each] * len(NAMES), "_partition": NAMES}
        lake.write(table.spec, pl.DataFrame(rows if table.spec.partition_column else {"id": [each]}))


def known(lake: Lake, table: KeptTable) -> TableFacts:
    with dg.DagsterInstance.ephemeral() as instance:
        found = facts_of(lake, table, Readings(instance, datetime.now(UTC)))
    assert found is not None
    return found


def planned(lake: Lake, table: KeptTable, **how: int) -> TablePlan:
    return plan(known(lake, table), US_EAST_1, datetime.now(UTC), **how)


def rows(lake: Lake, table: KeptTable) -> pl.DataFrame:
    return lake.scan(table.spec).collect().sort(pl.all())


def test_partitions_of_any_name_are_compacted_once_and_cleared_when_old(tmp_path: Path, stored: Format) -> None:
    lake, table = Lake(Settings.from_environment({"PLATFORM_STATE": str(tmp_path)})), kept(stored)
    write(lake, table, 9)
    before = rows(lake, table)
    (done,) = carry_out(lake, table, planned(lake, table))
    assert (done.operation, done.files_removed, done.files_added) == ("compact", 27, 3)
    assert_frame_equal(rows(lake, table), before)
    assert planned(lake, table).is_empty
    age(lake, table.spec, timedelta(days=8))
    assert [each.operation for each in carry_out(lake, table, planned(lake, table))] == ["expire", "vacuum"]
    assert_frame_equal(rows(lake, table), before)
    assert (
        len([path for path in Path(lake.location(table.spec)).rglob("*.parquet") if "_delta_log" not in path.parts])
        == 3
    )
    assert planned(lake, table).is_empty


def test_a_table_without_partitions_on_s3_is_compacted_and_costs_money(
    tmp_path: Path, stored: Format, s3: S3Server
) -> None:
    place = {"PLATFORM_STATE": str(tmp_path), "PLATFORM_LAKE": f"s3://{s3.bucket}/{stored}", **s3.environment}
    lake, table = Lake(Settings.from_environment(place)), kept(stored, partition=None)
    write(lake, table, 9)
    made = planned(lake, table)
    assert (made.files, made.files_after, made.requests_a_scan) == (9, 1, 16)
    assert made.costs_once.total > 0
    assert made.costs_a_month.storage > 0
    (done,) = carry_out(lake, table, made)
    assert (done.files_removed, done.files_added) == (9, 1)
    assert rows(lake, table)["id"].to_list() == list(range(9))
    assert planned(lake, table).is_empty


def test_a_zorder_is_carried_out_once(tmp_path: Path, stored: Format) -> None:
    lake, table = Lake(Settings.from_environment({"PLATFORM_STATE": str(tmp_path)})), kept(stored)
    write(lake, table, 4)
    often = History(reads=[Read(at=datetime.now(UTC), reader="x", filters=("id",))] * 9, window=timedelta(days=1))
    facts = known(lake, table)
    small = facts.size_bytes // 5
    ordered = plan(TableFacts(**{**vars(facts), "history": often}), US_EAST_1, datetime.now(UTC), target_bytes=small)
    assert ordered.ordering is not None
    assert [each.operation for each in carry_out(lake, table, ordered)] == ["zorder"]
    again = known(lake, table)
    assert again.ordered_by == ("id",)
    assert plan(
        TableFacts(**{**vars(again), "history": often}), US_EAST_1, datetime.now(UTC), target_bytes=small
    ).is_empty


@pytest.mark.parametrize("stored", ["delta", "iceberg", "parquet"])
def test_a_table_with_one_file_or_without_rows_or_never_written_needs_nothing(tmp_path: Path, stored: Format) -> None:
    lake, table = Lake(Settings.from_environment({"PLATFORM_STATE": str(tmp_path)})), kept(stored)
    with dg.DagsterInstance.ephemeral() as instance:
        assert facts_of(lake, table, Readings(instance, datetime.now(UTC))) is None
    lake.write(table.spec, pl.DataFrame(schema={"id": pl.Int64, "_partition": pl.String}))
    assert planned(lake, table).is_empty
    write(lake, table, 1)
    assert planned(lake, table).is_empty
    assert list(carry_out(lake, table, planned(lake, table))) == []


@pytest.mark.parametrize("stored", ["delta", "iceberg", "parquet"])
@pytest.mark.parametrize("on_s3", [False, True])
@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_months_past_their_keeping_time_go_and_nothing_is_left_to_plan(
    tmp_path: Path, stored: Format, mode: Mode, s3: S3Server, *, on_s3: bool
) -> None:
    at = {"PLATFORM_LAKE": f"s3://{s3.bucket}/old-{stored}-{mode}", **s3.environment} if on_s3 else {}
    lake = Lake(Settings.from_environment({"PLATFORM_STATE": str(tmp_path), **at}))
    spec = TableSpec(path="shop/old/v1", format=stored, mode=mode, partition_column="_partition")
    table = KeptTable(
        name="shop/old", spec=spec, key=dg.AssetKey(["shop", "old"]), pool=None,
        partitions=monthly("2020-01", on="at"), retention=Retention(keep=timedelta(days=400)),
    )  # fmt: skip
    lake.write(spec, pl.DataFrame({"id": [1, 2, 3], "_partition": ["2020-01", "2020-02", "2999-12"]}))
    made = planned(lake, table)
    assert made.clearing.partitions == ("2020-01", "2020-02")
    assert [each.operation for each in carry_out(lake, table, made)] == ["drop"]
    assert rows(lake, table)["id"].to_list() == [3]
    assert planned(lake, table).is_empty
    assert not lake.delete(spec, "_partition", ["2020-01"]).changed


def test_a_partition_of_plain_parquet_goes_whole_and_rows_of_it_do_not(tmp_path: Path) -> None:
    lake = Lake(Settings.from_environment({"PLATFORM_STATE": str(tmp_path)}))
    appended = TableSpec(path="shop/odd/v1", format="parquet", mode="append", partition_column="_partition")
    replaced = TableSpec(path="shop/odd/v1", format="parquet", mode="overwrite", partition_column="_partition")
    every = pl.DataFrame({"id": [0, 1, 2], "_partition": NAMES})
    for spec in (appended, replaced, appended):  # parts, a file that supersedes them, and parts beside it
        lake.write(spec, every)
    with pytest.raises(UnsupportedOperation, match=r"cannot delete rows .* Fix: declare store=Delta"):
        lake.delete(replaced, "id", [1])
    assert lake.delete(replaced, "_partition", NAMES[:2]).changed
    assert lake.scan(replaced).collect()["_partition"].to_list() == [NAMES[2]]
    assert lake.scan(appended).collect()["_partition"].to_list() == [NAMES[2]] * 2
    lake.delete(replaced, "_partition", NAMES)
    assert lake.scan(replaced).collect().schema == every.schema
