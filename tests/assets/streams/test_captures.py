"""A table is kept like a real database, straight from it by Debezium's engine: whatever dies or goes, it equals it."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live_accounts import live_accounts
from tests.servers import no_debezium, no_jpype, no_mariadb, no_postgres
from tests.world import world

pytestmark = [
    pytest.mark.lane,
    pytest.mark.skipif(bool(no_debezium() or no_jpype()), reason=no_debezium() or no_jpype()),
]
STREAM = [sys.executable, "-m", "platform_assets.entrypoints.cli", "--package", "tests.ledger", "stream"]
PATIENCE_SECONDS = 600


class Live:
    """A database whose accounts change, and the platform beside it."""

    def __init__(self, accounts, folder):
        self.accounts, self.folder, self.name = accounts, folder, f"bank/{accounts.kind}_accounts"
        self.run, self.ask, self.rows, self.change = accounts.run, accounts.ask, accounts.rows, accounts.change
        jars = os.environ["DEBEZIUM_JARS"]
        self.environment = {
            **os.environ, "PLATFORM_STATE": str(folder / "world" / "state"), "PLATFORM_DATABASE_LIVE": accounts.url,
            "PLATFORM_DEBEZIUM": jars, "DAGSTER_HOME": str(folder),
            "PYTHONPATH": os.pathsep.join([f"{jars}/python", *filter(None, [os.environ.get("PYTHONPATH")])]),
        }  # fmt: skip

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
        if self.accounts.kind == "postgresql":
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
    with live_accounts(request.param) as accounts:
        yield Live(accounts, tmp_path)


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
        live.accounts.create()
        live.run("delete from accounts where id = 3")
        live.take_in()
        assert stored(made, live) == live.rows()
        assert made.store(live.name).envelopes()["reason"].to_list() == []
