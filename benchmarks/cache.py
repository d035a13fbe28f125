"""A warm read of a table on S3: by our cache, by hand, by what people use instead.

The table is TPC-H lineitem, all 6.0 M rows of it, and a day of 16,000 rows. `pip install '.[bench]'` brings
tpchgen-cli, which makes it. By hand is done as well as it can be: one HEAD, and one record batch of uncompressed Arrow
in a mapped file, laid so that Polars copies nothing. The server is versitygw where the machine has it, else moto, on
this machine, so S3 costs no distance: what a network adds is on the side of those who download. The peers' environment
is made on demand in the user's cache folder, from cache-peers.txt.
"""

import hashlib
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
PINNED = Path(__file__).with_name("cache-peers.txt")
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing-secret", "AWS_REGION": "us-east-1"}


def prepare(folder: Path) -> None:
    """Makes the table and starts the server that all cases share; it ends with this process."""
    import atexit
    import contextlib

    from tests.servers import real_s3_server, s3_server, versitygw

    binary = Path(sys.executable).with_name("tpchgen-cli")
    command = [str(binary) if binary.exists() else "tpchgen-cli", "parquet", "-s", "1", "--tables", "lineitem", "-o"]
    subprocess.run([*command, str(folder)], check=True, stdout=subprocess.DEVNULL)
    stack = contextlib.ExitStack()
    server = stack.enter_context(real_s3_server(folder / "server") if versitygw() else s3_server())
    atexit.register(stack.close)
    os.environ.update(KEYS)
    os.environ["BENCH_ENDPOINT"], os.environ["BENCH_PEERS"] = server.endpoint, _peers()
    for size in SIZES:
        _publish(folder, size)


def _peers() -> str:
    """The python of the peers' environment, which is made where there is none with these pins."""
    digest = hashlib.sha256(PINNED.read_bytes()).hexdigest()[:12]
    cached = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    place = cached / "dagster-asset-platform" / f"cache-peers-{digest}"
    if not (place / "made").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
        subprocess.run([str(place / "bin/pip"), "install", "-q", "-r", str(PINNED)], check=True)
        (place / "made").touch()
    return str(place / "bin/python")


def _publish(folder: Path, size: str) -> None:
    """Puts the rows into the lake, and beside it as the files that the others read."""
    import polars as pl

    frame = pl.read_parquet(folder / "lineitem.parquet").head(SIZES[size])
    for kind in ("delta", "parquet", "iceberg"):
        _lake(folder, cache="off").write(_spec(size, kind), frame)
        _lake(folder, cache=str(folder / f"cache-{size}")).read(_spec(size, kind))
    _write_aligned(frame.rechunk(), folder / f"{size}.arrow")
    frame.write_ipc(folder / f"{size}-plain.arrow", compression="uncompressed")
    frame.write_parquet(folder / f"{size}.parquet")
    store = _store()
    store.put(f"{size}.parquet", folder / f"{size}.parquet")
    (folder / f"{size}.pickle").write_bytes(pickle.dumps(frame.to_pandas(), protocol=5))
    store.put(f"{size}.pickle", folder / f"{size}.pickle")
    _disk_lake(folder).write(_spec(size), frame)


def _write_aligned(frame: object, path: Path) -> None:
    """One record batch behind as many bytes as bring its buffers to multiples of 64, from where Polars takes them."""
    import pyarrow as pa

    for ahead in range(0, 64, 8):
        with path.open("wb") as file:
            file.write(bytes(ahead))
            frame.write_ipc(file, compression="uncompressed", record_batch_size=frame.height)
        mapped = pa.ipc.open_file(pa.BufferReader(pa.memory_map(str(path)).read_buffer().slice(ahead)))
        buffers = [
            each
            for column in mapped.get_batch(0).columns
            for each in column.buffers()
            if each is not None and each.size
        ]
        if all(each.address % 64 == 0 for each in buffers):
            path.with_suffix(".ahead").write_text(str(ahead))
            return
    raise AssertionError("no place is right for all buffers")


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


def _spec(size: str, kind: str = "delta") -> object:
    from platform_resources.storage import TableSpec

    return TableSpec(path=f"tpch/{size}-{kind}/v1", format=kind)


def _store() -> object:
    import obstore.store

    return obstore.store.S3Store(
        "lake",
        config={"aws_endpoint_url": os.environ["BENCH_ENDPOINT"], "aws_region": "us-east-1", "aws_allow_http": "true",
                "aws_virtual_hosted_style_request": "false", "aws_access_key_id": KEYS["AWS_ACCESS_KEY_ID"],
                "aws_secret_access_key": KEYS["AWS_SECRET_ACCESS_KEY"]},
    )  # fmt: skip


def _each(work: Callable[[], object], times: int, before: Callable[[], object] = int) -> Facts:
    """The median of some reads after a first one that is not counted: imports, connections, page cache.

    The clock stops when the rows are there: neither what is thrown away before a read, nor its rows after it.
    """
    work()
    taken = []
    for _ in range(times):
        before()
        started = time.perf_counter()
        rows = work()
        taken.append(time.perf_counter() - started)
        del rows
    return {"ms": round(statistics.median(taken) * 1e3, 3), "least": round(min(taken) * 1e3, 3)}


def ours(folder: Path, size: str, times: int, kind: str = "delta") -> Iterator[Facts | None]:
    """Nothing open, the folder alone is warm: rows as an asset gets them that asks for a frame."""
    lake, spec = _lake(folder, cache=str(folder / f"cache-{size}")), _spec(size, kind)
    yield None
    yield _each(lambda: lake.read(spec), times, lake.cache.memory.clear)


def ours_open(folder: Path, size: str, times: int, kind: str = "delta") -> Iterator[Facts | None]:
    """The same process read it before; S3 is asked whether it is still so."""
    lake, spec = _lake(folder, cache=str(folder / f"cache-{size}")), _spec(size, kind)
    yield None
    yield _each(lambda: lake.read(spec), times)


def ours_lazy(folder: Path, size: str, times: int) -> Iterator[Facts | None]:
    """A lazy frame of all rows, and Polars' engine to collect it; nothing open."""
    lake, spec = _lake(folder, cache=str(folder / f"cache-{size}")), _spec(size)
    yield None
    yield _each(lambda: lake.scan(spec).collect(), times, lake.cache.memory.clear)


def ours_column(folder: Path, size: str, times: int) -> Iterator[Facts | None]:
    """The sum of one column by the engine: what a query touches; nothing open."""
    lake, spec = _lake(folder, cache=str(folder / f"cache-{size}")), _spec(size)
    yield None
    yield _each(lambda: lake.scan(spec).select("l_orderkey").sum().collect(), times, lake.cache.memory.clear)


_NEW = """
import sys, time
started = time.perf_counter()
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import cache
folder, size = Path(sys.argv[2]), sys.argv[3]
if sys.argv[4] == "hand":
    import obstore.store, polars, pyarrow.ipc
    imported = time.perf_counter()
    rows = cache._by_hand(folder, size)()
else:
    from platform_resources.storage import Lake
    imported = time.perf_counter()
    rows = cache._lake(folder, cache=str(folder / f"cache-{size}")).read(cache._spec(size))
print((imported - started) * 1e3, (time.perf_counter() - imported) * 1e3)
"""


def new_process(folder: Path, size: str, times: int, who: str) -> Iterator[Facts | None]:
    """What a process pays once: the modules, and with its first read the client, its connection and what is late."""
    yield None
    command = [sys.executable, "-c", _NEW, str(Path(__file__).parent), str(folder), size, who]
    found = []
    for _ in range(times):
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found.append([float(each) for each in done.stdout.split()])
    imports, first = (round(statistics.median(each)) for each in zip(*found, strict=True))
    yield {"ms": first, "imports": imports}


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
    read = _by_hand(folder, size)
    yield None
    yield _each(read, times)


def by_hand_plain(folder: Path, size: str, times: int) -> Iterator[Facts | None]:
    """The same as most would write it: the file as Polars writes it, opened by Arrow and left there."""
    import pyarrow as pa

    store, path = _store(), str(folder / f"{size}-plain.arrow")

    def read() -> object:
        store.head(f"{size}.parquet")
        return pa.ipc.open_file(pa.memory_map(path)).read_all()

    yield None
    yield _each(read, times)


def by_hand_column(folder: Path, size: str, times: int) -> Iterator[Facts | None]:
    """The same, and the sum of a column."""
    read = _by_hand(folder, size)
    yield None
    yield _each(lambda: read().select("l_orderkey").sum(), times)


def _by_hand(folder: Path, size: str) -> Callable[[], object]:
    import polars as pl
    import pyarrow as pa

    store, ahead = _store(), int((folder / f"{size}.ahead").read_text())

    def read() -> object:
        store.head(f"{size}.parquet")
        whole = pa.memory_map(str(folder / f"{size}.arrow")).read_buffer()
        return pl.from_arrow(pa.ipc.open_file(pa.BufferReader(whole.slice(ahead))).read_all())

    return read


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
    command = [os.environ["BENCH_PEERS"], "-W", "ignore", "-c", _PEER, str(folder), size, str(times), what]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    yield {"ms": round(float(done.stdout.split()[-1]), 3)}


def cases() -> list[Case]:
    """All of them for both sizes; `ms` is one read, the columns of the table are the whole case."""
    found = []
    for size, rows in SIZES.items():
        table, times = f"Warm read, {rows:,} rows", 30

        def case(
            name: str, steps: object, *extra: str, times: int = times, size: str = size, table: str = table
        ) -> Case:
            return Case(f"{size}: {name}", lambda folder: steps(folder, size, times, *extra), (), table)

        found += [
            case("by hand: HEAD and mapped Arrow", by_hand),
            case("by hand, plain, left in Arrow", by_hand_plain),
            case("by hand, sum of one column", by_hand_column),
            case("ours, folder warm", ours),
            case("ours, Parquet, folder warm", ours, "parquet"),
            case("ours, Iceberg, folder warm", ours, "iceberg"),
            case("ours, open in this process", ours_open),
            case("ours, folder warm, lazy and collected", ours_lazy),
            case("ours, folder warm, sum of one column", ours_column),
            case("by hand in a new process", new_process, "hand", times=5),
            case("ours in a new process", new_process, "ours", times=5),
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
