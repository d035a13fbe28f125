"""Rows that come in batches, more than a write holds in memory: the table is as if they had come at once."""

from collections.abc import Iterator
from dataclasses import replace

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from platform_resources.errors import InvalidRows, SchemaMismatch
from platform_resources.storage import Lake, TableSpec, Write, batches
from platform_resources.storage.io_manager import LakeIOManager
from tests.resources.storage.test_transactions import WAYS


@pytest.fixture
def place() -> str:
    return "disk"


@pytest.fixture(params=WAYS, ids="-".join)
def spec(request: pytest.FixtureRequest) -> TableSpec:
    kind, mode = request.param
    return TableSpec(path="shop/orders/v1", format=kind, mode=mode, key=("id",), partition_column="_month",
                     schema_evolution="add", replaces="_source" if mode == "merge" else None)  # fmt: skip


@pytest.fixture
def lake(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """One that holds 1,000 bytes of rows in memory."""
    monkeypatch.setattr(batches, "_FILE_BYTES", 500)
    return Lake(replace(lake.settings, memory_bytes=4000))


def rows(first: int, last: int, source: str = "a") -> pl.DataFrame:
    ids = pl.Series("id", range(first, last), dtype=pl.Int64)
    return pl.DataFrame({"id": ids}).with_columns(
        _month="m" + (ids % 3).cast(pl.String), took=ids.cast(pl.Duration("us")), _source=pl.lit(source)
    )


def in_batches(frame: pl.DataFrame, size: int = 20) -> Iterator[pl.DataFrame]:
    yield from frame.iter_slices(size)


def test_batches_are_written_as_one_frame_is(lake: Lake, spec: TableSpec) -> None:
    commit = lake.write(spec, in_batches(rows(0, 300)), transaction=("worker", 300))
    assert (commit.rows_written, commit.partitions) == (300, ("m0", "m1", "m2"))
    assert_frame_equal(lake.read(spec).sort("id"), rows(0, 300))
    assert not lake.write(spec, in_batches(rows(0, 300)), transaction=("worker", 300)).changed


def test_later_batches_do_what_the_mode_says(lake: Lake, spec: TableSpec) -> None:
    lake.write(spec, in_batches(rows(0, 200)), transaction="file/1")
    wide = rows(100, 400, "b").with_columns(note=pl.lit("new"))
    lake.write(spec, in_batches(wide), replace_values=["a"] if spec.mode == "merge" else (), transaction="file/2")
    expected = {"append": 500, "overwrite": 300, "merge": 300}[spec.mode]
    found = lake.read(spec)
    assert (found.height, found.filter(pl.col("note") == "new").height) == (expected, 300)
    if spec.mode == "merge":
        assert_frame_equal(found.sort("id"), wide, check_column_order=False)
    if spec.mode == "overwrite":
        lake.write(spec, in_batches(wide.filter(pl.col("_month") == "m1")), partitions=["m1", "m2"])
        assert set(lake.read(spec)["_month"]) == {"m0", "m1"}


def test_new_rows_merge_in_batches_beside_those_that_are_there(lake: Lake, spec: TableSpec) -> None:
    lake.write(spec, in_batches(rows(0, 200)))
    commit = lake.write(spec, in_batches(rows(0, 500)))
    assert commit.rows_written == (300 if spec.mode == "merge" else 500)
    assert sorted(set(lake.read(spec)["id"])) == list(range(500))


def test_a_fault_in_a_late_batch_leaves_nothing_written(lake: Lake, spec: TableSpec) -> None:
    late = rows(280, 300).with_columns(_month=pl.lit(None, dtype=pl.String))
    with pytest.raises(InvalidRows, match="_month None"):
        lake.write(spec, iter([*in_batches(rows(0, 280)), late]))
    with pytest.raises(SchemaMismatch, match="missing column took"):
        lake.write(spec, iter([*in_batches(rows(0, 280)), rows(280, 300).drop("took")]))
    if spec.mode == "merge":
        with pytest.raises(InvalidRows, match=r"key .id. is repeated: .3,."):
            lake.write(spec, iter([*in_batches(rows(0, 280)), rows(3, 4)]))
    assert not lake.exists(spec)


def test_an_asset_returns_batches_or_a_lazy_frame(lake: Lake) -> None:
    @dg.asset(metadata=TableSpec(path="a/b/v1").to_metadata())
    def in_parts() -> Write:
        return Write(frame=in_batches(rows(0, 300)))

    @dg.asset
    def lazily(in_parts: pl.LazyFrame) -> pl.LazyFrame:
        return in_parts.filter(pl.col("id") >= 100)

    manager = LakeIOManager(lake.settings)
    dg.materialize([in_parts, lazily], resources={"io_manager": manager})
    assert manager.lake.read(TableSpec(path="a/b/v1")).height == 300
    assert manager.lake.read(TableSpec(path="lazily/v1", format="parquet"))["id"].sort().to_list() == list(
        range(100, 300)
    )
