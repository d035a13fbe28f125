"""Records pushed over HTTP, tables discovered, PostgreSQL read: what sources cost on this machine.

`python benchmarks/doors.py push|discover|postgresql`. Push goes through a real uvicorn and the embedded log, which
syncs to the disk before each answer. PostgreSQL is read as the source reads it (texts in frames), beside psycopg2's own
COPY to a file, which types nothing.
"""

import io
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))


def push(records: int = 100_000, at_once: int = 1_000, single: int = 300) -> None:
    """Push records in batches, then one by one."""
    import requests

    program = Path(sys.executable).with_name("platform")
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PLATFORM_STATE": folder}
        words = [program, "push", "grant", "bench", "*"]
        token = subprocess.run(words, env=environment, check=True, capture_output=True, text=True).stdout.strip()
        words = [program, "serve", "push", "--port", "0"]
        with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            url = server.stdout.readline().strip() + "commerce/clicks"
            session = requests.Session()
            session.headers["Authorization"] = f"Bearer {token}"
            click = {"visitor": "v001", "page": "home", "duration_ms": 5, "at": "2024-03-01T09:00:00Z"}
            bodies = [
                json.dumps([{**click, "click_id": f"{number:016x}"} for number in range(start, start + at_once)])
                for start in range(0, records, at_once)
            ]
            session.post(url, data=bodies[0], headers={"Content-Type": "application/json"})
            began = time.perf_counter()
            for body in bodies:
                answer = session.post(url, data=body, headers={"Content-Type": "application/json"})
                assert answer.json()["accepted"] == at_once
            seconds = time.perf_counter() - began
            waits, cpu_before = [], cpu_seconds(server.pid)
            for number in range(single):
                began = time.perf_counter()
                session.post(url, json={**click, "click_id": f"{number:016x}"})
                waits.append((time.perf_counter() - began) * 1000)
            cpu = (cpu_seconds(server.pid) - cpu_before) / single * 1000
            server.terminate()
    waits.sort()
    print(f"push: {records / seconds:,.0f} records/s in batches of {at_once:,}; one record: "
          f"p50 {statistics.median(waits):.1f} ms, p99 {waits[int(single * 0.99)]:.1f} ms, "
          f"{cpu:.1f} ms of processor")  # fmt: skip


def cpu_seconds(process: int) -> float:
    """Return what a process has used of the processors; on Linux alone."""
    ticks = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def discover(tables: int = 500, rows: int = 200) -> None:
    """Discover the tables of a SQLite database."""
    from platform_assets.operations.discovered_tables import discover_tables
    from platform_resources.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.from_environment({"PLATFORM_STATE": folder})
        file = settings.database_file("many")
        file.parent.mkdir(parents=True)
        with closing(sqlite3.connect(file)) as connection:
            for number in range(tables):
                connection.execute(
                    f"create table t{number} (id integer primary key, name text, price real, updated_at text)"
                )
                values = [(row, f"n{row % 7}", row / 4, f"2024-03-01 09:{row % 60:02}:00") for row in range(rows)]
                connection.executemany(f"insert into t{number} values (?, ?, ?, ?)", values)
            connection.commit()
        began = time.perf_counter()
        count = sum(1 for _ in discover_tables("many", settings, domain="many", owner="team:t", sample_rows=5000))
        print(f"discover: {count} tables of {rows} rows in {time.perf_counter() - began:.1f} s")


def postgresql(rows: int = 1_000_000) -> None:
    """Read a table of PostgreSQL as the source does, and by COPY."""
    import psycopg2

    from platform_resources.settings import Settings
    from platform_resources.sources.engines import Query, open_engine
    from tests.servers import postgres_server

    with postgres_server() as url, closing(psycopg2.connect(url.replace("+psycopg2", ""))) as connection:
        cursor = connection.cursor()
        cursor.execute(
            "create table big as select g as id, g * 1.5 as price, 'name ' || g as name, now() as at "
            f"from generate_series(1, {rows}) g"
        )
        connection.commit()
        settings = Settings(state="", lake="", landing="", databases={"big": url})
        engine, query = open_engine("big", settings), Query(table="big", sql=None, cursor=None)
        began = time.perf_counter()
        read = sum(frame.height for frame in engine.rows(query, since=None, columns=None, batch_bytes=1 << 26))
        ours = time.perf_counter() - began
        began = time.perf_counter()
        cursor.copy_expert("copy big to stdout (format csv)", io.StringIO())
        copy = time.perf_counter() - began
        began = time.perf_counter()
        cursor.execute("select * from big")
        while cursor.fetchmany(50_000):
            pass
        plain = time.perf_counter() - began
        print(f"postgresql: {read / ours:,.0f} rows/s as frames; COPY to text {rows / copy:,.0f}; "
              f"psycopg2 fetchmany {rows / plain:,.0f}")  # fmt: skip


if __name__ == "__main__":
    for name in sys.argv[1:] or ("push", "discover", "postgresql"):
        {"push": push, "discover": discover, "postgresql": postgresql}[name]()
