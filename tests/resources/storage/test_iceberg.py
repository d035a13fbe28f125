"""What is Iceberg's own: its catalogue, the order of rows in its files, and what another tool sees in it."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.manifest import ManifestFile

from platform_resources.errors import CatalogueLost, ColumnNotFound, InvalidTableSpec, MetadataLost, TableNotFound
from platform_resources.settings import Settings
from platform_resources.storage import Lake, TableSpec
from platform_resources.storage.folder import folder_at
from platform_resources.storage.formats.iceberg import IcebergFormat
from platform_resources.storage.formats.iceberg_catalog import catalogue_url
from platform_resources.vendor.pyiceberg_internals import overwriting
from tests.resources.storage.test_writers import race
from tests.resources.storage.writers import COMMITS, TABLES
from tests.servers import no_postgres, postgres_server

SPEC = TableSpec(path="shop/orders.eu/v1", format="iceberg", partition_column="_month")
ROWS = pl.DataFrame({"id": [2, 1, 3], "_month": ["jan", "jan", "feb"]})
on_disk = pytest.mark.parametrize("place", ["disk"])


@on_disk
def test_the_catalogue_of_a_lake_on_disk_lies_beside_it_whatever_the_state_folder(lake: Lake, tmp_path: Path) -> None:
    lake.write(SPEC, ROWS)
    other = {"PLATFORM_STATE": str(tmp_path / "other"), "PLATFORM_LAKE": lake.settings.lake}
    assert Lake(Settings.from_environment(other)).scan(SPEC).collect().height == 3


@on_disk
def test_asking_for_a_table_makes_no_catalogue(lake: Lake) -> None:
    assert not lake.exists(SPEC)
    assert lake.version(SPEC) is None
    assert not Path(lake.settings.tables_root).exists()


@pytest.mark.parametrize("place", ["s3"])
def test_a_second_catalogue_does_not_make_a_table_that_the_first_one_knows(
    lake: Lake, environment: dict[str, str], tmp_path: Path
) -> None:
    lake.write(SPEC, ROWS)
    stranger = Lake(Settings.from_environment(environment | {"PLATFORM_STATE": str(tmp_path / "other")}))
    with pytest.raises(CatalogueLost, match=r"does not know; nothing was written. Fix: set PLATFORM_ICEBERG_CATALOG"):
        stranger.write(SPEC, ROWS)
    assert lake.scan(SPEC).collect().height == 3


def test_a_lost_catalogue_is_found_again_from_the_metadata_in_the_lake(lake: Lake) -> None:
    lake.write(SPEC, ROWS)
    last = lake.write(SPEC, ROWS.head(1), partitions=["jan"])
    Path(catalogue_url(lake.settings).removeprefix("sqlite:///").partition("?")[0]).unlink()
    table = lake.operations(SPEC)
    assert isinstance(table, IcebergFormat)
    assert table.register() == last.version
    assert sorted(lake.scan(SPEC).collect()["id"]) == [2, 3]
    lake.write(SPEC, ROWS)
    assert lake.scan(SPEC).collect().height == 3


def metadata(lake: Lake) -> list[str]:
    """The metadata files in the table's folder, oldest first."""
    folder = folder_at(lake.location(SPEC), lake.settings.s3)
    return [each.name for each in folder.entries("metadata") if each.name.endswith(".metadata.json")]


def lose(lake: Lake, names: list[str]) -> None:
    for name in names:
        folder_at(lake.location(SPEC), lake.settings.s3).remove(name)


def test_metadata_that_is_gone_is_named_whatever_was_asked_for(lake: Lake) -> None:
    lake.write(SPEC, ROWS)
    lost = metadata(lake)
    lose(lake, lost)
    told = rf"^{SPEC.path}: its metadata should be .*{lost[-1]} by the Iceberg catalogue, and there is no such file"
    table = lake.operations(SPEC)
    for call in (lambda: lake.scan(SPEC), lambda: lake.exists(SPEC), lambda: lake.version(SPEC), table.history,
                 lambda: lake.write(SPEC, ROWS), table.statistics, table.vacuum):  # fmt: skip
        with pytest.raises(MetadataLost, match=told):
            call()


def test_a_table_goes_back_to_the_newest_metadata_that_is_left(lake: Lake) -> None:
    first = lake.write(SPEC, ROWS)
    lake.write(SPEC, ROWS.head(1), partitions=["jan"])
    lose(lake, metadata(lake)[-1:])
    table = lake.operations(SPEC)
    assert isinstance(table, IcebergFormat)
    assert table.register() == first.version
    assert sorted(lake.scan(SPEC).collect()["id"]) == [1, 2, 3]
    lake.write(SPEC, ROWS.head(1), partitions=["jan"])
    assert sorted(lake.scan(SPEC).collect()["id"]) == [2, 3]


@pytest.mark.parametrize("all_of_it", [True, False])
def test_a_table_whose_metadata_is_all_gone_is_forgotten_and_made_anew(lake: Lake, *, all_of_it: bool) -> None:
    lake.write(SPEC, ROWS)
    folder = folder_at(lake.location(SPEC), lake.settings.s3)
    lose(lake, [each.name for each in folder.entries()] if all_of_it else metadata(lake))
    table = lake.operations(SPEC)
    assert isinstance(table, IcebergFormat)
    with pytest.raises(TableNotFound):
        table.register()
    assert not lake.exists(SPEC)
    lake.write(SPEC, ROWS.head(1))
    assert lake.scan(SPEC).collect()["id"].to_list() == [2]


@on_disk
def test_two_lakes_in_one_catalogue_are_told_apart(environment: dict[str, str], tmp_path: Path) -> None:
    shared = environment | {"PLATFORM_ICEBERG_CATALOG": f"sqlite:///{tmp_path}/shared.db"}
    Lake(Settings.from_environment(shared)).write(SPEC, ROWS)
    other = Settings.from_environment(shared | {"PLATFORM_LAKE": str(tmp_path / "other")})
    with pytest.raises(InvalidTableSpec, match="Fix: give each lake a catalogue of its own"):
        Lake(other).write(SPEC, ROWS)


@on_disk
def test_rows_of_a_file_lie_in_the_declared_order_and_other_tools_know_it(lake: Lake) -> None:
    spec = TableSpec(path=SPEC.path, format="iceberg", partition_column="_month", sort_by=("id",))
    lake.write(spec, ROWS)
    assert lake.scan(spec, partitions=["jan"]).collect()["id"].to_list() == [1, 2]
    catalogue = SqlCatalog("platform", uri=catalogue_url(lake.settings))
    table = catalogue.load_table("development.shop.orders%2Eeu.v1")
    (field,) = table.sort_order().fields
    assert table.schema().find_column_name(field.source_id) == "id"
    assert [each.name for each in table.spec().fields] == ["_month"]
    assert sorted(table.scan(row_filter="_month = 'feb'").to_arrow()["id"].to_pylist()) == [3]


@on_disk
def test_history_calls_a_merge_a_merge_though_it_is_an_overwrite_to_iceberg(lake: Lake) -> None:
    spec = replace(SPEC, mode="merge", key=("id",))
    lake.write(spec, ROWS)
    lake.write(spec, ROWS.head(1).with_columns(_month=pl.lit("feb")))
    assert lake.operations(spec).history()[0].operation == "merge"


@on_disk
def test_a_sort_column_that_is_not_there_is_named(lake: Lake) -> None:
    with pytest.raises(ColumnNotFound, match="no column 'nope'"):
        lake.write(TableSpec(path="a/b/v1", format="iceberg", sort_by=("nope",)), ROWS)


@on_disk
def test_rows_that_another_tool_appended_are_read_merged_and_compacted(lake: Lake) -> None:
    spec = TableSpec(path=SPEC.path, format="iceberg", mode="merge", key=("id",), partition_column="_month")
    odd = pl.col("id").cast(pl.String).alias("a b"), pl.struct(pl.col("id").alias("é.f")).alias("s")
    lake.write(spec, ROWS.with_columns(odd))
    table = SqlCatalog("platform", uri=catalogue_url(lake.settings)).load_table("development.shop.orders%2Eeu.v1")
    table.append(pl.DataFrame({"id": [7, 8], "_month": ["jan", "jan"]}).with_columns(odd).to_arrow())
    lake.write(spec, pl.DataFrame({"id": [7, 1], "_month": ["feb", "feb"]}).with_columns(odd))
    lake.operations(spec).compact()
    found = lake.scan(spec).sort("id").collect()
    assert found["_month"].to_list() == ["feb", "jan", "feb", "feb", "jan"]
    assert found["a b"].to_list() == ["1", "2", "3", "7", "8"]
    assert [each["é.f"] for each in found["s"]] == [1, 2, 3, 7, 8]


@pytest.fixture
def postgres() -> Iterator[str]:
    if reason := no_postgres():
        pytest.skip(reason)
    with postgres_server() as url:
        yield url


@on_disk
def test_postgresql_keeps_the_catalogue_and_two_writers_lose_nothing(
    environment: dict[str, str], tmp_path: Path, postgres: str
) -> None:
    shared = environment | {"PLATFORM_ICEBERG_CATALOG": postgres}
    race(shared, tmp_path / "gate", "race", "iceberg_appended")
    lake = Lake(Settings.from_environment(shared))
    every = [who * 100 + number for who in (1, 2) for number in range(COMMITS)]
    assert sorted(lake.scan(TABLES["iceberg_appended"]).collect()["id"]) == every
    assert not (Path(lake.settings.tables_root) / "_iceberg").exists()


def test_the_catalogues_password_is_never_shown() -> None:
    url = "postgresql+psycopg2://ada:secret-word@host/name"
    assert "secret-word" not in repr(Settings.from_environment({"PLATFORM_ICEBERG_CATALOG": url}))


def answer_lost(patch: pytest.MonkeyPatch) -> None:
    """From now on a commit arrives, and the connection breaks before the catalogue can say so."""
    commit = SqlCatalog.commit_table

    def broken(*given: Any, **named: Any) -> Any:
        commit(*given, **named)
        raise ConnectionResetError("the answer was lost")

    patch.setattr(SqlCatalog, "commit_table", broken)


@on_disk
@pytest.mark.parametrize("work", ["write", "compact", "create"])
def test_no_file_goes_when_nobody_knows_whether_the_commit_arrived(
    lake: Lake, work: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = replace(SPEC, mode="append", partition_column=None)
    if work != "create":
        for _ in range(3):
            lake.write(append, ROWS)
    with monkeypatch.context() as patch:
        answer_lost(patch)
        with pytest.raises(ConnectionResetError):
            lake.operations(append).compact() if work == "compact" else lake.write(append, ROWS)
    rows = {"write": 12, "compact": 9, "create": 3}[work]
    assert lake.scan(append).collect().height == rows


@on_disk
def test_threads_that_look_through_the_manifests_do_not_judge_by_one_anothers(lake: Lake) -> None:
    """pyiceberg's own overwrite found a file missing now and then, which was there."""
    lake.write(SPEC, ROWS.filter(pl.col("_month") == "jan"))
    lake.write(SPEC, ROWS.filter(pl.col("_month") == "feb"), partitions=["feb"])
    opened = lake.operations(SPEC)
    assert isinstance(opened, IcebergFormat)
    table = opened._existing()
    overwrite = overwriting(table.transaction(), {})
    for task in table.scan(row_filter="_month = 'jan'").plan_files():
        overwrite.delete_data_file(task.file)
    overwrite._build_delete_files_partition_predicate()
    concerns = overwrite._build_manifest_evaluator(0)
    snapshot = table.current_snapshot()
    assert snapshot is not None
    newest, oldest = snapshot.manifests(table.io)

    def answers(manifest: ManifestFile) -> set[bool]:
        return {concerns(manifest) for _ in range(3_000)}

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(2) as threads:
            assert list(threads.map(answers, [newest, oldest])) == [{False}, {True}]
    finally:
        sys.setswitchinterval(before)
