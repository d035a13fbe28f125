"""Changes of a database merged into a table: it equals the database, whatever is sent again and whenever it dies."""

import json
import subprocess
import sys
import time

import pytest

from platform_assets.ingest.stream import StreamWorker, create_topic
from platform_resources.brokers import open_broker
from tests.debezium import Bank
from tests.world import world

NAMES = ["bank/accounts", "bank/iceberg_accounts"]


class Kept:
    """A dataset that is kept like a database."""

    def __init__(self, made, name):
        self.world, self.name, self.dataset = made, name, made.dataset(name)
        self.topic = self.dataset.source.topic
        self.broker = open_broker(made.location.settings)
        create_topic(self.broker, made.location.lake, self.dataset)

    def send(self, messages):
        if messages:
            keys, values = zip(*messages, strict=True)
            self.broker.produce(self.topic, values, keys=keys)

    def take_in(self, at_once=100_000):
        location = self.world.location
        worker = StreamWorker(location.lake, location.catalog, self.dataset, self.broker, run_id="test")
        while worker.step(max_messages=at_once):
            pass
        worker.close()

    def rows(self):
        return sorted(self.world.rows(self.name).rows())

    def aside(self):
        return self.world.store(self.name).envelopes()["reason"].to_list()


@pytest.fixture(params=NAMES)
def kept(request, tmp_path):
    with world(tmp_path, "tests.ledger") as made:
        yield Kept(made, request.param)


def envelope(op, after=None, before=None, lsn=1, **more):
    return {"op": op, "before": before, "after": after, "source": {"lsn": lsn}, **more}


def send(kept, *envelopes):
    kept.send([(None, json.dumps(each).encode()) for each in envelopes])
    kept.take_in()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_table_equals_the_database_after_inserts_updates_deletes_key_updates_and_truncates(kept, seed):
    bank = Bank(seed)
    for steps, at_once in ((60, 1000), (80, 7), (120, 1000)):
        kept.send(bank.work(steps))
        kept.take_in(at_once)
        assert kept.rows() == bank.expected()
    assert kept.aside() == []


def test_changes_that_are_sent_again_and_a_new_snapshot_do_no_harm(kept):
    bank = Bank(3)
    messages = bank.work(80)
    kept.send(messages)
    kept.take_in()
    kept.send(messages[30:])
    kept.take_in()
    assert kept.rows() == bank.expected()
    bank.lsn = 10  # restored from a backup: its history begins anew, and a snapshot says so
    kept.send(bank.snapshot())
    kept.send(bank.work(40))
    kept.take_in(25)
    assert kept.rows() == bank.expected()


def test_an_older_change_is_passed_over(kept):
    send(kept, envelope("c", {"id": 1, "owner": "new"}, lsn=9))
    send(kept, envelope("u", {"id": 1, "owner": "old"}, {"id": 1}, lsn=5), envelope("d", None, {"id": 1}, lsn=6))
    assert [row[:2] for row in kept.rows()] == [(1, "new")]


def test_a_truncate_takes_the_rows_before_it_and_none_behind_it(kept):
    send(kept, envelope("c", {"id": 1}, lsn=1), envelope("c", {"id": 2}, lsn=2))
    send(kept, envelope("c", {"id": 3}, lsn=3), envelope("t", lsn=4), envelope("c", {"id": 1, "owner": "again"}, lsn=5))
    assert [row[:2] for row in kept.rows()] == [(1, "again")]


def test_a_change_that_breaks_a_rule_or_is_none_waits_and_the_row_stays_as_it_was(kept):
    send(
        kept,
        envelope("c", {"id": 1, "owner": "Ada", "balance": "5.00"}),
        envelope("u", {"id": 1, "owner": "Ada", "balance": "-5000.00"}, lsn=2),
        envelope("c", {"id": 2, "shoe_size": 44}, lsn=3),
        {"op": "z"}, envelope("d", lsn=4), 7,
    )  # fmt: skip
    assert [row[:2] for row in kept.rows()] == [(1, "Ada")]
    reasons = " ".join(kept.aside())
    for words in ("balance ≥ -1000", "shoe_size", "op is none of", "without the key", "no JSON object"):
        assert words in reasons
    assert len(kept.aside()) == 5


def test_a_schema_beside_the_payload_says_what_its_numbers_mean(kept):
    fields = [{"field": "balance", "name": "org.apache.kafka.connect.data.Decimal", "parameters": {"scale": "2"}},
              {"field": "at", "name": "io.debezium.time.Timestamp"}]  # fmt: skip
    row = {"id": 1, "owner": "Ada", "balance": "AfQ=", "at": 1709283600000}
    send(kept, {"schema": {"fields": [{"field": "after", "fields": fields}]}, "payload": envelope("c", row)})
    ((_, _, balance, at),) = kept.rows()
    assert (str(balance), at.isoformat()) == ("5.00", "2024-03-01T09:00:00+00:00")


def test_envelopes_that_are_broken_or_beyond_the_calendar_wait_and_the_worker_goes_on(kept):
    fields = [{"field": "balance", "name": "io.debezium.data.VariableScaleDecimal"}]
    schema = {"fields": [{"field": "after", "fields": fields}]}
    send(
        kept,
        envelope("c", {"id": 1, "at": 9223372036825200000}, lsn=1),
        {"op": [], "source": 7},
        {"schema": 7, "payload": envelope("c", {"id": 2}, lsn=2)},
        {"schema": schema, "payload": envelope("c", {"id": 3, "balance": {"scale": 2, "value": "AfQ="}}, lsn=3)},
        envelope("c", {"id": 4, "owner": "bad \ud800"}, lsn=4),
        envelope("u", {"id": 3, "owner": "__debezium_unavailable_value"}, lsn=5),
    )
    assert [(row[0], str(row[2])) for row in kept.rows()] == [(3, "5.00")]
    reasons = " ".join(kept.aside())
    for words in ("wrong type", "half of a character", "REPLICA IDENTITY FULL for the table"):
        assert words in reasons
    assert len(kept.aside()) == 5


WORKER = """
import sys
from tests.world import world
from tests.assets.streams.test_changes import Kept
from pathlib import Path
with world(Path(sys.argv[1]), "tests.ledger") as made:
    kept = Kept(made, sys.argv[2])
    print("ready", flush=True)
    while True:
        kept.take_in(5)
"""


@pytest.mark.lane
def test_the_table_equals_the_database_after_kills_under_a_live_writer(kept, tmp_path):
    bank, kills = Bank(7), 25
    for _ in range(kills):
        words = [sys.executable, "-c", WORKER, str(tmp_path), kept.name]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as worker:
            assert worker.stdout.readline() == "ready\n"
            until = time.monotonic() + bank.random.uniform(0.05, 1.5)
            while time.monotonic() < until:
                kept.send(bank.work(3))
                time.sleep(0.01)
            worker.kill()
    kept.take_in()
    assert kept.rows() == bank.expected()
