"""Writers in processes of their own: two at a time lose nothing, a killed one leaves the last good table."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from platform_resources.errors import TableNotFound, WriteConflict
from platform_resources.storage import Lake, TableSpec, conflicts
from platform_resources.storage.folder import folder_at
from tests.resources.storage import writers
from tests.resources.storage.writers import COMMITS, TABLES, generation, killed

MODULE = "tests.resources.storage.writers"
ALL = generation(1).height


def start(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", MODULE, *arguments],
        env={**os.environ, **environment},
        cwd=Path(writers.__file__).parents[3],
        stdout=subprocess.PIPE,
        text=True,
    )


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        os.sched_yield()


def race(environment: dict[str, str], gate: Path, *arguments: str) -> None:
    """Starts two writers, lets them go together, and waits for both."""
    processes = [start(environment, *arguments, str(who), str(gate)) for who in (1, 2)]
    until(lambda: all((gate.parent / f"ready-{who}").exists() for who in (1, 2)))
    gate.touch()
    assert [process.wait(60) for process in processes] == [0, 0]


@pytest.mark.parametrize("table", TABLES)
def test_two_writers_at_once_lose_nothing(lake: Lake, environment: dict[str, str], tmp_path: Path, table: str) -> None:
    race(environment, tmp_path / "gate", "race", table)
    last = [who * 100 + COMMITS - 1 for who in (1, 2)]
    every = [who * 100 + number for who in (1, 2) for number in range(COMMITS)]
    assert sorted(lake.scan(TABLES[table]).collect()["id"]) == (last if "monthly" in table else every)


@pytest.mark.parametrize("table", TABLES)
def test_one_file_written_by_two_writers_at_once_is_there_once(
    lake: Lake, environment: dict[str, str], tmp_path: Path, table: str
) -> None:
    """Both make the table, too, which delta-rs alone would let the second do unchecked."""
    race(environment, tmp_path / "gate", "same", table)
    assert lake.scan(TABLES[table]).collect().height == 10


def test_a_writer_that_always_loses_gives_up_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conflicts.time, "sleep", lambda _: None)
    counter = iter(range(1000))

    def lose(_: str) -> None:
        raise TimeoutError

    with pytest.raises(WriteConflict, match=r"during each of 20 attempts; nothing was written. Fix: run its writers"):
        conflicts.retried(lose, table="a/b", snapshot=lambda: str(next(counter)), version=str, errors=(TimeoutError,))


def test_an_error_of_the_write_itself_is_not_tried_again() -> None:
    tries = []

    def fail(_: str) -> None:
        tries.append(1)
        raise TimeoutError

    with pytest.raises(TimeoutError):
        conflicts.retried(fail, table="a/b", snapshot=lambda: "1", version=str, errors=(TimeoutError,))
    assert tries == [1]


@pytest.mark.parametrize("table", ["merged", "iceberg_merged"])
def test_one_key_written_into_two_partitions_at_once_is_there_once(
    lake: Lake, environment: dict[str, str], tmp_path: Path, table: str
) -> None:
    """Disjoint partitions do not conflict by themselves; a key that may move makes them."""
    lake.write(TABLES[table], pl.DataFrame({"id": [0], "_month": ["m0"]}))
    race(environment, tmp_path / "gate", "moved", table)
    found = lake.scan(TABLES[table]).filter(pl.col("id") > 0).collect()
    assert sorted(found["id"]) == [1, 2, 3]


def test_only_a_lost_race_is_worth_a_retry() -> None:
    assert WriteConflict("a/b/v1", 20).transient
    assert not TableNotFound("a/b/v1", "/lake").transient


def seen(lake: Lake, spec: TableSpec) -> set[object]:
    """All files of the table as they are now; on disk also those that are still being written."""
    location = lake.location(spec)
    if location.startswith("s3://"):
        return set(folder_at(location, lake.settings.s3).entries())
    return {path.name for path in Path(location).rglob("*") if path.suffix != ".json"}


def kills(
    lake: Lake, environment: dict[str, str], spec: TableSpec, *, times: int
) -> Iterator[tuple[int, dict[int, int]]]:
    """Yields, after each kill, the last generation that was told, and how many rows of each are there.

    The kill comes when a new file is seen: before, while or just after the commit.
    """
    for _ in range(times):
        process = start(environment, spec.mode, spec.format)
        assert process.stdout is not None
        first = int(process.stdout.readline())
        before = seen(lake, spec)
        until(lambda before=before: seen(lake, spec) - before)
        process.send_signal(signal.SIGKILL)
        told = max([first, *map(int, process.stdout.read().split())])
        yield told, dict(lake.scan(spec).collect()["number"].value_counts().iter_rows())


@pytest.mark.parametrize("format_name", ["delta", "iceberg", "parquet"])
def test_a_writer_killed_while_it_overwrites_leaves_one_generation(
    lake: Lake, environment: dict[str, str], format_name: str
) -> None:
    spec = killed(format_name)
    for told, found in kills(lake, environment, spec, times=4):
        assert found in ({told: ALL}, {told + 1: ALL})
    lake.write(spec, generation(99))
    assert lake.scan(spec).select(pl.col("number").unique()).collect().item() == 99


@pytest.mark.parametrize("place", ["disk"])
@pytest.mark.parametrize("format_name", ["delta", "iceberg"])
def test_a_writer_killed_while_it_merges_leaves_the_old_rows_or_the_new_ones(
    lake: Lake, environment: dict[str, str], format_name: str
) -> None:
    spec = killed(format_name, "merge")
    for told, found in kills(lake, environment, spec, times=3):
        assert found in ({told: ALL}, {told + 1: ALL})
    lake.write(spec, generation(99))
    assert dict(lake.scan(spec).collect()["number"].value_counts().iter_rows()) == {99: ALL}


@pytest.mark.parametrize("place", ["disk"])
@pytest.mark.parametrize("format_name", ["delta", "iceberg", "parquet"])
def test_a_writer_killed_while_it_appends_leaves_whole_appends_and_the_next_one_goes_on_where_it_was(
    lake: Lake, environment: dict[str, str], format_name: str
) -> None:
    """The next writer begins anew with the first transaction: what is there already is not there twice."""
    spec = killed(format_name, "append")
    last = 0
    for told, found in kills(lake, environment, spec, times=3):
        last = max(last, told)
        assert set(found.values()) == {ALL}
        assert sorted(found) in (list(range(1, last + 1)), list(range(1, last + 2)))
        last = len(found)


def frozen(lake: Lake, spec: TableSpec) -> None:
    """Leaves beside the table what a killed writer leaves: a draft, and a data file that no commit names."""
    root = Path(lake.location(spec))
    (root / ".tmp-abc").write_bytes(b"half a file")
    (root / "_month=jan").mkdir(exist_ok=True)
    (root / "_month=jan" / ".tmp-def").write_bytes(b"half a file")


@pytest.mark.parametrize("place", ["disk"])
@pytest.mark.parametrize("format_name", ["delta", "iceberg", "parquet"])
def test_what_a_killed_writer_left_behind_is_not_read(lake: Lake, format_name: str) -> None:
    spec = TableSpec(path="left/behind/v1", format=format_name, partition_column="_month")  # type: ignore[arg-type]
    rows = pl.DataFrame({"id": [1], "_month": ["jan"]})
    lake.write(spec, rows)
    version = lake.version(spec)
    frozen(lake, spec)
    assert lake.scan(spec, partitions=["jan"]).collect().equals(lake.scan(spec).collect())
    assert lake.version(spec) == version
