"""Every kind of source passes the battery; the table in the docs says so."""

import random
import re
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import polars as pl
import psycopg2
import pytest

from platform_core.contracts import Files, Rest, bearer, page
from platform_resources.settings import Settings
from platform_resources.sources import SourceContext, open_source
from platform_resources.sources.battery import Trial, battery_of
from tests.api_server import api_server
from tests.servers import no_postgres, postgres_server

PASSING = {"Files", "Database on SQLite", "Database on PostgreSQL", "Rest", "Tape"}


def context(folder, memory_bytes, **settings):
    made = Settings(state=str(folder), lake="", landing=str(folder / "landing"), memory_bytes=memory_bytes, **settings)
    return SourceContext(dataset="shop/orders", version="1.0.0", settings=made, partitions=None,
                         partition_keys=lambda rows: rows.to_series(), generate=lambda *_: pl.DataFrame(),
                         quarantined=lambda _: pl.DataFrame())  # fmt: skip


def ids(rows):
    return [int(value) for value in rows["id"]]


def of_files(folder):
    landing = folder / "landing" / "shop"
    landing.mkdir(parents=True)

    def add(numbers):
        pl.DataFrame({"id": list(numbers)}).write_csv(landing / f"orders-{len([*landing.iterdir()])}.csv")

    return Trial(
        open=lambda memory: open_source("landing", Files("orders-*.csv").options, context(folder, memory)),
        add=add, ids=ids, is_incremental=False,
    )  # fmt: skip


def of_database(folder, url, connect, mark):
    with closing(connect()) as connection:
        connection.cursor().execute("drop table if exists orders")
        connection.cursor().execute("create table orders (id integer primary key, at timestamp)")
        connection.commit()

    def add(numbers):
        with closing(connect()) as connection:
            rows = [(number, f"2024-03-01 09:{number // 60 % 60:02}:{number % 60:02}") for number in numbers]
            connection.cursor().executemany(f"insert into orders values ({mark}, {mark})", rows)  # noqa: S608 - marks
            connection.commit()

    options = {"connection": "shop", "table": "orders", "query": None, "cursor": "at", "key": ("id",),
               "lag": timedelta(0), "zone": "UTC", "type_changes": "note"}  # fmt: skip
    return Trial(
        open=lambda memory: open_source("database", options, context(folder, memory, databases={"shop": url})),
        add=add, ids=ids, secret="hush",
    )  # fmt: skip


def of_sqlite(folder):
    path = folder / "shop.db"
    return of_database(folder, f"sqlite:///{path}", lambda: sqlite3.connect(path), "?")


@pytest.fixture(scope="module")
def postgres():
    if no_postgres():
        pytest.skip(no_postgres())
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="module")
def api():
    with api_server(token="Bearer hush", size=500) as server:
        yield server


class Servers:
    """Where the module's servers are, for trials that are made by a folder alone."""

    postgres = ""
    api = None


@pytest.fixture(autouse=True)
def reached(request):
    name = request.node.nodeid
    if "PostgreSQL" in name:
        Servers.postgres = request.getfixturevalue("postgres")
    if "Rest" in name:
        Servers.api = request.getfixturevalue("api")


def of_postgresql(folder):
    url = Servers.postgres
    return of_database(folder, url, lambda: psycopg2.connect(url.replace("+psycopg2", "")), "%s")


def of_rest(folder):
    api, chance = Servers.api, random.Random(1)  # noqa: S311 - a test's
    api.records, api.faults = [], []
    words = {"records": "data.items", "pages": page(), "auth": bearer("crm"), "cursor": "at", "since": "since"}

    def opened(memory):
        adapter = open_source(
            "rest", Rest(f"{api.url}/items", **words).options, context(folder, memory, secrets={"crm": "hush"})
        )
        adapter.client.pause = lambda _: None
        return adapter

    def add(numbers):
        api.records += [{"id": number, "at": f"{number:09}"} for number in numbers]

    def fail():
        api.faults = [chance.choice([503, 429, "cut", "html"]) if chance.random() < 0.2 else None for _ in range(4000)]

    return Trial(open=opened, add=add, ids=ids, fail=fail, secret="hush")


def of_tape(folder):
    """A source of one's own: the adapter of tests/tallies/tape.py."""

    def add(numbers):
        with (folder / "ticks.tape").open("a") as file:
            file.writelines(f"{number} 1\n" for number in numbers)

    return Trial(
        open=lambda memory: open_source("tests.tallies.tape", {"name": "ticks.tape"}, context(folder, memory)),
        add=add, ids=lambda rows: [int(value) for value in rows["tick"]],
    )  # fmt: skip


TestFiles = battery_of(of_files)
TestDatabaseOnSQLite = battery_of(of_sqlite)
TestDatabaseOnPostgreSQL = battery_of(of_postgresql)
TestRest = battery_of(of_rest)
TestTape = battery_of(of_tape)


def test_the_docs_say_which_sources_pass():
    page_ = (Path(__file__).parents[3] / "docs/sources.md").read_text()
    listed = set(re.findall(r"^\| ([A-Z][\w ]+) \| passes \|", page_, flags=re.MULTILINE))
    classes = {re.sub(r"(?<=[a-z])On", " on ", name.removeprefix("Test")) for name in globals() if name[:4] == "Test"}
    assert listed == classes == PASSING
