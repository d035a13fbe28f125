"""One idempotency key for every format and mode: a write happens once, in its turn, or is refused."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from platform_resources.errors import PositionMoved
from platform_resources.storage import Lake, TableSpec

WAYS = [(kind, mode) for kind in ("delta", "iceberg", "parquet") for mode in ("append", "overwrite", "merge")]
WAYS.remove(("parquet", "merge"))


@pytest.fixture(params=WAYS, ids="-".join)
def spec(request: pytest.FixtureRequest) -> TableSpec:
    kind, mode = request.param
    return TableSpec(path="shop/orders/v1", format=kind, mode=mode, key=("id",), partition_column="_month")


def rows(*ids: int, month: str = "jan", note: str = "") -> pl.DataFrame:
    return pl.DataFrame(
        {"id": ids, "_month": [month] * len(ids), "note": [note] * len(ids)},
        schema={"id": pl.Int64, "_month": pl.String, "note": pl.String},
    )


def stored(lake: Lake, spec: TableSpec) -> list[tuple[int, str]]:
    return sorted(lake.read(spec).select("id", "note").iter_rows())


def test_a_repeated_write_changes_nothing_also_when_others_wrote_since(lake: Lake, spec: TableSpec) -> None:
    lake.write(spec, rows(1, 2, note="first"), transaction="file/1")
    lake.write(spec, rows(2, 3, note="second"), transaction="file/2")
    before, version = stored(lake, spec), lake.version(spec)
    again = lake.write(spec, rows(1, 2, note="first"), transaction="file/1")
    assert (again.changed, again.rows_written) == (False, 0)
    assert (stored(lake, spec), lake.version(spec)) == (before, version)


def test_a_stream_writes_each_number_once_and_its_position_is_in_the_table(lake: Lake, spec: TableSpec) -> None:
    assert lake.position(spec, "worker/0") is None
    lake.write(spec, rows(1), transaction=("worker/0", 16), expected_position=None)
    lake.write(spec, rows(7), transaction=("worker/1", 3))
    lake.write(spec, rows(2), transaction=("worker/0", 40), expected_position=16)
    before = stored(lake, spec)
    assert not lake.write(spec, rows(1), transaction=("worker/0", 16)).changed
    assert (lake.position(spec, "worker/0"), lake.position(spec, "worker/1")) == (40, 3)
    assert stored(lake, spec) == before


def test_a_number_that_is_noted_with_a_position_is_in_its_commit_and_may_fall(lake: Lake, spec: TableSpec) -> None:
    lake.write(spec, rows(1), transaction=("worker", 5), note=("topic", 2**62))
    assert (lake.position(spec, "worker"), lake.position(spec, "topic")) == (5, 2**62)
    with pytest.raises(PositionMoved):
        lake.write(spec, rows(2), transaction=("worker", 6), expected_position=4, note=("topic", 7))
    assert lake.position(spec, "topic") == 2**62
    lake.write(spec, rows(2), transaction=("worker", 6), expected_position=5, note=("topic", 7))
    lake.write(spec, rows(3).clear(), transaction=("topic", 3), expected_position=7)
    assert (lake.position(spec, "worker"), lake.position(spec, "topic")) == (6, 3)


def test_a_stream_that_is_not_where_its_worker_believes_is_refused(lake: Lake, spec: TableSpec) -> None:
    lake.write(spec, rows(1), transaction=("worker", 5))
    with pytest.raises(PositionMoved, match=r"orders/v1: another .*position of 'worker' is 5, this one expects 4") as e:
        lake.write(spec, rows(2), transaction=("worker", 6), expected_position=4)
    assert (e.value.expected, e.value.actual) == (4, 5)
    with pytest.raises(PositionMoved, match="is 5, this one expects none; nothing was written"):
        lake.write(spec, rows(2), transaction=("worker", 1), expected_position=None)
    assert stored(lake, spec) == [(1, "")]


def test_a_table_that_moved_since_it_was_read_refuses_the_write(lake: Lake, spec: TableSpec) -> None:
    lake.write(spec, rows(1), expected_version=None)
    version = lake.version(spec)
    lake.write(spec, rows(2), expected_version=version)
    before = stored(lake, spec)
    for expected in (version, None):
        with pytest.raises(PositionMoved, match="the table's version is"):
            lake.write(spec, rows(3), expected_version=expected)
    assert stored(lake, spec) == before


def test_a_write_that_says_nothing_new_still_moves_its_stream(lake: Lake, spec: TableSpec) -> None:
    lake.write(spec, rows(1), transaction=("worker", 1))
    nothing = [] if spec.mode == "overwrite" else None
    lake.write(spec, rows(1) if spec.mode == "merge" else rows(), partitions=nothing, transaction=("worker", 2))
    assert lake.position(spec, "worker") == 2
    assert stored(lake, spec) == [(1, "")]


def test_of_two_writers_with_one_expectation_one_is_refused(lake: Lake, spec: TableSpec) -> None:
    lake.write(spec, rows(0), transaction=("worker", 0))

    def attempt(number: int) -> bool:
        try:
            lake.write(spec, rows(number), transaction=("worker", number), expected_position=0)
        except PositionMoved:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        won = list(pool.map(attempt, (1, 2)))
    assert won.count(True) == 1
    assert lake.position(spec, "worker") == 1 + won.index(True)
    assert {number for number, _ in stored(lake, spec)} - {0} == {1 + won.index(True)}


@pytest.mark.parametrize("place", ["disk"])
def test_a_batch_that_was_killed_within_plain_parquet_is_replaced_by_the_next_attempt(lake: Lake) -> None:
    spec = TableSpec(path="shop/orders/v1", format="parquet", mode="append", partition_column="_month")
    lake.write(spec, rows(1), transaction=("worker", 1))
    lake.write(spec, rows(2, 3), transaction=("worker", 3))
    root = Path(lake.location(spec)) / "_transactions" / "worker"
    (root / f"{3:020}").rename(root / f"{1:020}")  # as a kill just before the note leaves it
    lake.write(spec, rows(2, 3, 4), transaction=("worker", 4), expected_position=1)
    assert stored(lake, spec) == [(1, ""), (2, ""), (3, ""), (4, "")]
