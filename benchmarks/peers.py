"""Our IO manager beside those that people use instead, in one run: stored, loaded, a day of it, by day, a step's start.

Their pins conflict, so each lives in an environment of its own, made on demand in the cache folder
(`~/.cache/dagster-asset-platform/peers`) from the pins in `benchmarks/peers/`. dagster-polars stores with Polars 2 what
it cannot load, and is given the last Polars before it. Every case is a fresh process of its environment.

The table is that of `tables.py`. A peer gets it as the frame that it takes; its `day` as it needs it: a date for
dagster-deltalake, which overwrites the whole table with each day where that is a timestamp without zone. S3 is
versitygw on this machine, without our cache.

    pip install -e '.[bench]' && python benchmarks/peers.py --rounds 3
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from harness import REPOSITORY, Case, Facts, Steps, main

sys.path.insert(0, str(REPOSITORY))

DAYS, FIRST, DAY = 30, date(2024, 1, 1), "2024-01-20"
TWO = ["l_orderkey", "l_extendedprice"]
PINS = Path(__file__).with_suffix("")
BUCKET = "lake"
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing-secret", "AWS_REGION": "us-east-1"}


@dataclass(frozen=True)
class Peer:
    """One IO manager.

    Attributes:
        name: What the tables call it.
        make: The manager that stores below a folder.
        environment: The file of pins it lives with; empty for our own environment.
        frames: The kind of frame it is given: "polars" or "pandas".
        day: The type of its partition column, where that cannot be text.
        config: What its contexts carry as the resource's configuration.
        format: Of our own managers, the format.
        on_s3: It stores on S3.
    """

    name: str
    make: Callable[[Path], Any]
    environment: str = ""
    frames: str = "polars"
    day: pl.DataType | None = None
    config: Callable[[Path], Mapping[str, Any]] = lambda _: {}
    format: str = ""
    on_s3: bool = False


def ours(place: Path) -> Any:
    from platform_resources.settings import Settings
    from platform_resources.storage.io_manager import LakeIOManager

    return LakeIOManager(Settings.from_environment({"PLATFORM_STATE": str(place)}))


def ours_on_s3(place: Path) -> Any:
    from platform_resources.settings import Settings
    from platform_resources.storage.io_manager import LakeIOManager

    lake = {"PLATFORM_LAKE": f"s3://{BUCKET}/{_prefix(place)}", "PLATFORM_S3_ENDPOINT": os.environ["BENCH_ENDPOINT"]}
    return LakeIOManager(
        Settings.from_environment(KEYS | lake | {"PLATFORM_STATE": str(place), "PLATFORM_CACHE": "off"})
    )


def pickles(place: Path) -> Any:
    import dagster as dg

    return dg.FilesystemIOManager(base_dir=str(place))


def pickles_on_s3(place: Path) -> Any:
    from dagster_aws.s3 import S3PickleIOManager, S3Resource

    server = S3Resource(
        endpoint_url=os.environ["BENCH_ENDPOINT"], region_name=KEYS["AWS_REGION"],
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"], aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
    )  # fmt: skip
    return S3PickleIOManager(s3_resource=server, s3_bucket=BUCKET, s3_prefix=_prefix(place))


def dagster_polars(place: Path) -> Any:
    from dagster_polars import PolarsParquetIOManager

    return PolarsParquetIOManager(base_dir=str(place))


def deltalake_polars(place: Path) -> Any:
    from dagster_deltalake import LocalConfig
    from dagster_deltalake_polars import DeltaLakePolarsIOManager

    return DeltaLakePolarsIOManager(root_uri=str(place), storage_options=LocalConfig(), schema="s")


def deltalake_pandas(place: Path) -> Any:
    from dagster_deltalake import LocalConfig
    from dagster_deltalake_pandas import DeltaLakePandasIOManager

    return DeltaLakePandasIOManager(root_uri=str(place), storage_options=LocalConfig(), schema="s")


def duckdb_pandas(place: Path) -> Any:
    from dagster_duckdb_pandas import DuckDBPandasIOManager

    return DuckDBPandasIOManager(database=str(place / "x.duckdb"), schema="s")


def iceberg_polars(place: Path) -> Any:
    from dagster_iceberg.config import IcebergCatalogConfig
    from dagster_iceberg.io_manager.polars import PolarsIcebergIOManager
    from pyiceberg.catalog.sql import SqlCatalog

    properties = _catalogue(place)
    SqlCatalog("c", **properties).create_namespace_if_not_exists("s")
    catalogue = IcebergCatalogConfig(properties={"type": "sql", **properties})
    return PolarsIcebergIOManager(name="c", config=catalogue, namespace="s")


def _catalogue(place: Path) -> dict[str, str]:
    return {"uri": f"sqlite:///{place}/catalogue.db", "warehouse": f"file://{place}"}


def _delta_config(place: Path) -> Mapping[str, Any]:
    return {
        "root_uri": str(place), "storage_options": {"local": {}}, "schema": "s", "mode": "overwrite",
        "overwrite_schema": False, "writer_engine": "rust",
    }  # fmt: skip


def _duckdb_config(place: Path) -> Mapping[str, Any]:
    return {"database": str(place / "x.duckdb"), "schema": "s", "connection_config": {}}


def _iceberg_config(place: Path) -> Mapping[str, Any]:
    return {"name": "c", "namespace": "s", "config": {"properties": {"type": "sql", **_catalogue(place)}}}


TIMESTAMP = pl.Datetime("us")
PEERS = (
    Peer("ours, Delta", ours, format="delta"),
    Peer("ours, Iceberg", ours, format="iceberg"),
    Peer("ours, Parquet", ours, format="parquet"),
    Peer("ours, Delta on S3", ours_on_s3, format="delta", on_s3=True),
    Peer("pickle on disk (pandas)", pickles, "pickles", "pandas"),
    Peer("pickle on S3 (pandas)", pickles_on_s3, "pickles", "pandas", on_s3=True),
    Peer("dagster-polars, Parquet", dagster_polars, "polars"),
    Peer("dagster-deltalake-polars", deltalake_polars, "deltalake", day=pl.Date(), config=_delta_config),
    Peer("dagster-deltalake-pandas", deltalake_pandas, "deltalake", "pandas", day=pl.Date(), config=_delta_config),
    Peer("dagster-iceberg, polars", iceberg_polars, "iceberg", day=TIMESTAMP, config=_iceberg_config),
    Peer("dagster-duckdb-pandas", duckdb_pandas, "pickles", "pandas", day=TIMESTAMP, config=_duckdb_config),
)


def prepare(folder: Path) -> None:
    """Makes the environments, the table and the S3 server."""
    import tables

    tables.make_rows(folder)
    os.environ.update(_serve(folder))
    for peer in PEERS:
        if not _skipped(peer):
            _make_environment(peer)


def _serve(folder: Path) -> dict[str, str]:
    """What tells the cases of the S3 server, which ends with this process."""
    import atexit

    from tests.servers import real_s3_server, versitygw

    if versitygw() is None:
        return {}
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    return {**KEYS, "BENCH_ENDPOINT": stack.enter_context(real_s3_server(folder / "s3")).endpoint}


def _filled(peer: Peer, folder: Path, days: int) -> Path:
    """Where the table to read lies; the first who asks has it stored, by a process of its own."""
    place = _place(peer, folder / "read", days)
    if not place.exists():
        command = [sys.executable, "-W", "ignore", __file__, "fill", peer.name, str(folder), str(days)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{peer.name} could not store what is read:\n{done.stderr[-3000:]}")
    return place


def fill(peer: Peer, folder: Path, days: int) -> None:
    """Stores the whole table, or some days of it, where the cases that read find it."""
    place = _place(peer, folder / "read", days)
    with _manager(peer, place) as manager:
        for key, frame in _parts(peer, folder, days):
            manager.handle_output(_output(peer, place, key), frame)


def step(peer: Peer, folder: Path) -> None:
    """Stores and loads a hundred rows, as a small step does."""
    place = _place(peer, folder / "step", 0)
    frame = _as_kind(peer, pl.read_parquet(folder / "li.parquet", n_rows=100))
    with _manager(peer, place) as manager:
        manager.handle_output(_output(peer, place, None), frame)
        assert len(manager.load_input(_input(peer, place, None))) == 100


def store(peer: Peer) -> Steps:
    def steps(folder: Path) -> Iterator[Facts | None]:
        place = _place(peer, folder / "written", 0)
        ((_, frame),) = _parts(peer, folder, 0)
        with _manager(peer, place) as manager:
            context = _output(peer, place, None)
            yield None
            manager.handle_output(context, frame)
            yield _size(peer, place)
        _clear(place)

    return steps


def store_days(peer: Peer, *, at_once: bool = False) -> Steps:
    """Each day by itself, as a run of one partition does; `at_once` all of them, as one run of a range does."""

    def steps(folder: Path) -> Iterator[Facts | None]:
        place = _place(peer, folder / "written", DAYS)
        parts = [(None, _days(folder))] if at_once else list(_parts(peer, folder, DAYS))
        with _manager(peer, place) as manager:
            contexts = [_output(peer, place, key, daily=True) for key, _ in parts]
            yield None
            began = os.times()
            for context, (_, frame) in zip(contexts, parts, strict=True):
                manager.handle_output(context, frame)
            taken = sum(os.times()[:2]) - sum(began[:2])
            yield {"CPU ms a day": round(taken / DAYS * 1e3), **_size(peer, place)}
        _clear(place)

    return steps


def load(peer: Peer, key: str | None = None) -> Steps:
    """All rows and columns of the whole table, or two columns of one day of the one that has days."""

    def steps(folder: Path) -> Iterator[Facts | None]:
        place = _filled(peer, folder, DAYS if key else 0)
        with _manager(peer, place) as manager:
            context = _input(peer, place, key)
            yield None
            found = manager.load_input(context)
            yield {"rows": len(found), "columns": found.shape[1]}

    return steps


def start(peer: Peer, *, small: bool) -> Steps:
    """A step's process from its start: the manager made and not used, or a hundred rows stored and loaded."""

    def steps(folder: Path) -> Iterator[Facts | None]:
        yield None
        command = [sys.executable, "-W", "ignore", __file__, "step" if small else "make", peer.name, str(folder)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        yield {"modules": int(done.stdout.split()[-1])}

    return steps


def _manager(peer: Peer, place: Path) -> Any:
    """The context in which the manager is there as a Dagster resource."""
    import dagster as dg

    @contextlib.contextmanager
    def opened() -> Iterator[Any]:
        place.mkdir(parents=True, exist_ok=True)
        with dg.build_resources({"io": peer.make(place)}) as resources:
            yield resources.io

    return opened()


def _type(peer: Peer) -> Any:
    import dagster as dg

    if peer.frames == "polars":
        return dg.PythonObjectDagsterType(pl.DataFrame)
    import pandas as pd

    return dg.PythonObjectDagsterType(pd.DataFrame)


def _output(peer: Peer, place: Path, key: str | None, *, daily: bool = False) -> Any:
    import dagster as dg

    day: dict[str, Any] = {"partition_key": key, "asset_partitions_def": _calendar()} if key else {}
    said = {"partition_expr": "day"} if key or daily else {}
    return dg.build_output_context(
        asset_key=dg.AssetKey("li"), name="result", run_id="r", dagster_type=_type(peer),
        resource_config=peer.config(place),
        definition_metadata={**said, **_spec(peer, daily=bool(key) or daily)}, **day,
    )  # fmt: skip


def _input(peer: Peer, place: Path, key: str | None) -> Any:
    import dagster as dg

    day: dict[str, Any] = {}
    if key:
        only = dg.PartitionKeyRange(key, key)
        day = {"partition_key": key, "asset_partition_key_range": only, "asset_partitions_def": _calendar()}
    above = dg.build_output_context(
        asset_key=dg.AssetKey("li"), name="result", run_id="r",
        definition_metadata={**({"partition_expr": "day"} if key else {}), **_spec(peer, daily=bool(key))},
    )  # fmt: skip
    return dg.build_input_context(
        asset_key=dg.AssetKey("li"), upstream_output=above, dagster_type=_type(peer),
        resource_config=peer.config(place), definition_metadata={"columns": TWO} if key else {}, **day,
    )  # fmt: skip


def _spec(peer: Peer, *, daily: bool) -> Mapping[str, Any]:
    if not peer.format:
        return {}
    from platform_resources.storage import TableSpec

    spec = TableSpec(
        path=f"tpch/{'daily' if daily else 'whole'}/v1",
        format=peer.format,  # type: ignore[arg-type]  # one of three
        partition_column="day" if daily else None,
    )
    return spec.to_metadata()


def _calendar() -> Any:
    import dagster as dg

    return dg.DailyPartitionsDefinition(str(FIRST), end_date="2025-01-01")


def _parts(peer: Peer, folder: Path, days: int) -> Iterator[tuple[str | None, Any]]:
    """The whole table, or each of the first days with its key, as the frame that the manager takes."""
    if not days:
        yield None, _as_kind(peer, pl.read_parquet(folder / "li.parquet"))
        return
    by_day = _days(folder).partition_by("day", as_dict=True, maintain_order=True)
    for (key,), frame in by_day.items():
        yield str(key), _as_kind(peer, frame)


def _days(folder: Path) -> pl.DataFrame:
    last = str(FIRST + timedelta(days=DAYS - 1))
    return pl.read_parquet(folder / "li.parquet").filter(pl.col("day") <= last)


def _as_kind(peer: Peer, frame: pl.DataFrame) -> Any:
    if peer.day is not None:
        frame = frame.with_columns(pl.col("day").str.to_date("%Y-%m-%d").cast(peer.day))
    if peer.frames == "polars":
        return frame
    made = frame.to_pandas()
    if peer.day == pl.Date():
        made["day"] = frame["day"].to_list()  # pandas has no dates of its own, and would make them timestamps
    return made


def _place(peer: Peer, root: Path, days: int) -> Path:
    word = "".join(each if each.isalnum() else "-" for each in peer.name)
    return root / f"{word}-{'daily' if days else 'whole'}"


def _prefix(place: Path) -> str:
    return "/".join(place.parts[-2:])


def _size(peer: Peer, place: Path) -> Facts:
    """What lies there; on S3 as objects in the server's folder, which is a file each."""
    root = place.parents[1] / "s3" / "objects" / BUCKET / _prefix(place) if peer.on_s3 else place
    found = [each for each in root.rglob("*") if each.is_file()]
    return {"MB": round(sum(each.stat().st_size for each in found) / 1e6), "files": len(found)}


def _clear(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    shutil.rmtree(place.parents[1] / "s3" / "objects" / BUCKET / _prefix(place), ignore_errors=True)


def _python(peer: Peer) -> Path:
    """The interpreter of the peer's environment, whether it is there yet or not; other pins are another place."""
    if not peer.environment:
        return Path(sys.executable)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "dagster-asset-platform" / "peers"
    digest = hashlib.sha256(_pins(peer).read_bytes()).hexdigest()[:12]
    return cache / f"{peer.environment}-{digest}" / "bin" / "python"


def _make_environment(peer: Peer) -> None:
    """Returns when the environment is there, whole."""
    python = _python(peer)
    place = python.parents[1]
    if not peer.environment or (place / "ready").exists():
        return
    print(f"Making the environment {peer.environment} in {place}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(_pins(peer))]
    subprocess.run(install, check=True)
    (place / "ready").touch()


def _pins(peer: Peer) -> Path:
    return PINS / f"{peer.environment}.txt"


def _skipped(peer: Peer) -> str:
    there = os.environ.get("VERSITYGW") or shutil.which("versitygw")
    return "no versitygw on PATH or in VERSITYGW" if peer.on_s3 and not there else ""


def cases() -> list[Case]:
    """Each manager in each table; ratios are to what is ours in Delta."""
    found = []
    for peer in PEERS:
        where, skip = _python(peer), _skipped(peer)
        for table, steps in (
            ("stored whole", store(peer)),
            ("loaded whole", load(peer)),
            (f"one day of {DAYS}, two columns", load(peer, DAY)),
            (f"{DAYS} days, a run each", store_days(peer)),
            ("a step that stores no table", start(peer, small=False)),
            ("a step with a table of 100 rows", start(peer, small=True)),
        ):
            base = f"{PEERS[0].name}, {table}"
            found.append(Case(f"{peer.name}, {table}", steps, (base,), table, skip, where))
        if peer.format:
            table = f"{DAYS} days, a run each"
            name = f"{peer.name}, {DAYS} days in one run"
            found.append(Case(name, store_days(peer, at_once=True), (f"{PEERS[0].name}, {table}",), table, skip, where))
    return found


def _told(argument: str) -> Peer:
    return next(each for each in PEERS if each.name == argument)


if __name__ == "__main__":
    if sys.argv[1:2] == ["fill"]:
        fill(_told(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
    elif sys.argv[1:2] == ["step"]:
        step(_told(sys.argv[2]), Path(sys.argv[3]))
        print(len(sys.modules))
    elif sys.argv[1:2] == ["make"]:
        with _manager(_told(sys.argv[2]), Path(sys.argv[3]) / "made"):
            print(len(sys.modules))
    else:
        main(cases(), prepare=prepare, rounds=3)
