"""Debezium's own engine between a real database and a table: whatever is killed, the table equals the database."""

import os
import random
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg2
import pymysql
import pytest

from tests.assets.streams.test_changes import WORKER, Kept
from tests.servers import mariadb_server, no_debezium, no_mariadb, no_postgres, postgres_server
from tests.world import world

COMMON = {
    "name": "engine", "topic.prefix": "live", "snapshot.mode": "initial", "skipped.operations": "none",
    "offset.storage": "org.apache.kafka.connect.storage.FileOffsetBackingStore", "offset.flush.interval.ms": "0",
    "key.converter.schemas.enable": "false", "max.batch.size": "64",
}  # fmt: skip
COLUMNS = "id int primary key, owner varchar(20), balance decimal(12, 2), at {instant}"


class Live:
    """A database whose accounts change, and the engine's properties for it."""

    def __init__(self, connect, properties, instant):
        self.connect, self.properties, self.seed = connect, {**COMMON, **properties}, random.Random(5)  # noqa: S311
        self.run(f"create table accounts ({COLUMNS.format(instant=instant)})")
        for number in range(1, 8):
            self.run("insert into accounts values (%s, 'first', 1.50, '2024-03-01 09:00:00')", number)

    def run(self, sql, *values):
        with closing(self.connect()) as connection:
            connection.cursor().execute(sql, values or None)
            connection.commit()

    def rows(self):
        with closing(self.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute("select id, owner, balance from accounts order by id")
            return [tuple(row) for row in cursor.fetchall()]

    def change(self):
        """One random transaction."""
        number, other = self.seed.sample(range(1, 40), 2)
        owner, balance = self.seed.choice(["Ada", "Bob", "Müller"]), f"{self.seed.randrange(9000)}.{number:02}"
        here = {row[0] for row in self.rows()}
        word = self.seed.choices(["upsert", "delete", "key", "truncate"], [20, 6, 4, 0.4])[0]
        if word == "truncate":
            self.run("truncate table accounts")
        elif word == "delete":
            self.run("delete from accounts where id = %s", number)
        elif word == "key" and number in here and other not in here:
            self.run("update accounts set id = %s where id = %s", other, number)
        elif number in here:
            self.run("update accounts set owner = %s, balance = %s where id = %s", owner, balance, number)
        else:
            self.run("insert into accounts (id, owner, balance) values (%s, %s, %s)", number, owner, balance)


@pytest.fixture
def postgresql():
    if no_postgres():
        pytest.skip(no_postgres())
    with postgres_server(replicates=True) as url:
        port = parse_qs(urlsplit(url).query)["port"][0]
        yield Live(
            lambda: psycopg2.connect(url.replace("+psycopg2", "")),
            {"connector.class": "io.debezium.connector.postgresql.PostgresConnector", "database.dbname": "postgres",
             "database.hostname": "127.0.0.1", "database.port": port, "database.user": "lake",
             "database.password": "none", "plugin.name": "pgoutput", "publication.autocreate.mode": "filtered",
             "table.include.list": "public.accounts"},
            "timestamptz",
        )  # fmt: skip


@pytest.fixture
def mariadb(tmp_path):
    if no_mariadb():
        pytest.skip(no_mariadb())
    with mariadb_server(replicates=True) as url:
        words = {"host": "127.0.0.1", "port": urlsplit(url).port, "user": "root", "database": "shop"}
        with closing(pymysql.connect(**words)) as connection:
            connection.cursor().execute("create user live@'127.0.0.1' identified by 'none'")
            connection.cursor().execute("grant all on *.* to live@'127.0.0.1'")
        yield Live(
            lambda: pymysql.connect(**words),
            {"connector.class": "io.debezium.connector.mariadb.MariaDbConnector", "database.hostname": "127.0.0.1",
             "database.port": str(urlsplit(url).port), "database.user": "live", "database.password": "none",
             "database.server.id": "5401", "database.include.list": "shop", "table.include.list": "shop.accounts",
             "schema.history.internal": "io.debezium.storage.file.history.FileSchemaHistory",
             "schema.history.internal.file.filename": str(tmp_path / "schemas")},
            "datetime(6)",
        )  # fmt: skip


class Relay:
    """The engine in a process of its own; a batch is acknowledged once the topic has it."""

    def __init__(self, live, kept, folder):
        file = folder / "engine.properties"
        properties = {**live.properties, "offset.storage.file.filename": str(folder / "offsets")}
        file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        jars = os.environ["DEBEZIUM_JARS"]
        words = ["java", "-Xmx256m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{jars}/*:{jars}/main"]
        self.log = (folder / "engine.log").open("ab")
        self.process = subprocess.Popen(
            [*words, "Relay", str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log
        )
        self.kept, self.batches = kept, 0
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        messages = []
        for line in self.process.stdout:
            if line != b"\n":
                topic, key, value = line.rstrip(b"\n").split(b"\t")
                if topic.decode() == self.kept.topic:
                    messages.append((key or None, value or None))
                continue
            self.kept.send(messages)
            messages = []
            self.batches += 1
            try:
                self.process.stdin.write(b"\n")
                self.process.stdin.flush()
            except OSError:  # it was killed meanwhile
                return

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.log.close()


@pytest.mark.lane
@pytest.mark.skipif(bool(no_debezium()), reason=no_debezium())
@pytest.mark.parametrize("database", ["postgresql", "mariadb"])
def test_the_table_equals_the_database_after_kills_of_the_engine_and_of_the_worker(request, database, tmp_path):
    live = request.getfixturevalue(database)
    with world(tmp_path / "world", "tests.ledger") as made:
        kept = Kept(made, f"bank/{database}_accounts")
        for number in range(4):
            relay, until = Relay(live, kept, tmp_path), time.monotonic() + 240
            words = [sys.executable, "-c", WORKER, str(tmp_path / "world"), kept.name]
            with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as worker:
                assert worker.stdout.readline() == "ready\n"
                while relay.batches < 3 and time.monotonic() < until:
                    live.change()
                if number == 1:
                    live.run("alter table accounts add column note varchar(20)")
                for _ in range(live.seed.randrange(20)):
                    live.change()
                worker.kill()
            relay.kill()
            assert relay.batches >= 3, Path(tmp_path / "engine.log").read_text()[-2000:]
        live.run("insert into accounts (id, owner, balance) values (999, 'last', 9.99)")
        relay = Relay(live, kept, tmp_path)
        while not any(row[0] == 999 for row in kept.rows()) and time.monotonic() < until:
            kept.take_in()
        relay.kill()
        kept.take_in()
        assert [row[:3] for row in kept.rows()] == live.rows()
        assert kept.aside() == []
