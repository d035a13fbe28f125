"""A table is kept like a real database, straight from it by Debezium's engine: whatever dies or goes, it equals it."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg2
import pymysql
import pytest

from tests.servers import mariadb_server, no_debezium, no_jpype, no_mariadb, no_postgres, postgres_server
from tests.world import world

pytestmark = [
    pytest.mark.lane,
    pytest.mark.skipif(bool(no_debezium() or no_jpype()), reason=no_debezium() or no_jpype()),
]
STREAM = [sys.executable, "-m", "platform_assets.entrypoints.cli", "--package", "tests.ledger", "stream"]
PATIENCE_SECONDS = 600


class Live:
    """A database whose accounts change, and the platform beside it."""

    def __init__(self, url, connect, instant, name, folder):
        self.connect, self.instant, self.name, self.folder = connect, instant, name, folder
        self.seed = random.Random(5)  # noqa: S311 - no secret
        jars = os.environ["DEBEZIUM_JARS"]
        self.environment = {
            **os.environ, "PLATFORM_STATE": str(folder / "world" / "state"), "PLATFORM_DATABASE_LIVE": url,
            "PLATFORM_DEBEZIUM": jars, "DAGSTER_HOME": str(folder),
            "PYTHONPATH": os.pathsep.join([f"{jars}/python", *filter(None, [os.environ.get("PYTHONPATH")])]),
        }  # fmt: skip
        self.create()

    def create(self):
        self.run(f"create table accounts (id int primary key, owner varchar(20), balance decimal(12, 2), "
                 f"at {self.instant})")  # fmt: skip
        for number in range(1, 8):
            self.run("insert into accounts (id, owner, balance, at) values (%s, 'first', 1.50, '2024-03-01 09:00:00')",
                     number)  # fmt: skip

    def run(self, sql, *values):
        with closing(self.connect()) as connection:
            connection.cursor().execute(sql, values or None)
            connection.commit()

    def ask(self, sql):
        with closing(self.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()]

    def rows(self):
        return self.ask("select id, owner, balance from accounts order by id")

    def change(self):
        """One random transaction."""
        number, other = self.seed.sample(range(1, 40), 2)
        owner, balance = self.seed.choice(["Ada", "Bob", "Müller"]), f"{self.seed.randrange(9000)}.{number:02}"
        existing = {row[0] for row in self.rows()}
        word = self.seed.choices(["upsert", "delete", "key", "truncate"], [20, 6, 4, 0.4])[0]
        if word == "truncate":
            self.run("truncate table accounts")
        elif word == "delete":
            self.run("delete from accounts where id = %s", number)
        elif word == "key" and number in existing and other not in existing:
            self.run("update accounts set id = %s where id = %s", other, number)
        elif number in existing:
            self.run("update accounts set owner = %s, balance = %s where id = %s", owner, balance, number)
        else:
            self.run("insert into accounts (id, owner, balance) values (%s, %s, %s)", number, owner, balance)

    @contextmanager
    def worker(self):
        """`platform stream run` as a person starts it; killed at the end."""
        with (self.folder / "worker.log").open("ab") as log:
            words = [*STREAM, "run", self.name, "--every", "0.1", "--no-report"]
            process = subprocess.Popen(words, env=self.environment, stdout=log, stderr=log)
            try:
                yield process
            finally:
                process.kill()
                process.wait()

    def take_in(self):
        """All that was committed before: by `platform stream run --once`."""
        words = [*STREAM, "run", self.name, "--once", "--no-report"]
        done = subprocess.run(
            words, env=self.environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def forget_changes(self):
        """Let the database forget what nobody has read; in PostgreSQL that goes with who reads."""
        if "postgresql" in self.name:
            self.run("select pg_drop_replication_slot(slot_name) from pg_replication_slots")
            return
        for (reader,) in self.ask("select id from information_schema.processlist where command like 'Binlog Dump%'"):
            self.run(f"kill {reader}")  # of an engine that ended; a log that is read is not purged
        deadline = time.monotonic() + PATIENCE_SECONDS
        self.run("flush binary logs")
        while len(self.ask("show binary logs")) > 1:
            assert time.monotonic() < deadline, self.ask("show binary logs")
            (last_log,) = self.ask("show master status")[0][:1]
            self.run(f"purge binary logs to '{last_log}'")

    def wait_for(self, made, number):
        """Change rows until one of that number was taken in."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not any(row[0] == number for row in stored(made, self)):
            assert time.monotonic() < deadline, (self.folder / "worker.log").read_text()[-3000:]
            self.change()
            if not any(row[0] == number for row in self.rows()):  # a truncate took it, or it is not there yet
                self.run("insert into accounts (id, owner, balance) values (%s, 'mark', 1.00)", number)


@pytest.fixture(params=["postgresql", "mariadb"])
def live(request, tmp_path):
    missing = no_postgres() if request.param == "postgresql" else no_mariadb()
    if missing:
        pytest.skip(missing)
    with ExitStack() as stack:
        if request.param == "postgresql":
            port = parse_qs(urlsplit(stack.enter_context(postgres_server(replicates=True))).query)["port"][0]
            url = f"postgresql://lake:none@127.0.0.1:{port}/postgres"
            yield Live(url, lambda: psycopg2.connect(url), "timestamptz", "bank/postgresql_accounts", tmp_path)
            return
        port = urlsplit(stack.enter_context(mariadb_server(replicates=True))).port
        root = {"host": "127.0.0.1", "port": port, "user": "root", "database": "shop"}
        with closing(pymysql.connect(**root)) as connection:
            connection.cursor().execute("create user live@'127.0.0.1' identified by 'none'")
            connection.cursor().execute("grant all on *.* to live@'127.0.0.1'")
        url = f"mysql://live:none@127.0.0.1:{port}/shop"
        yield Live(url, lambda: pymysql.connect(**root), "datetime(6)", "bank/mariadb_accounts", tmp_path)


def child_of(process):
    """The process that captures; the keeper's thread began it."""
    threads = Path(f"/proc/{process.pid}/task").iterdir()
    (child,) = [word for thread in threads for word in (thread / "children").read_text().split()]
    return int(child)


def stored(made, live):
    return [row[:3] for row in sorted(made.rows(live.name).rows())]


def test_the_table_equals_the_database_whatever_dies_or_is_forgotten(live, tmp_path):
    with world(tmp_path / "world", "tests.ledger") as made:
        with live.worker():
            live.wait_for(made, 900)
        live.change()
        with live.worker() as process:
            live.wait_for(made, 901)
            live.run("alter table accounts add column note varchar(20)")
            os.kill(child_of(process), signal.SIGKILL)
            live.wait_for(made, 902)
            for _ in range(20):
                live.change()
        live.take_in()
        assert stored(made, live) == live.rows()

        live.run("insert into accounts (id, owner, balance) values (903, 'gone', 1.00)")
        live.take_in()
        live.run("delete from accounts where id = 903")
        live.forget_changes()
        live.run("insert into accounts (id, owner, balance) values (904, 'new', 1.00)")
        assert "its rows are read anew" in live.take_in()
        assert stored(made, live) == live.rows()

        live.run("drop table accounts")
        live.create()
        live.run("delete from accounts where id = 3")
        live.take_in()
        assert stored(made, live) == live.rows()
        assert made.store(live.name).envelopes()["reason"].to_list() == []
