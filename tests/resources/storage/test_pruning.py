"""Partitions and columns that nobody asked for are not read: by bytes from S3, and by burning them on disk."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pyarrow.parquet as pq
import pytest

from platform_resources.settings import Settings
from platform_resources.storage import Lake, TableSpec
from platform_resources.storage.io_manager import LakeIOManager
from tests.servers import Counter, S3Server, counting_proxy

ROWS = 60_000
MONTHS = dg.StaticPartitionsDefinition(["jan", "feb", "mar", "apr"])


def noisy() -> pl.DataFrame:
    """Four months of rows that do not compress: one column is a tenth of each row."""
    months = [month for month in MONTHS.get_partition_keys() for _ in range(ROWS)]
    numbers = pl.Series(range(len(months)))
    wide = {f"wide{seed}": numbers.hash(seed) for seed in range(9)}
    return pl.DataFrame({"narrow": numbers.hash(99), **wide, "_month": months})


@pytest.fixture(params=["delta", "iceberg", "parquet"])
def spec(request: pytest.FixtureRequest) -> TableSpec:
    return TableSpec(path="wide/table/v1", format=request.param, partition_column="_month")


@pytest.fixture
def proxy(s3: S3Server) -> Iterator[Counter]:
    with counting_proxy(s3.endpoint) as counter:
        yield counter


@pytest.fixture
def counted(s3: S3Server, proxy: Counter, tmp_path: Path, spec: TableSpec) -> Lake:
    """A lake whose reads pass the proxy, with the table in it."""
    places = {"PLATFORM_LAKE": f"s3://{s3.bucket}/{uuid.uuid4().hex}", "PLATFORM_STATE": str(tmp_path)}
    Lake(Settings.from_environment(s3.environment | places)).write(spec, noisy())
    return Lake(Settings.from_environment(s3.through(proxy.endpoint).environment | places))


def share(proxy: Counter, read: Callable[[], object], whole: Callable[[], object]) -> float:
    """The bytes that a read receives, as a share of those for the whole table."""
    received = []
    for each in (whole, read):
        before = proxy.received_bytes
        each()
        received.append(proxy.received_bytes - before)
    return received[1] / received[0]


def test_from_s3_one_partition_of_four_costs_a_quarter(counted: Lake, proxy: Counter, spec: TableSpec) -> None:
    one = counted.scan(spec, partitions=["feb"])
    assert share(proxy, one.collect, counted.scan(spec).collect) < 0.30


def test_from_s3_a_filter_on_the_partition_prunes_too(counted: Lake, proxy: Counter, spec: TableSpec) -> None:
    filtered = counted.scan(spec).filter(pl.col("_month") == "feb")
    assert share(proxy, filtered.collect, counted.scan(spec).collect) < 0.30


def test_from_s3_one_column_of_ten_costs_little_more_than_a_tenth(
    counted: Lake, proxy: Counter, spec: TableSpec
) -> None:
    narrow = counted.scan(spec, columns=["narrow"])
    assert share(proxy, narrow.collect, counted.scan(spec).collect) < 0.15


def test_from_s3_an_assets_input_reads_one_column_of_one_partition(
    counted: Lake, proxy: Counter, spec: TableSpec
) -> None:
    @dg.asset(partitions_def=MONTHS, ins={"wide": dg.AssetIn(metadata={"columns": ["narrow"]})})
    def reader(wide: pl.LazyFrame) -> None:
        assert wide.select(pl.len()).collect().item() == ROWS

    wide = dg.AssetSpec("wide", partitions_def=MONTHS, metadata=spec.to_metadata())

    def run() -> None:
        manager = LakeIOManager(counted.settings)
        assert dg.materialize([wide, reader], partition_key="mar", resources={"io_manager": manager}).success

    assert share(proxy, run, counted.scan(spec).collect) < 0.05


def burn(path: Path, keep: str | None = None) -> None:
    """Overwrites a Parquet file with zeros: all of it, or all columns but one."""
    content = bytearray(path.read_bytes())
    group = pq.ParquetFile(path).metadata.row_group(0)
    chunks = [group.column(number) for number in range(group.num_columns)]
    for chunk in chunks:
        if chunk.path_in_schema != keep:
            start = chunk.dictionary_page_offset or chunk.data_page_offset
            content[start : start + chunk.total_compressed_size] = bytes(chunk.total_compressed_size)
    path.write_bytes(bytes(len(content)) if keep is None else content)


def files(lake: Lake, spec: TableSpec) -> list[Path]:
    return [path for path in Path(lake.location(spec)).rglob("*.parquet") if "_delta_log" not in path.parts]


@pytest.mark.parametrize("place", ["disk"])
def test_on_disk_other_partitions_may_burn(lake: Lake, spec: TableSpec) -> None:
    lake.write(spec, noisy())
    for path in files(lake, spec):
        if "feb" not in path.parent.name:
            burn(path)
    assert lake.scan(spec, partitions=["feb"]).collect().height == ROWS


@pytest.mark.parametrize("place", ["disk"])
def test_on_disk_other_columns_may_burn(lake: Lake, spec: TableSpec) -> None:
    expected = noisy()["narrow"].sort()
    lake.write(spec, noisy())
    for path in files(lake, spec):
        burn(path, keep="narrow")
    assert lake.scan(spec, columns=["narrow"]).collect()["narrow"].sort().equals(expected)
