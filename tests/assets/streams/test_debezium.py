"""Debezium's own engine between a real database and a table: whatever is killed, the table equals the database."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.assets.streams.test_changes import WORKER, Kept
from tests.live_accounts import live_accounts
from tests.servers import no_debezium, no_mariadb, no_postgres
from tests.world import world

COMMON = {
    "name": "engine", "topic.prefix": "live", "snapshot.mode": "initial", "skipped.operations": "none",
    "offset.storage": "org.apache.kafka.connect.storage.FileOffsetBackingStore", "offset.flush.interval.ms": "0",
    "key.converter.schemas.enable": "false", "max.batch.size": "64",
}  # fmt: skip


def properties_of(accounts, folder):
    """The engine's words for a database."""
    reached = {"database.hostname": "127.0.0.1", "database.port": str(accounts.port), "database.password": "none"}
    if accounts.kind == "postgresql":
        words = {"connector.class": "io.debezium.connector.postgresql.PostgresConnector", "database.user": "lake",
                 "database.dbname": "postgres", "plugin.name": "pgoutput", "publication.autocreate.mode": "filtered",
                 "table.include.list": "public.accounts"}  # fmt: skip
    else:
        words = {"connector.class": "io.debezium.connector.mariadb.MariaDbConnector", "database.user": "live",
                 "database.server.id": "5401", "database.include.list": "shop", "table.include.list": "shop.accounts",
                 "schema.history.internal": "io.debezium.storage.file.history.FileSchemaHistory",
                 "schema.history.internal.file.filename": str(folder / "schemas")}  # fmt: skip
    return {**COMMON, **reached, **words, "offset.storage.file.filename": str(folder / "offsets")}


class Relay:
    """The engine in a process of its own; a batch is acknowledged once the topic has it."""

    def __init__(self, accounts, kept, folder):
        file = folder / "engine.properties"
        file.write_text("".join(f"{name}={value}\n" for name, value in properties_of(accounts, folder).items()))
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
def test_the_table_equals_the_database_after_kills_of_the_engine_and_of_the_worker(database, tmp_path):
    missing = no_postgres() if database == "postgresql" else no_mariadb()
    if missing:
        pytest.skip(missing)
    with live_accounts(database) as live, world(tmp_path / "world", "tests.ledger") as made:
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
