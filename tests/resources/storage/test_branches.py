import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from platform_resources.errors import BranchExists, BranchOutdated, SettingsError, UnknownBranch, UnsupportedOperation
from platform_resources.settings import Settings, branch_name
from platform_resources.storage import Lake, TableSpec
from platform_resources.storage.branches import Branches
from platform_resources.storage.folder import DiskFolder
from tests.resources.storage import killed_promotion

FORMATS = ["delta", "iceberg", "parquet"]


def spec(name, **facts):
    return TableSpec(path=f"shop/{name}/v1", format=name, partition_column="day", **facts)


def rows(days, value):
    return pl.DataFrame({"id": range(len(days)), "day": days, "value": [value] * len(days)})


def values(lake, table):
    return sorted(lake.scan(table).collect()["value"].to_list())


@pytest.mark.parametrize("name", FORMATS)
def test_a_branch_reads_what_it_began_with_and_the_environment_what_it_had(lake, name):
    table = spec(name)
    lake.write(table, rows(["a", "b"], 1), partitions=["a", "b"])
    Branches(lake.settings).create("try")
    branch = lake.on_branch("try")
    lake.write(table, rows(["b"], 2), partitions=["b"])
    assert values(branch, table) == [1, 1]
    branch.write(table, rows(["a"], 3), partitions=["a"])
    assert values(branch, table) == [1, 3]
    assert values(lake, table) == [1, 2]


@pytest.mark.parametrize("name", FORMATS)
def test_promoting_makes_the_branch_s_rows_the_environment_s(lake, name):
    table, new = spec(name), TableSpec(path="shop/new/v1", format=name)
    lake.write(table, rows(["a", "b"], 1), partitions=["a", "b"])
    Branches(lake.settings).create("try")
    branch = lake.on_branch("try")
    branch.write(table, rows(["a"], 3), partitions=["a"])
    branch.write(table, rows(["c"], 4), partitions=["c"])
    branch.write(new, rows(["x"], 5))
    promoted = Branches(lake.settings).promote("try")
    assert sorted(each.path for each in promoted) == sorted([table.path, new.path])
    assert values(lake, table) == [1, 3, 4]
    assert values(lake, new) == [5]
    branch = lake.on_branch("try")
    assert values(branch, table) == [1, 3, 4]
    lake.write(table, rows(["c"], 6), partitions=["c"])
    assert values(branch, table) == [1, 3, 4]
    assert Branches(lake.settings).promote("try") == []
    Branches(lake.settings).drop("try")
    assert values(lake, table) == [1, 3, 6]
    assert values(lake, new) == [5]


@pytest.mark.parametrize("name", FORMATS)
def test_promoting_is_refused_where_the_environment_moved_on(lake, name):
    table = spec(name)
    lake.write(table, rows(["a"], 1), partitions=["a"])
    Branches(lake.settings).create("try")
    lake.on_branch("try").write(table, rows(["a"], 2), partitions=["a"])
    lake.write(table, rows(["a"], 3), partitions=["a"])
    with pytest.raises(BranchOutdated, match=r"shop/\w+/v1 changed in the environment"):
        Branches(lake.settings).promote("try")
    assert values(lake, table) == [3]


class Killed(BaseException):
    """Stands for kill -9: nothing catches it, and nothing is tidied up."""


def kill_at(monkeypatch, number):
    """Die before the so-manieth change of a file on disk."""
    calls = iter(range(1, 10_000))

    def dying(original):
        def method(*args, **words):
            if next(calls) == number:
                raise Killed
            return original(*args, **words)

        return method

    for method in ("write", "create", "lend", "remove"):
        monkeypatch.setattr(DiskFolder, method, dying(getattr(DiskFolder, method)))


@pytest.mark.parametrize("name", FORMATS)
def test_a_promotion_killed_at_any_point_is_completed_by_the_next(tmp_path, monkeypatch, name):
    table, new = spec(name), TableSpec(path="shop/new/v1", format=name)
    for number in range(1, 100, 3 if name == "iceberg" else 1):
        place = tmp_path / str(number)
        lake = Lake(Settings(state=str(place / "state"), lake=str(place / "lake"), landing=str(place)))
        lake.write(table, rows(["a", "b"], 1), partitions=["a", "b"])
        branches = Branches(lake.settings)
        branches.create("try")
        branch = lake.on_branch("try")
        branch.write(table, rows(["a"], 2), partitions=["a"])
        branch.write(table, rows(["a", "c"], 3), partitions=["a", "c"])
        branch.write(new, rows(["x"], 5))
        with monkeypatch.context() as patch:
            kill_at(patch, number)
            try:
                branches.promote("try")
                break
            except Killed:
                pass
        if number % 2:
            branches.promote("try")
            assert values(lake, table) == [1, 3, 3], number
        lake.on_branch("try").write(table, rows(["b"], 4), partitions=["b"])
        try:
            branches.promote("try")
        except BranchOutdated:
            assert number % 2 == 0
            continue
        assert (values(lake, table), values(lake, new)) == ([3, 3, 4], [5]), number
        assert values(lake.on_branch("try"), table) == [3, 3, 4], number
        assert branches.promote("try") == []
    assert number > 3


@pytest.mark.parametrize("name", FORMATS)
def test_a_run_that_writes_on_after_its_branch_was_dropped_leaves_nothing_to_the_next(tmp_path, name):
    lake = Lake(Settings(state=str(tmp_path / "state"), lake=str(tmp_path / "lake"), landing=str(tmp_path)))
    table, new = spec(name), TableSpec(path="shop/new/v1", format=name)
    lake.write(table, rows(["a"], 1), partitions=["a"])
    Branches(lake.settings).create("try")
    running = lake.on_branch("try")
    running.write(table, rows(["a"], 2), partitions=["a"])
    Branches(lake.settings).drop("try")
    with suppress(Exception):
        running.write(new, rows(["x"], 5))
    with suppress(Exception):
        running.write(table, rows(["a"], 3), partitions=["a"])
    assert Branches(lake.settings).names() == []
    again = Branches(lake.settings)
    assert again.changed(again.create("try")) == []
    assert not lake.on_branch("try").exists(new)
    lake.on_branch("try").write(table, rows(["b"], 4), partitions=["b"])
    assert values(lake.on_branch("try"), table) == [1, 4]
    assert values(lake, table) == [1]


@pytest.mark.parametrize("name", ["../up", "a b", "Ä", "", ".", "-x", "a/b", "x" * 65, "a\n"])
def test_a_name_that_is_no_folder_is_refused(name):
    with pytest.raises(SettingsError, match="no name of a branch"):
        branch_name("--branch", name)


@pytest.mark.parametrize("name", ["delta", "iceberg"])
def test_upkeep_keeps_the_files_that_a_branch_reads(tmp_path, name, monkeypatch):
    lake = Lake(Settings(state=str(tmp_path / "state"), lake=str(tmp_path / "lake"), landing=str(tmp_path)))
    table = spec(name)
    lake.write(table, rows(["a"], 1), partitions=["a"])
    Branches(lake.settings).create("try")
    lake.write(table, rows(["a"], 2), partitions=["a"])
    monkeypatch.setattr("platform_resources.storage.operations.interface.MINIMUM_KEEP", timedelta(0))
    monkeypatch.setattr("platform_resources.storage.operations.interface._MARGIN", timedelta(0))
    for path in (tmp_path / "lake").rglob("*.parquet"):
        os.utime(path, (0, 0))
    assert not lake.operations(table).expire(keep=timedelta(0), dry_run=False).changed
    lake.operations(table).vacuum(keep=timedelta(0), dry_run=False)
    assert values(lake.on_branch("try"), table) == [1]


@pytest.mark.parametrize("promoted", ["whole", "killed"])
def test_no_upkeep_and_no_drop_removes_what_the_environment_reads_of_a_branch(tmp_path, monkeypatch, promoted):
    lake = Lake(Settings(state=str(tmp_path / "state"), lake=str(tmp_path / "lake"), landing=str(tmp_path)))
    table, branches = spec("iceberg"), Branches(lake.settings)
    monkeypatch.setattr("platform_resources.storage.operations.interface.MINIMUM_KEEP", timedelta(0))
    monkeypatch.setattr("platform_resources.storage.operations.interface._MARGIN", timedelta(0))
    lake.write(table, rows(["a", "b"], 1), partitions=["a", "b"])
    branches.create("try")
    lake.on_branch("try").write(table, rows(["a"], 2), partitions=["a"])
    if promoted == "killed":
        with monkeypatch.context() as patch:
            patch.setattr(Branches, "save", die)
            with pytest.raises(Killed):
                branches.promote("try")
    else:
        branches.promote("try")
        lake.on_branch("try").write(table, rows(["a"], 3), partitions=["a"])
        tidy(lake.on_branch("try"), table)
        assert values(lake, table) == [1, 2]
    for value in (4, 5):
        branches.drop("try")
        branches.create("try")
        lake.on_branch("try").write(table, rows(["b"], value), partitions=["b"])
        tidy(lake.on_branch("try"), table)
        assert values(lake, table) == [1, 2]
        assert values(lake.on_branch("try"), table) == [2, value]
    branches.drop("try")
    tidy(lake, table)
    assert values(lake, table) == [1, 2]


def die(*_):
    raise Killed


def tidy(lake, table):
    """Do the upkeep of a table all of whose files are old."""
    for path in Path(lake.settings.lake).rglob("*.*"):
        os.utime(path, (0, 0))
    lake.operations(table).expire(keep=timedelta(0), dry_run=False)
    lake.operations(table).vacuum(keep=timedelta(0), dry_run=False)


def test_a_merge_in_a_branch_begins_with_the_rows_and_the_position_of_the_table(lake):
    table = TableSpec(path="shop/orders/v1", mode="merge", key=("id",))
    lake.write(table, pl.DataFrame({"id": [1, 2], "value": [1, 1]}), transaction=("topic", 5))
    Branches(lake.settings).create("try")
    lake.write(table, pl.DataFrame({"id": [1], "value": [9]}), transaction=("topic", 8))
    branch = lake.on_branch("try")
    assert branch.position(table, "topic") == 5
    branch.write(table, pl.DataFrame({"id": [2, 3], "value": [2, 2]}), transaction=("topic", 6))
    assert values(branch, table) == [1, 2, 2]


def test_a_branch_does_no_upkeep_of_tables_that_are_not_its_own(lake):
    lake.write(spec("delta"), rows(["a"], 1), partitions=["a"])
    Branches(lake.settings).create("try")
    branch = lake.on_branch("try")
    with pytest.raises(UnsupportedOperation, match="nothing of it was materialised in branch try"):
        branch.operations(spec("delta")).compact()
    assert len(branch.operations(spec("delta")).history()) == 1


def test_a_branch_that_is_not_there_is_refused_by_name(lake):
    Branches(lake.settings).create("one")
    with pytest.raises(UnknownBranch, match="there are one"):
        lake.on_branch("two").exists(spec("delta"))
    with pytest.raises(BranchExists):
        Branches(lake.settings).create("one")
    with pytest.raises(SettingsError, match="no name of a branch"):
        branch_name("--branch", "Ä/b")


def test_a_branch_of_many_tables_copies_nothing(tmp_path):
    lake = Lake(Settings(state=str(tmp_path / "state"), lake=str(tmp_path / "lake"), landing=str(tmp_path)))
    for number in range(30):
        lake.write(TableSpec(path=f"shop/t{number}/v1"), rows(["a"], 1))
    before = sum(path.stat().st_size for path in (tmp_path / "lake").rglob("*.parquet"))
    begun = time.process_time()
    branch = Branches(lake.settings).create("try")
    assert time.process_time() - begun < 1
    assert len(branch.pins) == 30
    assert sum(path.stat().st_size for path in (tmp_path / "lake").rglob("*.parquet")) == before


@pytest.mark.lane
@pytest.mark.parametrize("name", FORMATS)
def test_a_promotion_on_s3_that_is_killed_is_completed_by_the_next(tmp_path, s3, name):
    table, new = spec(name), TableSpec(path="shop/new/v1", format=name)
    points = []
    for number in range(1, 40, 2):
        place = {"PLATFORM_STATE": str(tmp_path / str(number)), "PLATFORM_LAKE": f"s3://{s3.bucket}/{name}-{number}"}
        environment = {**place, **s3.environment}
        lake = Lake(Settings.from_environment(environment))
        lake.write(table, rows(["a", "b"], 1), partitions=["a", "b"])
        branches = Branches(lake.settings)
        branches.create("try")
        lake.on_branch("try").write(table, rows(["a", "c"], 3), partitions=["a", "c"])
        lake.on_branch("try").write(new, rows(["x"], 5))
        ended = subprocess.run([sys.executable, killed_promotion.__file__, str(number)], check=False,
                               env={**os.environ, **environment}).returncode  # fmt: skip
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
        points.append(number)
        branches.promote("try")
        assert (values(lake, table), values(lake, new)) == ([1, 3, 3], [5]), number
        lake.on_branch("try").write(table, rows(["b"], 4), partitions=["b"])
        branches.promote("try")
        branches.drop("try")
        assert (values(lake, table), values(lake, new)) == ([3, 3, 4], [5]), number
    assert len(points) > 2


def test_two_machines_make_one_branch_and_work_in_it(lake):
    table = spec("delta")
    lake.write(table, rows(["a", "b"], 1), partitions=["a", "b"])
    start, outcomes = threading.Barrier(2), []

    def work(day, value):
        mine = Lake(lake.settings)
        start.wait()
        try:
            Branches(mine.settings).create("both")
            outcomes.append("made")
        except BranchExists:
            outcomes.append("there")
        mine.on_branch("both").write(table, rows([day], value), partitions=[day])

    machines = [threading.Thread(target=work, args=each) for each in (("a", 3), ("b", 4))]
    for machine in machines:
        machine.start()
    for machine in machines:
        machine.join()
    assert sorted(outcomes) == ["made", "there"]
    assert values(lake.on_branch("both"), table) == [3, 4]
    assert [each.path for each in Branches(lake.settings).promote("both")] == [table.path]
    assert Branches(lake.settings).promote("both") == []
    assert values(lake, table) == [3, 4]
