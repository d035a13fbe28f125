"""What one day and two columns cost on a real S3 server: by bytes and requests, of any format, however many days."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import dagster as dg
import polars as pl
import pyarrow.parquet as pq
import pytest

from platform_resources.settings import Settings
from platform_resources.storage import Lake, TableSpec
from platform_resources.storage.io_manager import LakeIOManager
from platform_resources.storage.table import Format
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.servers import S3Server, real_s3_server, versitygw

ROWS, DAY, TWO = 60_000, "2024-01-03", ["a", "j"]
FOOTER = 260 << 10
"""Polars asks for the last 256 KiB of a file, for it does not know how long the footer is."""


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[S3Server, Path]]:
    """A real server, and the folder in which its objects are files."""
    if versitygw() is None:
        pytest.skip("no versitygw on PATH and none named by VERSITYGW; .ci/versitygw builds one with Go")
    folder = tmp_path_factory.mktemp("versitygw")
    with real_s3_server(folder) as server:
        yield server, folder / "objects" / server.bucket


@dataclass(frozen=True)
class Stored:
    """A table on S3, read through a proxy that remembers what it passed on."""

    spec: TableSpec
    settings: Settings
    files: Path
    proxy: FaultProxy
    days: dg.DailyPartitionsDefinition

    @property
    def data(self) -> dict[str, Path]:
        """The data files of each day."""
        found = [each for each in self.files.rglob("*.parquet") if "_delta_log" not in each.parts]
        return {each.parent.name.removeprefix("day="): each for each in found}

    def load(self) -> pl.DataFrame:
        """What an asset's input gets that asks for two columns of one day."""
        seen: list[pl.DataFrame] = []

        @dg.asset(partitions_def=self.days, ins={"wide": dg.AssetIn(metadata={"columns": TWO})})
        def reader(wide: pl.DataFrame) -> None:
            seen.append(wide)

        wide = dg.AssetSpec("wide", partitions_def=self.days, metadata=self.spec.to_metadata())
        resources = {"io_manager": LakeIOManager(self.settings)}
        assert dg.materialize([wide, reader], partition_key=DAY, resources=resources).success
        return seen[0]


@pytest.fixture(params=["delta", "iceberg", "parquet"])
def spec(request: pytest.FixtureRequest) -> TableSpec:
    said: Format = request.param
    return TableSpec(path="wide/table/v1", format=said, partition_column="day")


@pytest.fixture
def proxy(gateway: tuple[S3Server, Path]) -> Iterator[FaultProxy]:
    with fault_proxy(gateway[0].endpoint, ()) as made:
        yield made


@pytest.fixture
def stored(
    gateway: tuple[S3Server, Path], proxy: FaultProxy, spec: TableSpec, tmp_path: Path
) -> Callable[[int], Stored]:
    """Stores a table of so many days, straight, and hands it out behind the proxy."""
    server, objects = gateway

    def make(days: int) -> Stored:
        lake = uuid.uuid4().hex
        places = {"PLATFORM_LAKE": f"s3://{server.bucket}/{lake}", "PLATFORM_STATE": str(tmp_path / lake)}
        straight = Settings.from_environment(server.environment | places)
        Lake(straight).write(spec, noisy(days))
        behind = Settings.from_environment(server.through(proxy.endpoint).environment | places)
        files = objects / lake / straight.environment / spec.path
        calendar = dg.DailyPartitionsDefinition("2024-01-01", end_date=f"2024-01-{days + 1:02}")
        return Stored(spec, behind, files, proxy, calendar)

    return make


def noisy(days: int) -> pl.DataFrame:
    """Ten columns of numbers that do not compress, for each of some days."""
    numbers = pl.Series(range(days * ROWS))
    day = [f"2024-01-{number:02}" for number in range(1, days + 1) for _ in range(ROWS)]
    return pl.DataFrame({name: numbers.hash(seed) for seed, name in enumerate("abcdefghij")} | {"day": day})


def of_two_columns(path: Path) -> int:
    """The bytes of two columns in a file."""
    footer = pq.ParquetFile(path).metadata
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    chunks = [group.column(place) for group in groups for place in range(group.num_columns)]
    return sum(each.total_compressed_size for each in chunks if each.path_in_schema in TWO)


def test_one_day_and_two_columns_take_their_own_bytes_and_no_other_days_file(stored: Callable[[int], Stored]) -> None:
    table = stored(6)
    assert table.load().equals(noisy(6).filter(pl.col("day") == DAY).select(TWO))
    data = [(unquote(path).partition("?")[0], size) for path, size in table.proxy.served if ".parquet" in path]
    data = [(path, size) for path, size in data if "_delta_log" not in path]
    mine = table.data[DAY]
    assert {Path(path).name for path, size in data if size} == {mine.name}
    assert of_two_columns(mine) <= sum(size for _, size in data) <= of_two_columns(mine) + FOOTER


def test_what_is_asked_and_received_for_a_day_hardly_grows_with_the_days_of_the_table(
    stored: Callable[[int], Stored],
) -> None:
    requests, received = [], []
    for days in (4, 24):
        table = stored(days)
        table.proxy.served.clear()
        table.load()
        requests.append(len(table.proxy.served))
        received.append(table.proxy.body_bytes)
    assert requests[1] == requests[0] <= 20
    assert received[1] - received[0] < FOOTER  # the log or the listing names the other days
