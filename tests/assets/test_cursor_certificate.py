"""The cursor cannot miss: 50 writers hold transactions open, their clocks step, the loader is killed; nothing is lost.

`CERTIFIED_KILLS=1000` makes a longer certificate of it.
"""

import multiprocessing
import os
import random
import threading
import time
import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta

import polars as pl
import psycopg2
import pytest

from platform_assets.composition import build_location
from platform_assets.ingest import table_spec
from platform_assets.ingest.ingest import Run, ingest
from platform_assets.ingest.inputs import adapter_for, take_inputs
from platform_assets.ingest.quarantine import QuarantineStore
from platform_resources.settings import Settings
from tests.servers import no_postgres, postgres_server

WRITERS, KEYS, KILLS = 50, 600, int(os.environ.get("CERTIFIED_KILLS", "8"))
START = datetime(2024, 6, 1, tzinfo=UTC)
STEPS = [0.0] * 6 + [-3600.0, -1.0, 1.0, 600.0, 40 * 86400.0]
"""Seconds by which a writer's clock is wrong in a transaction."""


class Loader:
    """Loads of one dataset, without Dagster."""

    def __init__(self, state, url):
        settings = Settings.from_environment({"PLATFORM_STATE": state, "PLATFORM_DATABASE_SHOP": url})
        self.location = build_location("tests.stored", settings)
        self.dataset = self.location.catalog["shop/orders"]

    def load(self):
        """One load; the receipts of what it brought."""

        def read(store):
            adapter = adapter_for(self.dataset, self.location.settings, store=store)
            return take_inputs(adapter, store, again=False, names=[], partitions=None)

        run = Run(run_id=uuid.uuid4().hex, at=datetime.now(UTC))
        done = ingest(self.location.lake, self.dataset, read, {}, run=run, admits=lambda _: True)
        return [receipt for part in done for receipt in part.receipts]

    def rows(self):
        rows = self.location.lake.scan(table_spec(self.dataset)).select("id", "amount", "at", "note").collect()
        return sorted(rows.rows())


def load_forever(state, url, begun):
    """What the process does that is killed; it says when a load begins, and what a receipt finds missing."""
    loader = Loader(state, url)
    while True:
        begun.send("")
        for receipt in loader.load():
            if not receipt.holds:
                begun.send(receipt.words)


def write(url, seed, ends):
    """One writer: inserts, updates and some rollbacks, in transactions that stay open for a while."""
    chance = random.Random(seed)  # noqa: S311
    with closing(psycopg2.connect(url)) as connection:
        while not ends.is_set():
            at = START + timedelta(seconds=time.monotonic() % 86400 + chance.choice(STEPS))
            with connection.cursor() as cursor:
                for _ in range(chance.randrange(1, 4)):
                    number = seed + WRITERS * chance.randrange(KEYS // WRITERS)  # keys of its own: no deadlocks
                    cursor.execute(
                        "insert into orders values (%s, %s, %s, %s, true) "
                        "on conflict (id) do update "
                        "set amount = excluded.amount, at = excluded.at, note = excluded.note",
                        (number + 1, f"{chance.randrange(99999)}.{number % 100:02}", at, chance.choice("abc")),
                    )
            ends.wait(chance.choice([0, 0, 0.02, 0.2, 1.5]))
            connection.rollback() if chance.random() < 0.1 else connection.commit()
            ends.wait(chance.uniform(0.05, 0.4))
        connection.commit()


@pytest.mark.lane
@pytest.mark.skipif(bool(no_postgres()), reason=no_postgres())
def test_nothing_is_missed_and_nothing_doubled_under_50_writers_stepping_clocks_and_kills(tmp_path):
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    chance, ends, found = random.Random(1), threading.Event(), []  # noqa: S311
    with postgres_server() as address:
        url = address.replace("+psycopg2", "")
        with closing(psycopg2.connect(url)) as connection:
            columns = "id integer primary key, amount numeric(12, 2), at timestamptz, note text, paid boolean"
            connection.cursor().execute(f"create table orders ({columns})")
            connection.commit()
        writers = [threading.Thread(target=write, args=(url, seed, ends)) for seed in range(WRITERS)]
        for writer in writers:
            writer.start()
        try:
            for _ in range(KILLS):
                here, there = processes.Pipe(duplex=False)
                process = processes.Process(target=load_forever, args=(str(tmp_path), address, there))
                process.start()
                found += [here.recv() for _ in range(chance.randrange(1, 4))]
                time.sleep(chance.uniform(0, 1.5))
                process.kill()
                process.join()
                while here.poll():
                    try:
                        found.append(here.recv())
                    except EOFError:
                        break
        finally:
            ends.set()
            for writer in writers:
                writer.join()
        loader = Loader(str(tmp_path), address)
        while receipts := loader.load():
            found += [receipt.words for receipt in receipts if not receipt.holds]
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute("select id, amount, at, note from orders")
            assert loader.rows() == sorted(cursor.fetchall())
    log = QuarantineStore(loader.location.lake, loader.dataset).ingests()
    assert log["rows"].sum() == len(loader.rows()) + log["superseded"].sum()
    assert [words for words in found if words] == []
    assert log.filter(pl.col("rows") > 0).height > 1
