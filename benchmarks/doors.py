"""Records pushed over HTTP, tables discovered: what doors cost on this machine.

`python benchmarks/doors.py push|discover`. Push goes through a real uvicorn and the embedded log, which syncs to the
disk before each answer. Tables that are loaded, swept and captured stand in `databases.py`.
"""

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
            began, cpu_before = time.perf_counter(), cpu_seconds(server.pid)
            for body in bodies:
                answer = session.post(url, data=body, headers={"Content-Type": "application/json"})
                assert answer.json()["accepted"] == at_once
            seconds, batch_cpu = time.perf_counter() - began, cpu_seconds(server.pid) - cpu_before
            waits, cpu_before = [], cpu_seconds(server.pid)
            for number in range(single):
                began = time.perf_counter()
                session.post(url, json={**click, "click_id": f"{number:016x}"})
                waits.append((time.perf_counter() - began) * 1000)
            cpu = (cpu_seconds(server.pid) - cpu_before) / single * 1000
            server.terminate()
    waits.sort()
    print(f"push: {records / seconds:,.0f} records/s in batches of {at_once:,}, {records / batch_cpu:,.0f} a second "
          f"of processor; one record: "
          f"p50 {statistics.median(waits):.1f} ms, p99 {waits[int(single * 0.99)]:.1f} ms, "
          f"{cpu:.1f} ms of processor; load {os.getloadavg()[0]:.1f}")  # fmt: skip


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


if __name__ == "__main__":
    for name in sys.argv[1:] or ("push", "discover"):
        {"push": push, "discover": discover}[name]()
