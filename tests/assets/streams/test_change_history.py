"""Changes of a database kept as versions (SCD 2), against a history that is written down by another way."""

import json
import random
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from platform_core.ingest.ownership import INGEST
from platform_core.ingest.versions import AT, GONE, IS_CURRENT, IS_READ, VALID_FROM, VALID_TO, fold_versions
from tests.assets.streams.test_changes import WORKER, Kept, envelope, send
from tests.debezium import Bank
from tests.world import world


@pytest.fixture(params=["bank/account_history", "bank/iceberg_account_history"])
def kept(request, tmp_path):
    with world(tmp_path, "tests.ledger") as made:
        yield Kept(made, request.param)


def at(milliseconds):
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def written_down(messages):
    """The versions that the messages tell of, one message after the other."""
    versions, open_at = {}, {}

    def end(key, now):
        if key in open_at:
            versions[key, open_at.pop(key)]["to"] = now

    for _, value in messages:
        if value is None:
            continue
        change = json.loads(value)
        now, before, after = at(change["ts_ms"]), change["before"], change["after"]
        if change["op"] == "t":
            for key in list(open_at):
                end(key, now)
        elif change["op"] == "d":
            end(before["id"], now)
        else:
            if before is not None and before["id"] != after["id"]:
                end(before["id"], now)
            same = open_at.get(after["id"])
            if same is None or versions[after["id"], same]["row"] != after:
                end(after["id"], now)
                versions[after["id"], now] = {"row": after, "to": None}
                open_at[after["id"]] = now
    return sorted(
        (key, version["row"]["owner"], Decimal(version["row"]["balance"]), since, version["to"], version["to"] is None)
        for (key, since), version in versions.items()
    )


def versions(kept):
    names = ["id", "owner", "balance", "valid_from", "valid_to", "is_current"]
    return sorted(kept.world.rows(kept.name).select(names).rows(), key=lambda row: (row[0], row[3]))


@pytest.mark.parametrize("at_once", [1000, 7])
def test_the_versions_are_those_that_the_changes_tell_of_whatever_the_micro_batches(kept, at_once):
    bank = Bank(11)
    messages = bank.work(90)
    kept.send(messages)
    kept.take_in(at_once)
    assert sorted(versions(kept), key=str) == sorted(written_down(messages), key=str)
    kept.send(messages[40:] + bank.snapshot())  # sent again, and a snapshot that says nothing new
    kept.take_in(at_once)
    assert sorted(versions(kept), key=str) == sorted(written_down(messages), key=str)
    assert {row[0] for row in versions(kept) if row[5]} == set(bank.rows)
    assert kept.aside() == []


def test_a_clock_that_is_set_back_and_changes_of_one_instant_leave_no_version_that_ends_before_it_begins(kept):
    send(
        kept,
        envelope("c", {"id": 1, "owner": "a"}, lsn=1, ts_ms=5000),
        envelope("u", {"id": 1, "owner": "b"}, {"id": 1}, lsn=2, ts_ms=3000),
        envelope("u", {"id": 1, "owner": "c"}, {"id": 1}, lsn=3, ts_ms=7000),
        envelope("u", {"id": 1, "owner": "c"}, {"id": 1}, lsn=4, ts_ms=8000),
    )
    assert [(row[1], *row[3:]) for row in versions(kept)] == [
        ("b", at(5000), at(7000), False), ("c", at(7000), None, True),
    ]  # fmt: skip


def test_a_clock_that_is_set_back_over_a_deletion_leaves_no_two_versions_that_overlap(kept):
    send(
        kept,
        envelope("c", {"id": 1, "owner": "a"}, lsn=1, ts_ms=1000),
        envelope("d", None, {"id": 1}, lsn=2, ts_ms=5000),
    )
    send(kept, envelope("c", {"id": 1, "owner": "b"}, lsn=3, ts_ms=3000))
    send(kept, envelope("d", None, {"id": 1}, lsn=4, ts_ms=4000))
    assert [(row[1], *row[3:]) for row in versions(kept)] == [
        ("a", at(1000), at(5000), False), ("b", at(5000), at(5000), False),
    ]  # fmt: skip
    send(kept, envelope("c", {"id": 1, "owner": "c"}, lsn=5, ts_ms=2000))
    assert [(row[1], *row[3:]) for row in versions(kept)] == [
        ("a", at(1000), at(5000), False), ("c", at(5000), None, True),
    ]  # fmt: skip


@pytest.mark.parametrize("cuts", [(), (1,), (1, 2), (0, 1, 2)])
def test_rows_that_are_read_anew_leave_no_gap_and_their_later_changes_are_taken(kept, cuts):
    made = [("a", 1000), ("x", 1500), ("z", 1600)]
    send(kept, *(envelope("c", {"id": key, "owner": owner}, lsn=key, ts_ms=now)
                 for key, (owner, now) in enumerate(made, 1)))  # fmt: skip
    anew = {"op": "t", "source": {"connector": "platform", "file": "~", "pos": 0, "ts_ms": 5000}, "ts_ms": 5000}
    read = [
        anew,
        envelope("r", {"id": 1, "owner": "a"}, lsn=9, ts_ms=6000),
        envelope("r", {"id": 2, "owner": "y"}, lsn=9, ts_ms=6000),
    ]
    for begin, end in zip([0, *cuts], [*cuts, len(read)], strict=True):
        send(kept, *read[begin:end])
    send(kept, envelope("u", {"id": 1, "owner": "b"}, {"id": 1}, lsn=10, ts_ms=7000))
    send(kept, envelope("u", {"id": 1, "owner": "old"}, {"id": 1}, lsn=8, ts_ms=7500))
    expected = [
        (1, "a", at(1000), at(7000)), (1, "b", at(7000), None),
        (2, "x", at(1500), at(6000)), (2, "y", at(6000), None),
        (3, "z", at(1600), at(5000)),
    ]  # fmt: skip
    assert [(*row[:2], *row[3:5]) for row in versions(kept)] == expected
    send(kept, {**anew, "ts_ms": 9000, "source": {**anew["source"], "ts_ms": 9000}})
    send(kept, envelope("r", {"id": 1, "owner": "b"}, lsn=20, ts_ms=9500))
    send(kept, envelope("c", {"id": 3, "owner": "z"}, lsn=21, ts_ms=9900))
    expected[3] = (2, "y", at(6000), at(9000))
    assert [(*row[:2], *row[3:5]) for row in versions(kept)] == [*expected, (3, "z", at(9900), None)]


def random_changes(draw):
    """Changes of three keys by a clock that is set back at times; some are sent again, and some deletions unneeded."""
    now, changes = 100, []
    for position in range(draw.randint(5, 40)):
        now += draw.choice([0, 1, 5, -7]) if draw.random() < 0.8 else draw.choice([-50, 50])
        owner = draw.choice(["a", "b", None])
        untimed = owner is None and draw.random() < 0.1
        changes.append((draw.randint(1, 3), owner, position, None if untimed else at(now)))
        if draw.random() < 0.15:
            changes += changes[draw.randrange(len(changes)) :]
    return changes


def folded(changes, cuts):
    """The versions after the changes came in batches that end at the cuts."""
    names = {
        "id": pl.Int64,
        "owner": pl.String,
        VALID_FROM: pl.Datetime("us", "UTC"),
        VALID_TO: pl.Datetime("us", "UTC"),
    }
    stored = pl.DataFrame(schema={**names, IS_CURRENT: pl.Boolean, INGEST: pl.String, "_position": pl.String})
    ends = [*cuts, len(changes)]
    for begin, end in zip([0, *ends], ends, strict=False):
        rows = [
            (key, owner, 0, f"{position:04}", offset, now, owner is None, f"{position:04}@{offset}")
            for offset, (key, owner, position, now) in enumerate(changes[begin:end], start=begin)
        ]
        columns = ["id", "owner", "_epoch", "_position", "_offset", AT, GONE, INGEST]
        events = pl.DataFrame(
            rows, schema=columns, orient="row", schema_overrides={"owner": pl.String, AT: names[VALID_TO]}
        ).with_columns(pl.lit(False).alias(IS_READ))
        mine = stored.join(events.select("id").unique(), on="id", how="semi")
        made = fold_versions(events, mine, key=["id"], content=["owner"])
        made = made.with_columns(pl.col(INGEST).str.split("@").list.first().alias("_position"))
        stored = pl.concat([stored.join(made, on=["id", VALID_FROM], how="anti"), made.select(stored.columns)])
    return stored.sort("id", VALID_FROM).select("id", "owner", VALID_FROM, VALID_TO, IS_CURRENT)


@pytest.mark.parametrize("seed", range(10))
def test_versions_never_overlap_and_are_the_same_however_changes_are_cut(seed):
    draw = random.Random(seed)  # noqa: S311 - a test's
    changes = random_changes(draw)
    singly = folded(changes, range(1, len(changes)))
    following = singly.with_columns(pl.col(VALID_FROM).shift(-1).over("id").alias("next"))
    assert following.filter((pl.col(VALID_TO) > pl.col("next")) | (pl.col(VALID_TO) < pl.col(VALID_FROM))).is_empty()
    assert following.filter(IS_CURRENT, pl.col("next").is_not_null()).is_empty()
    assert following.filter(pl.col(IS_CURRENT) != pl.col(VALID_TO).is_null()).is_empty()
    last = {key: owner for key, owner, *_ in sorted(changes, key=lambda change: change[2])}
    assert singly.filter(IS_CURRENT).select("id", "owner").rows() == sorted(one for one in last.items() if one[1])
    for _ in range(3):
        cuts = sorted(draw.sample(range(1, len(changes)), draw.randint(0, 4)))
        assert folded(changes, cuts).equals(singly), cuts


def test_a_change_without_a_time_waits_and_a_refused_one_is_replayed_into_its_place(kept):
    send(
        kept,
        envelope("c", {"id": 1, "owner": "a"}, lsn=1, ts_ms=1000),
        envelope("u", {"id": 1, "owner": "b", "balance": "-5000.00"}, {"id": 1}, lsn=2, ts_ms=2000),
        envelope("u", {"id": 1, "owner": "c"}, {"id": 1}, lsn=3, ts_ms=3000),
        envelope("u", {"id": 1, "owner": "d"}, {"id": 1}, lsn=4),
    )
    assert [row[1] for row in versions(kept)] == ["a", "c"]
    store = kept.world.store(kept.name)
    broken = store.envelopes().filter(store.envelopes()["reason"].str.contains("balance"))
    store.fix(broken["quarantine_id"][0], broken["payload"][0].replace("-5000.00", "5.00"))
    kept.world.materialise(kept.name, tags={"platform/replay": json.dumps(broken["quarantine_id"].to_list())})
    assert [(row[1], *row[3:]) for row in versions(kept)] == [
        ("a", at(1000), at(2000), False), ("b", at(2000), at(3000), False), ("c", at(3000), None, True),
    ]  # fmt: skip
    assert any("when it was committed" in reason for reason in kept.aside())


@pytest.mark.lane
def test_the_history_is_right_after_kills_under_a_live_writer(kept, tmp_path):
    bank, sent = Bank(7), []
    for _ in range(15):
        words = [sys.executable, "-c", WORKER, str(tmp_path), kept.name]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as worker:
            assert worker.stdout.readline() == "ready\n"
            until = time.monotonic() + bank.random.uniform(0.05, 1.5)
            while time.monotonic() < until:
                messages = bank.work(3)
                sent += messages
                kept.send(messages)
                time.sleep(0.01)
            worker.kill()
    kept.take_in()
    assert sorted(versions(kept), key=str) == sorted(written_down(sent), key=str)
