"""A warm read of a table on S3: by our cache, by hand, by what people use instead.

The table is TPC-H lineitem (`--rows` of it; all 6 M by default), and a day of 16,000 rows. `pip install '.[bench]'`
brings tpchgen-cli, which makes it. The server is moto on this machine, so S3 costs no distance: what a network adds is
on the side of those who download. Peers run in another environment where PLATFORM_BENCH_PEERS names its python (with
polars, pandas, boto3, s3fs, diskcache), else they are skipped.
"""

import os
import pickle
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from harness import REPOSITORY, Case, Facts, main

sys.path.insert(0, str(REPOSITORY))

DAY, ALL = 16_000, 6_001_215
SIZES = {"day": DAY, "table": ALL}
PEERS = os.environ.get("PLATFORM_BENCH_PEERS", "")
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing-secret", "AWS_REGION": "us-east-1"}


def prepare(folder: Path) -> None:
    """Makes the table and starts the server that all cases share; it ends with this process."""
    import atexit
    import contextlib

    from tests.servers import s3_server

    binary = Path(sys.executable).with_name("tpchgen-cli")
    command = [str(binary) if binary.exists() else "tpchgen-cli", "parquet", "-s", "1", "--tables", "lineitem", "-o"]
    subprocess.run([*command, str(folder)], check=True, stdout=subprocess.DEVNULL)
    stack = contextlib.ExitStack()
    server = stack.enter_context(s3_server())
    atexit.register(stack.close)
    os.environ.update(KEYS)
    os.environ["BENCH_ENDPOINT"] = server.endpoint
    for size in SIZES:
        _publish(folder, size)


def _publish(folder: Path, size: str) -> None:
    """Puts the rows into the lake, and beside it as the files that the others read."""
    import polars as pl

    frame = pl.read_parquet(folder / "lineitem.parquet").head(SIZES[size])
    _lake(folder, cache="off").write(_spec(size), frame)
    frame.rechunk().write_ipc(folder / f"{size}.arrow", compression="uncompressed")
    frame.write_parquet(folder / f"{size}.parquet")
    store = _store()
    store.put(f"{size}.parquet", folder / f"{size}.parquet")
    (folder / f"{size}.pickle").write_bytes(pickle.dumps(frame.to_pandas(), protocol=5))
    store.put(f"{size}.pickle", folder / f"{size}.pickle")
    _disk_lake(folder).write(_spec(size), frame)
    for each in (f"cache-{size}", "cache-memory"):
        _lake(folder, cache=str(folder / each)).scan(_spec(size)).collect()


def _settings(folder: Path, **more: str) -> object:
    from platform_resources.settings import Settings

    places = {"PLATFORM_LAKE": "s3://lake/lake", "PLATFORM_STATE": str(folder / "state")}
    return Settings.from_environment(KEYS | {"PLATFORM_S3_ENDPOINT": os.environ["BENCH_ENDPOINT"]} | places | more)


def _lake(folder: Path, *, cache: str) -> object:
    from platform_resources.storage import Lake

    return Lake(_settings(folder, PLATFORM_CACHE=cache))


def _disk_lake(folder: Path) -> object:
    from platform_resources.storage import Lake

    return Lake(_settings(folder, PLATFORM_LAKE=str(folder / "disk-lake")))


def _spec(size: str) -> object:
    from platform_resources.storage import TableSpec

    return TableSpec(path=f"tpch/{size}/v1")


def _store() -> object:
    import obstore.store

    return obstore.store.S3Store(
        "lake",
        config={"aws_endpoint_url": os.environ["BENCH_ENDPOINT"], "aws_region": "us-east-1", "aws_allow_http": "true",
                "aws_virtual_hosted_style_request": "false", "aws_access_key_id": KEYS["AWS_ACCESS_KEY_ID"],
                "aws_secret_access_key": KEYS["AWS_SECRET_ACCESS_KEY"]},
    )  # fmt: skip


def _each(work: Callable[[], object], times: int) -> Facts:
    """The median of some reads after a first one that is not counted: imports, connections, page cache."""
    work()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return {"ms": round(statistics.median(taken) * 1e3, 3)}


def ours(folder: Path, size: str, times: int) -> Iterator[Facts | None]:
    """Nothing open: the folder alone is warm."""
    lake, spec = _lake(folder, cache=str(folder / f"cache-{size}")), _spec(size)

    def read() -> object:
        lake.cache.memory.clear()
        return lake.scan(spec).collect()

    yield None
    yield _each(read, times)


def ours_open(folder: Path, size: str, times: int) -> Iterator[Facts | None]:
    """The same process read it before; S3 is asked whether it is still so."""
    lake, spec = _lake(folder, cache=str(folder / f"cache-{size}")), _spec(size)
    yield None
    yield _each(lambda: lake.scan(spec).collect(), times)


def ours_column(folder: Path, size: str, times: int) -> Iterator[Facts | None]:
    """One column of a folder that is warm: what a query touches."""
    lake, spec = _lake(folder, cache=str(folder / f"cache-{size}")), _spec(size)

    def read() -> object:
        lake.cache.memory.clear()
        return lake.scan(spec).select("l_orderkey").sum().collect()

    yield None
    yield _each(read, times)


def tier(folder: Path, size: str, times: int) -> Iterator[Facts | None]:
    """The memory tier by itself."""
    lake, spec = _lake(folder, cache=str(folder / f"cache-{size}")), _spec(size)
    lake.scan(spec).collect()
    cache = lake.cache
    (file,) = cache.recall(lake.location(spec)).files.iter_rows(named=True) if size == "day" else [None]
    schema = cache.recall(lake.location(spec)).stored
    files = cache.recall(lake.location(spec)).files.rows() if file is None else [tuple(file.values())]
    from platform_resources.storage.caches.snapshot import key_of

    keys = [key_of(*each[:3]) for each in files]
    yield None
    yield _each(lambda: [cache.frame(key, schema) for key in keys], times)


def by_hand(folder: Path, size: str, times: int) -> Iterator[Facts | None]:
    """HEAD, and the file is mapped: no listing, no version, one file that never changes."""
    import polars as pl
    import pyarrow as pa

    store = _store()

    def read() -> object:
        store.head(f"{size}.parquet")
        return pl.from_arrow(pa.ipc.open_file(pa.memory_map(str(folder / f"{size}.arrow"))).read_all())

    yield None
    yield _each(read, times)


def polars_from_s3(folder: Path, size: str, times: int) -> Iterator[Facts | None]:
    """The same table without a cache."""
    lake, spec = _lake(folder, cache="off"), _spec(size)
    yield None
    yield _each(lambda: lake.scan(spec).collect(), times)


def cold(folder: Path, size: str, times: int) -> Iterator[Facts | None]:
    """The first read: from S3, and into the folder."""
    spec, place = _spec(size), folder / f"cold-{os.getpid()}"

    def read() -> object:
        shutil.rmtree(place, ignore_errors=True)
        return _lake(folder, cache=str(place)).scan(spec).collect()

    yield None
    yield _each(read, times)
    shutil.rmtree(place)


def disk_lake(folder: Path, size: str, times: int) -> Iterator[Facts | None]:
    """A lake on disk, which is not cached: what a cache there could save."""
    lake, spec = _disk_lake(folder), _spec(size)
    yield None
    yield _each(lambda: lake.scan(spec).collect(), times)


def pickled(_folder: Path, size: str, times: int) -> Iterator[Facts | None]:
    """What dagster-aws's IO manager does for a pandas frame."""
    store = _store()
    yield None
    yield _each(lambda: pickle.loads(bytes(store.get(f"{size}.pickle").bytes())), times)


_PEER = """
import pickle, statistics, sys, time, os
folder, size, times, what = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
if what == "diskcache":
    import diskcache
    kept = diskcache.Cache(f"{folder}/peer-{os.getpid()}", size_limit=1 << 34)
    kept["x"] = pickle.load(open(f"{folder}/{size}.pickle", "rb"))
    read = lambda: kept["x"]
else:
    import fsspec, pandas
    s3 = dict(key=os.environ["AWS_ACCESS_KEY_ID"], secret=os.environ["AWS_SECRET_ACCESS_KEY"],
              client_kwargs={"endpoint_url": os.environ["BENCH_ENDPOINT"], "region_name": "us-east-1"})
    files = fsspec.filesystem("filecache", target_protocol="s3", target_options=s3, check_files=True,
                              cache_storage=f"{folder}/peer-{os.getpid()}")
    def read():
        with files.open(f"lake/{size}.parquet") as file:
            return pandas.read_parquet(file)
read()
taken = []
for _ in range(times):
    started = time.perf_counter(); read(); taken.append(time.perf_counter() - started)
print(statistics.median(taken) * 1e3)
"""


def peer(folder: Path, size: str, times: int, what: str) -> Iterator[Facts | None]:
    """A library of another environment."""
    yield None
    command = [PEERS, "-W", "ignore", "-c", _PEER, str(folder), size, str(times), what]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    yield {"ms": round(float(done.stdout.split()[-1]), 3)}


def cases() -> list[Case]:
    """All of them for both sizes; `ms` is one read, the columns of the table are the whole case."""
    found = []
    for size, rows in SIZES.items():
        table, times = f"Warm read, {rows:,} rows", 30 if size == "day" else 5

        def case(
            name: str, steps: object, *extra: str, times: int = times, size: str = size, table: str = table
        ) -> Case:
            skip = "set PLATFORM_BENCH_PEERS" if extra and not PEERS else ""
            return Case(f"{size}: {name}", lambda folder: steps(folder, size, times, *extra), (), table, skip)

        found += [
            case("by hand: HEAD and mapped Arrow", by_hand),
            case("ours, folder warm", ours),
            case("ours, open in this process", ours_open),
            case("ours, folder warm, sum of one column", ours_column),
            case("ours, memory tier alone", tier),
            case("ours, first read", cold, times=3),
            case("no cache: Polars from S3", polars_from_s3, times=3),
            case("no cache: table on disk", disk_lake),
            case("pickle from S3", pickled, times=3),
            case("diskcache of pandas", peer, "diskcache", times=2),
            case("fsspec filecache, Parquet to pandas", peer, "filecache", times=3),
        ]
    return found


if __name__ == "__main__":
    main(cases(), prepare=prepare, rounds=3)
