"""History, time travel and upkeep of a table: the same words for every format that has a log."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from platform_resources.errors import (
    ColumnNotFound,
    InvalidRows,
    InvalidTableSpec,
    RetentionTooShort,
    TableNotFound,
    UnsupportedOperation,
    UnsupportedType,
    VersionNotFound,
)
from platform_resources.storage import Lake, TableSpec
from platform_resources.storage.operations import MINIMUM_KEEP, ZORDER
from tests.resources.storage.ages import age
from tests.resources.storage.test_types import SERIES

LOGGED = ["delta", "iceberg"]
DAYS = timedelta(days=10)
everywhere = pytest.mark.parametrize("place", ["disk", "s3"], indirect=True)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> str:
    """The disk; S3 too where a test asks for it."""
    return str(getattr(request, "param", "disk"))


@pytest.fixture(params=LOGGED)
def spec(request: pytest.FixtureRequest) -> TableSpec:
    return TableSpec(path="shop/orders/v1", format=request.param, mode="append", partition_column="_month")


def rows(*numbers: int, month: str = "jan") -> pl.DataFrame:
    return pl.DataFrame({"id": numbers, "_month": [month] * len(numbers)}, schema={"id": pl.Int64, "_month": pl.String})


def ids(lake: Lake, spec: TableSpec, **how: object) -> list[int]:
    return sorted(lake.scan(spec, **how).collect()["id"])  # type: ignore[arg-type]


def filled(lake: Lake, spec: TableSpec, commits: int = 4) -> list[str]:
    """The versions of a table whose commits each brought two small files; row n came with commit n."""
    return [str(lake.write(spec, pl.concat([rows(n), rows(n, month="a/b é")])).version) for n in range(commits)]


def files(lake: Lake, spec: TableSpec) -> set[str]:
    root = Path(lake.location(spec))
    return {str(path.relative_to(root)) for path in root.rglob("*.parquet") if "_delta_log" not in path.parts}


@everywhere
def test_statistics_count_live_files_by_partition(lake: Lake, spec: TableSpec) -> None:
    filled(lake, spec, commits=3)
    found = lake.operations(spec).statistics()
    assert (found.files, found.rows, found.small_files, found.format) == (6, 6, 6, spec.format)
    assert [(each.partition, each.files, each.rows) for each in found.partitions] == [("a/b é", 3, 3), ("jan", 3, 3)]
    assert found.size_bytes == found.small_bytes == sum(each.size_bytes for each in found.partitions) > 0
    assert found.version == lake.version(spec)
    assert lake.operations(spec).statistics(small_below_bytes=1).small_files == 0


def test_statistics_of_a_table_without_partitions_or_rows(lake: Lake, spec: TableSpec) -> None:
    whole = TableSpec(path="a/b/v1", format=spec.format)
    lake.write(whole, pl.DataFrame({"id": [1, 2]}))
    (part,) = lake.operations(whole).statistics().partitions
    assert (part.partition, part.rows) == (None, 2)
    lake.write(whole, pl.DataFrame({"id": []}, schema={"id": pl.Int64}))
    assert lake.operations(whole).statistics().rows in (0, None)


def test_operations_on_a_table_that_was_never_written_say_so(lake: Lake, spec: TableSpec) -> None:
    table = lake.operations(spec)
    for call in (table.history, table.statistics, table.compact, table.vacuum, table.expire):
        with pytest.raises(TableNotFound, match="shop/orders/v1: there is no table"):
            call()


def test_history_tells_what_each_version_did_newest_first(lake: Lake, spec: TableSpec) -> None:
    versions = filled(lake, spec, commits=3)
    lake.write(spec, rows(9), commit_metadata={"why": "a test"}, transaction="file/9")
    found = lake.operations(spec).history()
    assert [each.version for each in found][1:] == versions[::-1]
    assert (found[0].rows_added, found[0].files_added, found[0].said["why"]) == (1, 1, "a test")
    assert found[0].at >= found[-1].at
    assert abs(datetime.now(UTC) - found[0].at) < timedelta(minutes=5)
    assert len(lake.operations(spec).history(2)) == 2


@everywhere
def test_any_version_can_be_read_by_its_name_and_by_its_time(lake: Lake, spec: TableSpec) -> None:
    versions = filled(lake, spec, commits=3)
    known = {each.version: each.at for each in lake.operations(spec).history()}
    for number, version in enumerate(versions):
        expected = sorted([*range(number + 1)] * 2)
        assert ids(lake, spec, version=version) == expected
        assert ids(lake, spec, at=known[version]) == expected
        assert ids(lake, spec, version=version, partitions=["jan"]) == [*range(number + 1)]
    with pytest.raises(VersionNotFound, match=r"has no version as old as 2001-01-01.* Fix: ask for 20.* or later"):
        lake.scan(spec, at=datetime(2001, 1, 1, tzinfo=UTC))
    with pytest.raises(VersionNotFound, match="has no version '77'"):
        lake.scan(spec, version=77)


@everywhere
def test_compaction_packs_small_files_and_keeps_rows_and_versions(lake: Lake, spec: TableSpec) -> None:
    versions = filled(lake, spec)
    before = lake.scan(spec).sort("id", "_month").collect()
    planned = lake.operations(spec).compact(dry_run=True)
    assert (planned.files_removed, planned.files_added, planned.changed, planned.dry_run) == (8, 2, True, True)
    assert lake.version(spec) == versions[-1]
    done = lake.operations(spec).compact()
    assert (done.files_removed, done.files_added, done.changed) == (8, 2, True)
    assert 0 < done.bytes_added < done.bytes_removed == planned.bytes_removed
    assert (done.version, done.dry_run) == (lake.version(spec), False)
    assert_frame_equal(lake.scan(spec).sort("id", "_month").collect(), before)
    assert ids(lake, spec, version=versions[0]) == [0, 0]
    assert lake.operations(spec).statistics().files == 2


def test_a_compacted_table_is_left_alone(lake: Lake, spec: TableSpec) -> None:
    filled(lake, spec)
    lake.operations(spec).compact()
    version = lake.version(spec)
    assert not lake.operations(spec).compact(dry_run=True).changed
    again = lake.operations(spec).compact()
    assert (again.changed, again.files_removed, lake.version(spec)) == (False, 0, version)


def test_compaction_of_one_partition_leaves_the_others(lake: Lake, spec: TableSpec) -> None:
    filled(lake, spec)
    assert lake.operations(spec).compact(partitions=["a/b é"]).files_removed == 4
    found = {each.partition: each.files for each in lake.operations(spec).statistics().partitions}
    assert found == {"a/b é": 1, "jan": 4}


def test_types_that_the_format_lacks_survive_compaction(lake: Lake, spec: TableSpec) -> None:
    frame = rows(1, 2, 3).with_columns(**SERIES)
    for _ in range(3):
        lake.write(spec, frame)
    lake.operations(spec).compact()
    assert_frame_equal(lake.scan(spec).collect(), pl.concat([frame] * 3))


@everywhere
def test_zorder_brings_near_rows_together_so_that_fewer_files_hold_a_range(lake: Lake, spec: TableSpec) -> None:
    filled(lake, spec)
    planned = lake.operations(spec).zorder(["id"], dry_run=True)
    assert (planned.files_removed, planned.changed) == (8, True)
    done = lake.operations(spec).zorder(["id"])
    assert (done.files_removed, done.files_added) == (8, 2)
    assert lake.scan(spec, partitions=["jan"]).collect()["id"].to_list() == [0, 1, 2, 3]
    with pytest.raises(ColumnNotFound, match="ask for some of id, _month"):
        lake.operations(spec).zorder(["nope"])


@everywhere
def test_restoring_makes_an_earlier_version_current_and_can_be_undone(lake: Lake, spec: TableSpec) -> None:
    versions = filled(lake, spec, commits=3)
    table = lake.operations(spec)
    planned = table.restore(versions[0])
    assert (planned.dry_run, planned.files_removed, planned.files_added, planned.restored) == (True, 4, 0, versions[0])
    assert lake.version(spec) == versions[-1]
    done = table.restore(versions[0], dry_run=False)
    assert ids(lake, spec) == [0, 0]
    assert done.version == lake.version(spec) not in versions
    table.restore(versions[-1], dry_run=False)
    assert ids(lake, spec) == [0, 0, 1, 1, 2, 2]
    assert not table.restore(versions[-1], dry_run=False).changed
    assert table.history()[0].operation == "restore"


def test_restoring_brings_back_the_columns_of_the_version(lake: Lake, spec: TableSpec) -> None:
    whole = TableSpec(path="a/b/v1", format=spec.format, schema_evolution="add")
    old, new = pl.DataFrame({"a": [1, 2], "b": ["x", None]}), pl.DataFrame({"a": ["one"], "c": [1.5]})
    first = lake.write(whole, old).version
    lake.write(whole, new)
    assert first is not None
    lake.operations(whole).restore(first, dry_run=False)
    assert_frame_equal(lake.scan(whole).collect(), old)
    lake.write(whole, new)
    assert_frame_equal(lake.scan(whole).collect(), new)


def test_restoring_by_time(lake: Lake, spec: TableSpec) -> None:
    filled(lake, spec, commits=3)
    table = lake.operations(spec)
    table.restore(at=table.history()[1].at, dry_run=False)
    assert ids(lake, spec) == [0, 0, 1, 1]
    with pytest.raises(ValueError, match="one of them"):
        table.restore()


def test_a_table_that_was_restored_is_written_on(lake: Lake, spec: TableSpec) -> None:
    versions = filled(lake, spec, commits=2)
    lake.operations(spec).restore(versions[0], dry_run=False)
    lake.write(spec, rows(7))
    assert ids(lake, spec) == [0, 0, 7]


@pytest.mark.parametrize("operation", ["vacuum", "expire"])
def test_less_than_a_running_reader_needs_is_refused_with_the_minimum(
    lake: Lake, spec: TableSpec, operation: str
) -> None:
    filled(lake, spec, commits=1)
    with pytest.raises(RetentionTooShort, match=r"a running reader may need it for 24 h; .* Fix: keep at least 24 h"):
        getattr(lake.operations(spec), operation)(keep=MINIMUM_KEEP - timedelta(seconds=1), dry_run=False)


def test_vacuum_deletes_what_no_kept_version_needs_and_nothing_else(lake: Lake, spec: TableSpec) -> None:
    versions = filled(lake, spec)
    table = lake.operations(spec)
    table.compact()
    age(lake, spec, DAYS)
    table.expire(dry_run=False)
    (Path(lake.location(spec)) / "data").mkdir(exist_ok=True)
    left = {name: Path(lake.location(spec)) / "data" / name for name in ("young.parquet", "old.parquet")}
    for path in left.values():
        path.write_bytes(b"left by a killed writer")
    lake.write(spec, rows(8))
    table.restore(table.history()[1].version, dry_run=False)
    age_one(left["old.parquet"])
    there, planned = files(lake, spec), table.vacuum()
    assert (planned.dry_run, files(lake, spec)) == (True, there)
    assert len([name for name in planned.files if name.endswith(".parquet")]) == 9
    done = table.vacuum(dry_run=False)
    assert (done.files, done.bytes_removed) == (planned.files, planned.bytes_removed)
    assert done.bytes_removed > 0
    assert len(there) - len(files(lake, spec)) == 9
    assert left["young.parquet"].exists()
    assert ids(lake, spec) == [0, 0, 1, 1, 2, 2, 3, 3]
    with pytest.raises(VersionNotFound):
        table.restore(versions[0], dry_run=False)
    assert not table.vacuum(dry_run=False).changed


def age_one(path: Path) -> None:
    os.utime(path, (1e9, 1e9))


def test_expiry_forgets_old_versions_and_keeps_the_one_that_was_current_then(lake: Lake, spec: TableSpec) -> None:
    versions = filled(lake, spec)
    age(lake, spec, DAYS)
    young = [str(lake.write(spec, rows(n)).version) for n in (8, 9)]
    table = lake.operations(spec)
    planned = table.expire()
    assert (planned.versions_removed, planned.dry_run) == (tuple(versions[:-1]), True)
    assert [each.version for each in table.history()][-4:] == versions[::-1]
    done = table.expire(dry_run=False)
    assert done.versions_removed == tuple(versions[:-1])
    assert {each.version for each in table.history()} >= {versions[-1], *young}
    assert ids(lake, spec) == [0, 0, 1, 1, 2, 2, 3, 3, 8, 9]
    assert ids(lake, spec, version=young[0]) == [0, 0, 1, 1, 2, 2, 3, 3, 8]
    assert ids(lake, spec, version=versions[-1]) == [0, 0, 1, 1, 2, 2, 3, 3]
    with pytest.raises(VersionNotFound, match=rf"version '{versions[0]}'. Fix: ask for one (of {versions[-1]}|that)"):
        lake.scan(spec, version=versions[0]).collect()
    assert not table.expire(dry_run=False).changed


def test_a_transaction_is_still_known_after_its_version_was_forgotten(lake: Lake, spec: TableSpec) -> None:
    lake.write(spec, rows(1), transaction="file/1")
    lake.write(spec, rows(2), transaction="file/2")
    age(lake, spec, DAYS)
    lake.write(spec, rows(3), transaction="file/3")
    lake.operations(spec).expire(dry_run=False)
    assert not lake.write(spec, rows(1), transaction="file/1").changed
    assert ids(lake, spec) == [1, 2, 3]


def test_a_reader_that_planned_before_a_compaction_still_reads(lake: Lake, spec: TableSpec) -> None:
    filled(lake, spec)
    planned = lake.scan(spec)
    planned.collect_schema()
    lake.operations(spec).compact()
    lake.operations(spec).vacuum(dry_run=False)
    assert sorted(planned.collect()["id"]) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_plain_parquet_counts_its_files_and_refuses_the_rest_with_the_fix(lake: Lake) -> None:
    spec = TableSpec(path="plain/files/v1", format="parquet", partition_column="_month")
    lake.write(spec, pl.concat([rows(1, 2), rows(3, month="a/b é")]))
    table = lake.operations(spec)
    found = table.statistics()
    assert [(each.partition, each.files) for each in found.partitions] == [("a/b é", 1), ("jan", 1)]
    for call in (table.history, table.compact, table.vacuum, table.expire, lambda: table.zorder(["id"]),
                 lambda: table.restore(0), lambda: lake.scan(spec, at=datetime.now(UTC)),
                 lambda: lake.scan(spec, version=1)):  # fmt: skip
        with pytest.raises(UnsupportedOperation, match=r"plain/files/v1: plain Parquet .* Fix: declare store=Delta"):
            call()


def test_a_zorder_says_by_which_columns_it_was_and_files_are_listed(lake: Lake) -> None:
    table = TableSpec(path="shop/points/v1", mode="append")
    lake.write(table, pl.DataFrame({"a, b": [1, 2], "é": ["x", "y"]}))
    lake.write(table, pl.DataFrame({"a, b": [3], "é": ["z"]}))
    assert [(each.partition, each.rows) for each in lake.operations(table).files()] == [(None, 1), (None, 2)]
    lake.operations(table).zorder(["a, b", "é"])
    assert json.loads(lake.operations(table).history()[0].said[ZORDER]) == ["a, b", "é"]
    assert len(lake.operations(table).files()) == 1


def test_partitions_of_a_table_that_has_none_are_refused(lake: Lake, spec: TableSpec) -> None:
    whole = TableSpec(path="shop/whole/v1", format=spec.format, mode="append")
    lake.write(whole, pl.DataFrame({"id": [1]}))
    table = lake.operations(whole)
    for call in (lambda: table.compact(partitions=["jan"]), lambda: table.compact(partitions=["jan"], dry_run=True),
                 lambda: table.zorder(["id"], partitions=["jan"])):  # fmt: skip
        with pytest.raises(InvalidTableSpec, match=r"shop/whole/v1: has no partitions to choose from. Fix: "):
            call()


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(("columns", "problem"), [([], "needs a column"), (["_month"], "is partitioned by _month")])
def test_a_zorder_that_orders_nothing_is_refused(
    lake: Lake, spec: TableSpec, columns: list[str], problem: str, dry_run: bool
) -> None:
    filled(lake, spec)
    with pytest.raises(UnsupportedOperation, match=problem):
        lake.operations(spec).zorder(columns, dry_run=dry_run)


def test_digits_of_other_scripts_are_no_version(lake: Lake, spec: TableSpec) -> None:
    filled(lake, spec)
    for version in ("²", "٣"):
        with pytest.raises(VersionNotFound, match=version):
            lake.read(spec, version=version)


def test_an_instant_without_zone_is_refused_with_the_fix(lake: Lake, spec: TableSpec) -> None:
    filled(lake, spec)
    with pytest.raises(ValueError, match="2024-05-31 00:00:00 has no zone: write datetime"):
        lake.read(spec, at=datetime(2024, 5, 31))  # noqa: DTZ001 - that is the mistake


def test_what_is_kept_for_ever_is_never_too_old(lake: Lake, spec: TableSpec) -> None:
    filled(lake, spec)
    table = lake.operations(spec)
    assert not table.vacuum(keep=timedelta.max).changed
    assert not table.expire(keep=timedelta.max, dry_run=False).changed


def test_restoring_brings_columns_back_where_no_file_differs(lake: Lake, spec: TableSpec) -> None:
    grown = TableSpec(path="shop/grown/v1", format=spec.format, mode="append", schema_evolution="add")
    before = str(lake.write(grown, pl.DataFrame({"id": [1]})).version)
    after = str(lake.write(grown, pl.DataFrame({"id": [], "new": []}, {"id": pl.Int64, "new": pl.String})).version)
    assert lake.operations(grown).restore(before).changed
    lake.operations(grown).restore(before, dry_run=False)
    assert lake.read(grown).to_dict(as_series=False) == {"id": [1]}
    assert not lake.operations(grown).restore(before, dry_run=False).changed
    assert lake.read(grown, version=after).columns == ["id", "new"]
    lake.write(grown, pl.DataFrame({"id": [2], "new": [3]}))
    assert sorted(lake.read(grown).rows()) == [(1, None), (2, 3)]


def test_a_new_column_named_as_another_but_for_its_case_is_refused(lake: Lake, spec: TableSpec) -> None:
    grown = TableSpec(path="shop/grown/v1", format=spec.format, mode="append", schema_evolution="add")
    lake.write(grown, pl.DataFrame({"id": [1]}))
    with pytest.raises(UnsupportedType, match="named like id but for its case"):
        lake.write(grown, pl.DataFrame({"ID": [1]}))


def test_changes_by_a_column_that_is_not_there_name_those_that_are(lake: Lake, spec: TableSpec) -> None:
    filled(lake, spec)
    for call in (lambda: lake.delete(spec, "no", [1]), lambda: lake.update(spec, "id", [1], {"no": 1})):
        with pytest.raises(ColumnNotFound, match=r"has no column 'no'. Fix: ask for some of id, _month"):
            call()


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_row_is_moved_to_no_partition(lake: Lake, spec: TableSpec, nothing: str | None) -> None:
    filled(lake, spec)
    with pytest.raises(InvalidRows, match="partition column _month would be"):
        lake.update(spec, "id", [1], {"_month": nothing})
