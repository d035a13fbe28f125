"""A table of a database: loads that begin where the last one ended, over SQLite and PostgreSQL alike."""

# ruff: noqa: S608 - the tests' own names
import base64
import sqlite3
import subprocess
import tempfile
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import accumulate
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl
import psycopg2
import pymysql
import pytest
from psycopg2.extras import LogicalReplicationConnection

from platform_core.quality.envelope import as_text
from platform_resources.settings import Settings
from platform_resources.sources import Cursor, SourceContext, UnreadableUnit, engines, open_source
from platform_resources.sources.engines import DatabaseError, DatabaseGone, Query, open_engine
from platform_resources.sources.engines.adbc import ConnectionLost, StatementFailed, arrow_snapshot
from platform_resources.sources.engines.sqlite import with_zone
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
            for row in rows or [None]:
                cursor.execute(*(sql.replace("?", self.mark), row) if row else (sql,))
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
    return open_source("database", {**options, "lag": timedelta(0), "type_changes": "note", **words}, context)


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


@pytest.mark.parametrize("write", [
    "update orders set amount = 11 where id = 1",  # a clock that ticks each second
    "update orders set note = null where id = 3",
    "update orders set id = 9 where id = 1",
])  # fmt: skip
def test_a_row_that_changed_with_no_later_cursor_value_is_a_load_of_its_own(shop, write):
    shop.add(FIRST, (3, "9", None, "no cursor", True))
    _, position = load(source(shop))
    shop.run(write)
    rows, position = load(source(shop), position)
    assert len(rows) == 2
    assert load(source(shop), position) == (None, position)


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
    assert sum(batch.rows.height for batch in batches) == 1200
    assert len(batches) > 2
    assert max(batch.rows.estimated_size() for batch in batches) < 1 << 16
    ends = list(accumulate((batch.rows.height for batch in batches), initial=1))
    assert [batch.first_record for batch in batches] == ends[:-1]


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


def whole(table=None, **words):
    return Query(**{"table": table, "sql": None, "cursor": None, **words})


def rows_of(shop, query):
    frames = open_engine("shop", settings_of(shop=shop.url)).rows(query, since=None, columns=None, batch_bytes=1 << 20)
    return [row for frame in frames for row in frame.rows(named=True)]


def test_a_value_changed_in_a_table_view_or_query_without_cursor_is_a_new_load(shop):
    shop.add(FIRST, SECOND)
    shop.run("drop view if exists paid")
    shop.run("create view paid as select id, amount from orders")
    query = "select id, amount from orders where note like '%a%'"
    for words in ({}, {"table": "paid"}, {"table": None, "query": query}):
        words["cursor"] = None
        _, position = load(source(shop, **words))
        assert load(source(shop, **words), position)[0] is None
        shop.run("update orders set amount = amount + 1 where id = 1")
        assert "1" in load(source(shop, **words), position)[0], words
    shop.run("drop view paid")


def test_percent_signs_in_names_and_queries_are_no_places_of_values(shop):
    mark = {"sqlite": "`", "mysql": "`"}.get(shop.url.partition(":")[0], '"')
    name = f"{mark}100%s Größe{mark}"
    shop.run(f"drop table if exists {name}")
    shop.run(f"create table {name} (id integer primary key, {mark}a%{mark} varchar(9))")
    shop.run(f"insert into {name} values (1, 'Zoë')")
    assert rows_of(shop, whole("100%s Größe", cursor="id")) == [{"id": "1", "a%": "Zoë"}]
    words = {"table": None, "query": f"select * from {name} where {mark}a%{mark} like 'Z%'", "cursor": "id"}
    adapter = source(shop, **words)
    position = adapter.pending(Cursor())[0].position
    shop.run(f"insert into {name} values (2, 'Zed')")
    (unit,) = adapter.pending(Cursor(position=position))
    assert [row for batch in adapter.read(unit) for row in batch.rows["id"]] == ["1", "2"]


def test_bytes_come_as_base64_without_line_ends_from_tables_and_queries(shop):
    kind = "bytea" if shop.url.startswith("postgresql") else "blob"
    literal = "decode(repeat('ab', 99), 'hex')" if kind == "bytea" else f"x'{'ab' * 99}'"
    shop.run("drop table if exists files")
    shop.run(f"create table files (content {kind})")
    shop.run(f"insert into files values ({literal})")
    expected = [{"content": base64.b64encode(b"\xab" * 99).decode()}]
    assert rows_of(shop, whole("files")) == rows_of(shop, whole(sql="select content from files")) == expected


def test_a_server_that_goes_away_amid_its_rows_is_gone_and_no_unreadable_load(shop):
    if shop.url.startswith("sqlite"):
        pytest.skip("a file does not go away")
    shop.add(*((number, "1", "2024-03-01 09:00:00", "x" * 5000, True) for number in range(3000)))
    frames = source(shop, memory=1 << 20).read(source(shop).pending(Cursor())[0])
    next(frames)
    shop.run(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'platform'"
        if shop.url.startswith("postgresql")
        else "begin not atomic for s in (select id from information_schema.processlist where user = 'root' and "
        "id <> connection_id()) do execute immediate concat('kill ', s.id); end for; end"
    )
    with pytest.raises(DatabaseGone, match="went away") as gone:
        list(frames)
    assert gone.value.transient
    assert len(load(source(shop))[0]) == 3000, "the next load begins at the same place"


def test_a_tiny_sqlite_number_has_no_exponent_and_a_text_of_wrong_bytes_is_told_without_it(tmp_path):
    shop = Shop(f"sqlite:///{tmp_path}/s.db", lambda: sqlite3.connect(tmp_path / "s.db"), "?")
    shop.add((1, 0.000001, None, None, None))
    assert rows_of(shop, whole("orders"))[0]["amount"] == "0.000001"
    shop.run("insert into orders (id, note) values (2, cast(x'ff41' as text))")
    with pytest.raises(DatabaseError, match=r"cannot be read on \(Could not decode to UTF-8 column 'note'\)"):
        rows_of(shop, whole("orders"))


BEYOND = {
    "sqlite": {"integer": ["9000000000000000000"] * 2, "real": ["9e999", "-9e999"]},
    "postgresql": {"date": ["'infinity'", "'-infinity'"], "timestamptz": ["'infinity'", "'20240-01-01'"],
                   "numeric": ["'Infinity'", "'NaN'"], "float8": ["1e308", "1e308"], "real": ["'Infinity'", "1.1"]},
    "mysql": {"double": ["1e308", "1e308"], "bigint": ["9000000000000000000"] * 2},
}  # fmt: skip


def test_values_beyond_what_sums_can_hold_do_not_make_a_load_unreadable(shop):
    for kind, values in BEYOND[shop.url.partition(":")[0].partition("+")[0]].items():
        shop.run("drop table if exists large")
        shop.run(f"create table large (v {kind})")
        shop.run(f"insert into large values ({'), ('.join(values)})")
        engine = open_engine("shop", settings_of(shop=shop.url))
        frames = engine.rows(whole("large"), since=None, columns=None, batch_bytes=1 << 20)
        tally, rows = None, 0
        while tally is None:
            try:
                rows += next(frames).height
            except StopIteration as ended:
                tally = ended.value
        assert (rows, tally.rows) == (2, 2), kind
        total = tally.columns["v"].total
        assert total in {None, 18_000_000_000_000_000_000}, (kind, total)


SENT = {"n": pl.Int64(), "f": pl.Float64(), "r": pl.Float64(), "yes": pl.Boolean(), "day": pl.Date(),
        "at": pl.Datetime("us", "UTC"), "local": pl.Datetime("us", "UTC")}  # fmt: skip


def test_postgresql_sends_the_contracts_types_and_a_column_with_a_value_beyond_them_as_the_same_texts(shop):
    if not shop.url.startswith("postgresql"):
        pytest.skip("the other engines send texts")
    shop.run('drop table if exists "sent it"')
    shop.run('create table "sent it" (n int, f float8, r real, yes bool, day date, at timestamptz, local timestamp)')
    shop.run("""insert into "sent it" values (1, 0.1, 1.1, true, '2024-02-29', '2024-03-31 02:30+02',
             '2024-07-01 12:00'), (null, null, null, null, null, null, null)""")
    engine = open_engine("shop", settings_of(shop=shop.url))
    query = replace(whole("sent it"), zone="Europe/Berlin", types=SENT)
    (rows,) = engine.rows(query, since=None, columns=None, batch_bytes=1 << 20)
    assert rows.schema == SENT
    assert rows.row(0)[:4] == (1, 0.1, 1.1, True)
    assert rows["local"].dt.to_string("iso:strict")[0] == "2024-07-01T10:00:00.000000+00:00"
    shop.run("""insert into "sent it" (day, at, local) values ('infinity', '20240-01-01', '-infinity')""")
    (again,) = engine.rows(query, since=None, columns=None, batch_bytes=1 << 20)
    assert again.schema == {**SENT, "day": pl.String(), "at": pl.String(), "local": pl.String()}
    assert again[:2].select(as_text(again)).equals(rows.select(as_text(rows))), "a row that is read again is known"
    assert again.row(2)[4:] == ("infinity", "20240-01-01 00:00:00+00", "-infinity")


def test_a_partition_is_no_table_of_its_own(postgres):
    if postgres is None:
        pytest.skip(no_postgres())
    with closing(psycopg2.connect(postgres.replace("+psycopg2", ""))) as connection:
        cursor = connection.cursor()
        cursor.execute('create table "Divided" (id int, day date) partition by range (day)')
        cursor.execute(
            "create table divided_1 partition of \"Divided\" for values from ('2024-01-01') to ('2025-01-01')"
        )
        connection.commit()
    tables = open_engine("shop", settings_of(shop=postgres)).tables()
    assert "Divided" in tables
    assert "divided_1" not in tables


def test_a_snapshot_tells_a_connection_that_broke_from_a_statement_that_fails_amid_its_rows(postgres):
    if postgres is None:
        pytest.skip(no_postgres())
    url = postgres.replace("+psycopg2", "")
    rows = "SELECT 1 / (300000 - g) AS n, repeat('x', 100) AS t FROM generate_series(1, 400000) g"
    with arrow_snapshot(url) as snapshot, pytest.raises(StatementFailed, match="division by zero"):
        list(snapshot.frames(rows, batch_bytes=1 << 16))
    with arrow_snapshot(url) as snapshot:
        (process,) = snapshot.row("SELECT pg_backend_pid()")
        frames = snapshot.frames(rows, batch_bytes=1 << 16)
        next(frames)
        with closing(psycopg2.connect(url)) as other:
            other.cursor().execute(f"select pg_terminate_backend({process})")
        with pytest.raises(ConnectionLost, match=r"terminating connection|closed the connection"):
            list(frames)


@pytest.mark.parametrize("text", ["0000-00-00 00:00:00", "0001-01-01 00:00:00", "2024-03-31 02:30:00"])
def test_an_instant_that_no_clock_in_the_zone_showed_stays_as_it_is(text):
    assert with_zone(text, "Europe/Berlin") == text
    assert with_zone("2024-10-27 02:30:00", "Europe/Berlin") == "2024-10-27T00:30:00+00:00"


@pytest.mark.parametrize("url", ["mysql://u:S3C/RET@127.0.0.1:1/x", "mysql://u:S3C:RET@127.0.0.1:1/x",
                                 "postgresql://u:S3C/RET@127.0.0.1:1/x", "postgresql://u:S3C%RET@127.0.0.1:1/x",
                                 "postgresql://u:S3C@RET@127.0.0.1:1/x"])  # fmt: skip
def test_a_password_with_marks_that_are_not_escaped_is_not_shown(url):
    with pytest.raises(DatabaseError) as refused:
        open_engine("shop", settings_of(shop=url)).tables()
    assert "S3C" not in str(refused.value)
    assert "RET" not in str(refused.value)


@pytest.mark.parametrize(("url", "driver", "extra"), [
    ("postgresql://me@127.0.0.1:1/x", "adbc_driver_postgresql", "postgres"),
    ("mysql://me@127.0.0.1:1/x", "pymysql", "mysql"),
])  # fmt: skip
def test_a_driver_that_is_not_installed_is_named_with_the_extra_that_brings_it(monkeypatch, url, driver, extra):
    monkeypatch.setattr(engines, "find_spec", lambda name: None if name == driver else name)
    with pytest.raises(DatabaseError, match=rf"{driver} is not installed.*\[{extra}\]"):
        open_engine("shop", settings_of(shop=url))


@pytest.mark.parametrize(("query", "culprit"), [
    ("ssl_mode=perhaps", "ssl_mode 'PERHAPS'"), ("sslmode=require", "'sslmode' of its URL"),
    ("read_timeout=soon", "'read_timeout' of its URL"), ("ssl_ca=/nowhere/ca.pem", "ssl_ca: No such file"),
])  # fmt: skip
def test_an_unknown_word_or_a_missing_certificate_in_the_url_of_mysql_is_named(query, culprit):
    engine = open_engine("shop", settings_of(shop=f"mysql://me:hush@127.0.0.1:1/shop?{query}"))
    with pytest.raises(DatabaseError, match=culprit) as error:
        engine.tables()
    assert "hush" not in str(error.value)


@pytest.fixture
def readable_folder():
    """A folder that the user of a server may read, as pytest's own may not."""
    with tempfile.TemporaryDirectory(prefix="tls-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.lane
@pytest.mark.skipif(bool(no_mariadb()), reason=no_mariadb())
def test_mariadb_is_reached_by_tls_where_the_url_wants_it_and_a_wrong_certificate_is_refused(readable_folder):
    for name in ("server", "other"):
        words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                 "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{name}.key", "-out", f"{name}.pem"]  # fmt: skip
        subprocess.run(words, cwd=readable_folder, check=True, capture_output=True)
    (readable_folder / "server.key").chmod(0o644)
    certificate = [f"--ssl-cert={readable_folder}/server.pem", f"--ssl-key={readable_folder}/server.key"]
    with mariadb_server(words=certificate) as url:
        for query in ("ssl_mode=required", f"ssl_mode=verify_identity&ssl_ca={readable_folder}/server.pem"):
            engine = open_engine("shop", settings_of(shop=f"{url}?{query}"))
            with engine._cursor() as cursor:
                engine.run(cursor, "SHOW STATUS LIKE 'Ssl_cipher'")
                assert cursor.fetchone()[1]
        with pytest.raises(DatabaseGone, match="cannot be reached"):
            open_engine("shop", settings_of(shop=f"{url}?ssl_ca={readable_folder}/other.pem")).tables()


def test_a_type_that_changed_is_named_and_refused_where_that_is_declared_until_the_contract_is_another(shop):
    shop.add(FIRST)
    _, position = load(source(shop))
    shop.run("drop table orders")
    shop.run(f"create table orders ({COLUMNS.format(zone='')})".replace("numeric(10, 2)", "numeric(12, 4)"))
    shop.add((1, "11", "2024-03-05 09:00:00", "a", True))
    adapter = source(shop)
    (unit,) = adapter.pending(Cursor(position=position))
    assert "amount" in {change.column for change in adapter.schema_changes(unit) if change.kind == "type"}
    assert "12" in "".join(change.words for change in adapter.schema_changes(unit))
    with pytest.raises(UnreadableUnit, match=r"'amount' was .* waits for a new version of the contract"):
        list(source(shop, type_changes="refuse").read(unit))
    later = replace(adapter, refuses_types=True, context=replace(adapter.context, version="1.1.0"))
    (unit,) = later.pending(Cursor(position=position))
    assert len(list(later.read(unit))) == 1


def test_large_records_are_fetched_a_few_at_a_time(shop):
    large = 60_000  # MySQL's text has no more than 64 KiB
    shop.add(*((number, "1", "2024-03-01 09:00:00", "x" * large, True) for number in range(1, 41)))
    adapter = source(shop, memory=1 << 22)
    sizes = [batch.rows.estimated_size() for batch in adapter.read(adapter.pending(Cursor())[0])]
    assert sum(sizes) > 40 * large
    assert max(sizes) < 9 * large, "the first few rows say how large they are"


@pytest.mark.skipif(bool(no_postgres()), reason=no_postgres())
def test_a_slot_that_another_reader_moved_has_no_changes_behind_our_position_and_one_at_work_is_refused():
    with postgres_server(replicates=True) as url, closing(psycopg2.connect(url.replace("+psycopg2", ""))) as connection:
        connection.autocommit = True
        cursor, engine = connection.cursor(), open_engine("shop", settings_of(shop=url))
        assert not engine.has_changes("s", '{"lsn":1}')
        cursor.execute("select lsn - '0/0' from pg_create_logical_replication_slot('s', 'pgoutput')")
        place = f'{{"lsn_proc":1,"lsn_commit":1,"lsn":{cursor.fetchone()[0]}}}'
        assert engine.has_changes("s", place)
        cursor.execute("create table t (id int)")
        cursor.execute("select pg_replication_slot_advance('s', pg_current_wal_lsn())")
        assert not engine.has_changes("s", place)
        plain = url.replace("+psycopg2", "")
        reader = psycopg2.connect(plain, connection_factory=LogicalReplicationConnection)
        with closing(reader), reader.cursor() as stream:
            stream.start_replication("s", options={"proto_version": "1", "publication_names": "p"})
            with pytest.raises(DatabaseGone, match="its slot s is read by another process now"):
                engine.capture_properties("t", slot="s")
