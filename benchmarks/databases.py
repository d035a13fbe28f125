"""Tables of PostgreSQL taken in, compared and kept equal: what databases as sources cost, beside peers.

`python benchmarks/databases.py load|sweep|changes|topic` starts PostgreSQL by itself; `changes` needs DEBEZIUM_JARS.
Each case is a process of its own. Seconds are of its processors, and in brackets of the server's; wall time stands
beside them. PEERS_PYTHON names an interpreter with `adbc-driver-postgresql`, `deltalake`, `pyarrow` and
`dlt[deltalake,postgres,sql-database]`, which have no place among the platform's packages; without it they are left out.
"""

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))
sys.dont_write_bytecode = True

COLUMNS = "id bigint primary key, amount numeric(12, 2), at timestamptz, note text, paid boolean"
ROWS = (
    "select g, (g % 100000) * 0.25, timestamptz '2024-01-01' + g % 100 * interval '20 hours', 'note ' || g, g % 3 = 0 "
    "from generate_series({first}, {last}) g"
)


def load(rows: int = 1_000_000) -> None:
    """Take a table into Delta: ours with rules, merge and receipt; peers as they come."""
    with postgres() as (url, folder):
        run_sql(url, f"create table orders ({COLUMNS})", f"insert into orders {ROWS.format(first=1, last=rows)}")
        run_sql(url, "vacuum analyze orders")
        peers = os.environ.get("PEERS_PYTHON", "")
        cases = {"ours": sys.executable}
        if peers:
            cases |= dict.fromkeys(["adbc_read", "adbc_delta", "dlt"], peers)
        for name, python in cases.items():
            show(f"load, {name}", rows, measured([python, __file__, "--case", name, url], folder))


def sweep(keys: int = 10_000_000) -> None:
    """Compare a table with its database by key buckets, and sweep a thousand rows away that are gone there."""
    with postgres() as (url, folder), tempfile.TemporaryDirectory() as state:
        run_sql(url, f"create table orders ({COLUMNS})", f"insert into orders {ROWS.format(first=1, last=1)}")
        run_sql(url, f"insert into orders {ROWS.format(first=2, last=keys)}") if keys > 1 else None
        run_sql(url, "delete from orders where id % 10000 = 7", "vacuum analyze orders")
        words = [sys.executable, __file__, "--case", "fill", url, state, str(keys)]
        subprocess.run(words, check=True)
        show("sweep", keys, measured([sys.executable, __file__, "--case", "sweep", url, state], folder))


def changes(count: int = 200_000, samples: int = 40) -> None:
    """Keep a table equal to PostgreSQL's by Debezium's engine: changes a second, and the lag of one."""
    jars = os.environ["DEBEZIUM_JARS"]
    with postgres(replicates=True) as (url, folder), tempfile.TemporaryDirectory() as state:
        port = parse_qs(urlsplit(url).query)["port"][0]
        live = f"postgresql://lake:none@127.0.0.1:{port}/postgres"
        run_sql(url, "create table accounts (id int primary key, owner text, balance numeric(12, 2), at timestamptz)",
                "insert into accounts values (0, 'first', 1, now())")  # fmt: skip
        paths = [f"{jars}/python", str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PLATFORM_STATE": state, "PLATFORM_DATABASE_LIVE": live, "DAGSTER_HOME": state,
                       "PLATFORM_DEBEZIUM": jars, "PYTHONPATH": os.pathsep.join(paths)}  # fmt: skip
        program = [sys.executable, "-m", "platform_assets.entrypoints.cli", "--package", "tests.ledger", "stream"]
        words = [*program, "run", "bank/postgresql_accounts", "--no-report"]
        measured([*words, "--once"], folder, environment)
        for first in range(1, count // 2, 1000):
            run_sql(url, f"insert into accounts select g, 'new', 1, now() from generate_series({first}, "
                    f"{first + 999}) g", f"update accounts set balance = 2 where id between {first} and "
                    f"{first + 999}")  # fmt: skip
        show("changes, start included", count, measured([*words, "--once"], folder, environment))
        show("changes, the start alone", 1, measured([*words, "--once"], folder, environment))
        with subprocess.Popen([*words, "--every", "0.05"], env=environment, stdout=subprocess.DEVNULL) as worker:
            lags = [lag_of(url, state, 10_000_000 + number) for number in range(samples + 1)][1:]
            worker.terminate()
        lags.sort()
        print(f"changes: from commit to merged row p50 {statistics.median(lags):.2f} s, "
              f"p95 {lags[int(0.95 * samples)]:.2f} s, of {samples}, load {os.getloadavg()[0]:.1f}")  # fmt: skip


def topic(count: int = 100_000) -> None:
    """Merge envelopes that lie in a topic."""
    with tempfile.TemporaryDirectory() as state:
        done = measured([sys.executable, __file__, "--case", "topic", state, str(count)], None)
        print(f"topic: {count:,} envelopes, of which the worker {done['facts']}")


def lag_of(url: str, state: str, number: int) -> float:
    """Commit a row, and return the seconds until the table has it."""
    from deltalake import DeltaTable

    (log,) = list(Path(state).glob("lake/**/postgresql_accounts/v1/_delta_log"))
    table = DeltaTable(log.parent)
    run_sql(url, f"insert into accounts values ({number}, 'mark', 1, now())")
    began = time.perf_counter()
    while time.perf_counter() - began < 120:
        table.update_incremental()
        found = table.to_pyarrow_dataset().to_table(columns=["id"], filter=is_number(number))
        if found.num_rows:
            return time.perf_counter() - began
        time.sleep(0.02)
    raise SystemExit("the row did not come in two minutes")


def is_number(number: int):
    """Write the filter of one row."""
    import pyarrow.dataset as ds

    return ds.field("id") == number


@contextmanager
def postgres(*, replicates: bool = False) -> Iterator[tuple[str, Path]]:
    """Yields a server's URL and its folder."""
    from tests.servers import postgres_server

    with postgres_server(replicates=replicates) as url:
        yield url, Path(parse_qs(urlsplit(url).query)["host"][0])


def run_sql(url: str, *statements: str) -> None:
    """Run statements, each in a transaction of its own."""
    import psycopg2

    with closing(psycopg2.connect(url.replace("+psycopg2", ""))) as connection:
        connection.autocommit = True
        for statement in statements:
            connection.cursor().execute(statement)


def measured(words: list[str], server: Path | None, environment: dict[str, str] | None = None) -> dict[str, object]:
    """Run a command; return its seconds, the server's, and what it printed last."""
    before, server_before, began = resource.getrusage(resource.RUSAGE_CHILDREN), server_seconds(server), time.time()
    done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    wall, after = time.time() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    facts = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""
    return {"cpu": cpu, "wall": wall, "server": server_seconds(server) - server_before, "facts": facts}


def server_seconds(folder: Path | None) -> float:
    """Return what the server's processes that ended have used of the processors."""
    if folder is None:
        return 0.0
    process = (folder / "data" / "postmaster.pid").read_text().split()[0]
    ticks = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:15]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def show(name: str, count: int, done: dict[str, object]) -> None:
    """Print one line."""
    print(f"{name}: {done['cpu']:.1f} CPU s (server {done['server']:.1f}), {done['wall']:.1f} s, "
          f"{count / done['cpu']:,.0f} a CPU second; {done['facts']}; load {os.getloadavg()[0]:.1f}",
          flush=True)  # fmt: skip


def timed(began: tuple[float, float, int], **facts: object) -> None:
    """Print what the work itself took, without what was imported before, and the peak of memory."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    cpu, wall = time.process_time() - began[0], time.perf_counter() - began[1]
    done = {"work_cpu_s": round(cpu, 2), "work_wall_s": round(wall, 2), "peak_mb": peak, "begun_at_mb": began[2]}
    print(json.dumps({**facts, **done}))


def now() -> tuple[float, float, int]:
    """Return the clocks, and the peak of memory so far."""
    return time.process_time(), time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def case_ours(url: str) -> None:
    """One load of the dataset shop/orders, as a run of Dagster makes it."""
    with tempfile.TemporaryDirectory() as state:
        load_orders(url, state)


def load_orders(url: str, state: str) -> None:
    """Load shop/orders without Dagster."""
    import uuid
    from datetime import UTC, datetime

    from platform_assets.composition import build_location
    from platform_assets.ingest import ingest, table_spec
    from platform_assets.ingest.ingest import Run, large_bytes
    from platform_assets.ingest.inputs import adapter_for, take_inputs
    from platform_resources.settings import Settings

    settings = Settings.from_environment({"PLATFORM_STATE": state, "PLATFORM_DATABASE_SHOP": url,
                                          **{name: value for name, value in os.environ.items()
                                             if name == "PLATFORM_MEMORY_BYTES"}})  # fmt: skip
    location = build_location("tests.stored", settings)
    dataset = location.catalog["shop/orders"]
    began = now()

    def read(store):
        adapter, large = adapter_for(dataset, settings, store=store), large_bytes(location.lake, dataset)
        return take_inputs(adapter, store, again=False, names=[], partitions=None, large_bytes=large)

    run = Run(run_id=uuid.uuid4().hex, at=datetime.now(UTC))
    done = ingest.ingest(location.lake, dataset, read, {}, run=run, admits=lambda _: True)
    receipts = [receipt.words for part in done for receipt in part.receipts]
    import polars as pl

    timed(began, rows=location.lake.scan(table_spec(dataset)).select(pl.len()).collect().item(), receipt=receipts)


def case_adbc_read(url: str) -> None:
    """Read all rows as Arrow."""
    import adbc_driver_postgresql.dbapi as adbc

    began = now()
    with adbc.connect(url.replace("+psycopg2", "")) as connection, connection.cursor() as cursor:
        cursor.execute("select * from orders")
        timed(began, rows=sum(batch.num_rows for batch in cursor.fetch_record_batch()))


def case_adbc_delta(url: str) -> None:
    """Read all rows as Arrow and write them into a Delta table."""
    import adbc_driver_postgresql.dbapi as adbc
    import deltalake

    began = now()
    with tempfile.TemporaryDirectory() as folder, adbc.connect(url.replace("+psycopg2", "")) as connection:
        with connection.cursor() as cursor:
            cursor.execute("select id, amount::float8, at, note, paid from orders")
            deltalake.write_deltalake(folder, cursor.fetch_record_batch())
        timed(began, rows=deltalake.DeltaTable(folder).to_pyarrow_dataset().count_rows())


def case_dlt(url: str) -> None:
    """Merge the table into Delta by dlt's SQL source with Arrow, its fastest that has types."""
    folder = tempfile.mkdtemp()
    os.environ |= {"DLT_DATA_DIR": folder, "RUNTIME__DLTHUB_TELEMETRY": "false"}
    import dlt
    from dlt.sources.sql_database import sql_table

    began = now()
    try:
        orders = sql_table(url, "orders", backend="pyarrow", chunk_size=100_000,
                           incremental=dlt.sources.incremental("at"))  # fmt: skip
        orders.apply_hints(table_format="delta", write_disposition={"disposition": "merge", "strategy": "upsert"},
                           primary_key="id")  # fmt: skip
        destination = dlt.destinations.filesystem(f"file://{folder}/lake")
        pipeline = dlt.pipeline("bench", destination=destination, dataset_name="shop", pipelines_dir=folder)
        pipeline.run(orders)
        timed(began, rows=pipeline.last_trace.last_normalize_info.row_counts.get("orders"))
    finally:
        shutil.rmtree(folder)


def case_fill(url: str, state: str, keys: str) -> None:
    """Load one row, and put the rest into the table behind the platform's back, as if it had loaded them."""
    import polars as pl
    from deltalake import DeltaTable, write_deltalake

    from tests.servers import no_postgres

    assert not no_postgres()
    run_sql(url, "alter table orders rename to hidden", "create table orders as select * from hidden where id = 1")
    load_orders(url, state)
    run_sql(url, "drop table orders", "alter table hidden rename to orders")
    (log,) = list(Path(state).glob("lake/**/orders/v1/_delta_log"))
    one = pl.read_delta(str(log.parent))
    for first in range(2, int(keys) + 1, 1_000_000):
        number = pl.int_range(first, min(first + 1_000_000, int(keys) + 1), eager=True)
        start = pl.datetime(2024, 1, 1, time_zone="UTC", time_unit="us")
        rows = pl.select(
            id=number,
            amount=(number % 100000 * 0.25).cast(pl.Decimal(12, 2)),
            at=start + pl.duration(hours=number % 100 * 20),
            note="note " + number.cast(pl.String),
            paid=number % 3 == 0,
        )
        others = [pl.lit(one[name][0], dtype).alias(name) for name, dtype in one.schema.items() if name not in rows]
        month = pl.col("at").dt.strftime("%Y-%m")
        partitions = DeltaTable(log.parent).metadata().partition_columns
        rows = rows.with_columns(others).with_columns(month.alias(name) for name in partitions)
        whole = rows.select(pl.col(name).cast(dtype) for name, dtype in one.schema.items())
        write_deltalake(log.parent, whole.to_arrow(), mode="append")


def case_sweep(url: str, state: str) -> None:
    """Compare and sweep."""
    from platform_assets.composition import build_location
    from platform_assets.operations.reconcile import reconcile
    from platform_resources.settings import Settings

    settings = Settings.from_environment({"PLATFORM_STATE": state, "PLATFORM_DATABASE_SHOP": url})
    location = build_location("tests.stored", settings)
    began = now()
    done = reconcile(location, "shop/orders", sweep=True)
    timed(began, rows=done.source_rows, gone=done.gone, swept=done.swept, missing=done.missing,
          differing=done.differing)  # fmt: skip


def case_topic(state: str, count: str) -> None:
    """Merge envelopes of a topic by a worker."""
    from tests.assets.streams.test_changes import Kept
    from tests.world import world

    with world(Path(state), "tests.ledger") as made:
        kept, messages = Kept(made, "bank/accounts"), []
        for number in range(int(count)):
            row = {"id": number // 2 + 1, "owner": "Ada", "balance": "1.50", "at": 1709283600000000}
            source = {"connector": "postgresql", "table": "accounts", "lsn": number, "ts_ms": number}
            envelope = {"before": None, "after": row, "source": source, "op": "u" if number % 2 else "c", "ts_ms": 1}
            messages.append((json.dumps({"id": row["id"]}).encode(), json.dumps(envelope).encode()))
        kept.send(messages)
        began = now()
        kept.take_in(20_000)
        timed(began, rows=len(kept.rows()))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        globals()[f"case_{sys.argv[2]}"](*sys.argv[3:])
    else:
        for name in sys.argv[1:] or ("load", "sweep", "changes", "topic"):
            {"load": load, "sweep": sweep, "changes": changes, "topic": topic}[name]()
