"""A table of a database: loads that begin where the last one ended, over SQLite and PostgreSQL alike."""

import sqlite3
from contextlib import closing, contextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import polars as pl
import psycopg2
import pymysql
import pytest

from platform_resources.settings import Settings
from platform_resources.sources import Cursor, SourceContext, UnreadableUnit, open_source
from platform_resources.sources.engines import DatabaseError, open_engine
from tests.servers import mariadb_server, no_mariadb, no_postgres, postgres_server

COLUMNS = "id integer, amount numeric(10, 2), at timestamp{zone}, note text, paid boolean"


class Shop:
    """A database with a table of orders, and its driver's way to write to it."""

    def __init__(self, url, connect, mark, zone=""):
        self.url, self.connect, self.mark = url, connect, mark
        self.run("drop table if exists orders")
        self.run(f"create table orders ({COLUMNS.format(zone=zone)})")

    def run(self, sql, *rows):
        with closing(self.connect()) as connection:
            cursor = connection.cursor()
            for row in rows or [()]:
                cursor.execute(sql.replace("?", self.mark), row)
            connection.commit()

    def add(self, *rows):
        self.run("insert into orders values (?, ?, ?, ?, ?)", *rows)


@pytest.fixture(scope="module")
def postgres():
    if no_postgres():
        yield None
    else:
        with postgres_server() as url:
            yield url


@pytest.fixture(scope="module")
def mariadb():
    with mariadb_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql", pytest.param("mysql", marks=pytest.mark.lane)])
def shop(request, tmp_path):
    if request.param == "mysql":
        if no_mariadb():
            pytest.skip(no_mariadb())
        url = request.getfixturevalue("mariadb")
        words = {"host": "127.0.0.1", "port": urlsplit(url).port, "user": "root", "database": "shop"}
        return Shop(url, lambda: pymysql.connect(**words), "%s")
    if request.param == "sqlite":
        path = tmp_path / "shop.db"
        return Shop(f"sqlite:///{path}", lambda: sqlite3.connect(path), "?")
    url = request.getfixturevalue("postgres")
    if url is None:
        pytest.skip(no_postgres())
    return Shop(url, lambda: psycopg2.connect(url.replace("+psycopg2", "")), "%s", zone=" with time zone")


def settings_of(**databases):
    return Settings(state="", lake="", landing="", databases=databases)


def source(shop, **words):
    options = {"connection": "shop", "table": "orders", "query": None, "cursor": "at", "key": ("id",), "zone": "UTC"}
    settings = Settings(
        state="", lake="", landing="", databases={"shop": shop.url}, memory_bytes=words.pop("memory", 1 << 30)
    )
    context = SourceContext(dataset="shop/orders", version="1.0.0", settings=settings, partitions=None,
                            partition_keys=lambda rows: rows.to_series(), generate=lambda *_: pl.DataFrame(),
                            quarantined=lambda _: pl.DataFrame())  # fmt: skip
    return open_source("database", {**options, "lag": timedelta(0), **words}, context)


def load(adapter, position=""):
    """The rows of the next load by id, and where the one after it begins; nothing where there is none."""
    units = adapter.pending(Cursor(position=position))
    if not units:
        return None, position
    rows = pl.concat([batch.rows for batch in adapter.read(units[0])])
    return dict(rows.select("id", "amount").iter_rows()), units[0].position


FIRST = (1, "10.50", "2024-03-01 09:00:00", "a", True)
SECOND = (2, "20.25", "2024-03-02 09:00:00", None, False)


def test_a_load_takes_what_was_added_or_changed_since_the_last(shop):
    shop.add(FIRST, SECOND)
    rows, position = load(source(shop))
    assert {key: float(amount) for key, amount in rows.items()} == {"1": 10.5, "2": 20.25}
    assert load(source(shop), position) == (None, position)
    shop.add((3, "1", "2024-03-03 09:00:00", "c", None))
    shop.run("update orders set amount = 11, at = '2024-03-03 10:00:00' where id = 1")
    rows, position = load(source(shop), position)
    assert {"1", "3"} <= rows.keys()
    assert float(rows["1"]) == 11
    assert load(source(shop), position) == (None, position)


def test_a_row_with_the_cursor_value_of_the_last_one_is_not_missed(shop):
    shop.add(FIRST)
    _, position = load(source(shop))
    shop.add((9, "9", FIRST[2], "tie", True))
    rows, position = load(source(shop), position)
    assert "9" in rows
    shop.add((10, "9", None, "no cursor", True))
    assert "10" in load(source(shop), position)[0]


def test_the_probe_stays_until_something_is_written(shop):
    before = source(shop).probe()
    if not before:
        pytest.skip("MySQL tells few users what changed, so the table is asked each time")
    load(source(shop))
    assert source(shop).probe() == before
    shop.add(FIRST)
    changed = source(shop).probe()
    assert changed != before
    shop.run("update orders set note = 'b'")
    assert source(shop).probe() != changed


def test_positions_sort_as_loads_came(shop):
    adapter, position, seen = source(shop), "", []
    for number in range(12):
        shop.add((number, "1", f"2024-03-01 09:00:{number:02}", "", True))
        _, position = load(adapter, position)
        seen.append(position)
    assert seen == sorted(seen)


def test_values_come_as_texts_that_a_contract_reads(shop):
    shop.add((1, "10.50", "2024-03-01 09:00:00", "ä'\"; drop table orders", True))
    batch = next(iter(source(shop).read(source(shop).pending(Cursor())[0])))
    row = batch.rows.row(0, named=True)
    assert row["at"].replace("T", " ") in {"2024-03-01 09:00:00+00:00", "2024-03-01 09:00:00+00"}
    assert row["note"] == "ä'\"; drop table orders"
    assert row["paid"] in {"1", "true"}


def test_an_empty_table_has_its_columns_and_a_new_row_is_found_after_it(shop):
    adapter = source(shop)
    unit = adapter.pending(Cursor())[0]
    frames = [batch.rows for batch in adapter.read(unit)]
    assert frames[0].columns == ["id", "amount", "at", "note", "paid"]
    assert frames[0].height == 0
    shop.add(FIRST)
    assert "1" in load(source(shop), unit.position)[0]


def test_rows_come_in_batches_of_bounded_size(shop):
    shop.add(*((number, "1", "2024-03-01 09:00:00", "x", True) for number in range(1200)))
    adapter = source(shop, memory=1 << 20)
    batches = list(adapter.read(adapter.pending(Cursor())[0]))
    assert [batch.rows.height for batch in batches] == [500, 500, 200]
    assert [batch.first_record for batch in batches] == [1, 501, 1001]


@pytest.mark.parametrize("words", [{"table": "nowhere"}, {"cursor": "never"}, {"table": None, "query": "selec 1"}])
def test_a_table_or_column_that_is_not_there_is_named(shop, words):
    with pytest.raises(DatabaseError, match=r"nowhere|never|syntax error|error in your SQL") as refused:
        source(shop, **words).pending(Cursor())
    assert "Fix:" in str(refused.value)
    assert shop.url not in str(refused.value)


def test_a_column_dropped_under_a_load_makes_it_unreadable_and_the_next_one_begins_at_the_same_place(shop):
    shop.add(FIRST)
    adapter = source(shop)
    unit = adapter.pending(Cursor())[0]
    shop.run("drop table orders")
    with pytest.raises(UnreadableUnit, match="orders"):
        list(adapter.read(unit))


@contextmanager
def open_transaction(shop, sql):
    with closing(shop.connect()) as connection:
        connection.cursor().execute(sql)
        yield connection


def test_postgresql_finds_rows_that_a_long_transaction_commits_late(postgres):
    if postgres is None:
        pytest.skip(no_postgres())
    shop = Shop(postgres, lambda: psycopg2.connect(postgres.replace("+psycopg2", "")), "%s", zone=" with time zone")
    with open_transaction(shop, "insert into orders values (1, 1, '2024-03-01 09:00:00', 'late', true)") as slow:
        shop.add(SECOND)
        rows, position = load(source(shop))
        assert rows.keys() == {"2"}
        slow.commit()
    rows, position = load(source(shop), position)
    assert "1" in rows
    assert load(source(shop), position)[0] is None


def test_a_database_that_no_setting_names_or_that_cannot_be_read_is_refused_without_its_url():
    with pytest.raises(DatabaseError, match="PLATFORM_DATABASE_SHOP"):
        open_engine("shop", settings_of())
    with pytest.raises(DatabaseError, match="'oracle' is no database") as refused:
        open_engine("shop", settings_of(shop="oracle://scott:tiger@h/x"))
    assert "tiger" not in str(refused.value)
    with pytest.raises(DatabaseError, match="cannot be opened"):
        open_engine("shop", settings_of(shop="sqlite:////nowhere/shop.db")).tables()
