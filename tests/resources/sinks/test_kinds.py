"""What only some far sides do: compare numbers, time rows out, answer with a status."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import psycopg2
import pytest

from platform_resources.alerts import Outbox
from platform_resources.sinks import Changes, SinkContext, SinkError, SinkRefused, SinkUnreachable, open_sink
from platform_resources.sinks.base import ids_of
from platform_resources.sinks.store import look_up
from tests.resources.sinks.conftest import Receiver, context, settings_at
from tests.resources.sinks.test_behaviour import changes, documents

AT = datetime(2024, 3, 1, 9, tzinfo=UTC)


def test_an_older_change_that_comes_late_does_not_win(tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    sink = open_sink("store", {"store": "online"}, context(settings))
    sink.write(changes(9, {"a": 9}))
    sink.write(changes(8, {"a": 8}, deleted=("a",)))
    assert look_up(settings, "online", "shop/stock", ["a"]) == documents(a=9)


def test_a_webhook_repeats_its_key_and_hides_its_password(receiver: tuple[str, Receiver], tmp_path: Path) -> None:
    url, received = receiver
    sink = open_sink("webhook", {"connection": "hook", "rows": 9}, context(settings_at(tmp_path, hook=url)))
    for _ in range(2):
        sink.write(changes(1, {"a": 1}))
    keys = [headers["Idempotency-Key"] for headers, _ in received.requests]
    assert keys[0] == keys[1]
    assert received.requests[0][0]["Authorization"].startswith("Basic ")
    received.status = 403
    with pytest.raises(SinkRefused, match="answers 403") as refused:
        sink.write(changes(2, {"a": 2}))
    assert "word" not in str(refused.value)


def test_an_alert_is_told_of_a_row_that_begins_to_fulfil_a_condition_and_when_it_does_no_more(tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    options = {"channel": "journal", "when": '"left" < 5', "title": "", "severity": "error", "most": 2}
    sink = open_sink("alert", options, context(settings))
    sink.write(changes(1, {"a": 9, "b": 1}))
    sink.write(changes(2, {"b": 8, "c": 2, "d": 3, "e": 4}))
    sink.write(changes(1, {"a": 0}))
    documents = [each.document for each in reversed(Outbox(settings.state).history(limit=99))]
    assert [(each["event"], each["key"]) for each in documents] == [
        ("opened", "b"), ("opened", "c"), ("opened", "d"), ("opened", "1 rows more of 2"), ("recovered", "b"),
    ]  # fmt: skip
    assert documents[0]["title"] == '[error] shop/stock: "left" < 5'
    assert documents[0]["incident"] == documents[-1]["incident"]
    with pytest.raises(SinkError, match="name one of journal, or add"):
        open_sink("alert", {**options, "channel": "pager"}, context(settings))
    with pytest.raises(SinkError, match="no condition over sku, left"):
        open_sink("alert", {**options, "when": "price > 1"}, context(settings))


def test_a_busy_or_absent_far_side_is_worth_another_try(receiver: tuple[str, Receiver], tmp_path: Path) -> None:
    url, received = receiver
    received.status = 503
    sink = open_sink("webhook", {"connection": "hook", "rows": 9}, context(settings_at(tmp_path, hook=url)))
    with pytest.raises(SinkUnreachable, match="answers 503") as busy:
        sink.write(changes(1, {"a": 1}))
    assert busy.value.transient
    absent = open_sink(
        "search", {"connection": "no", "index": "x"}, context(settings_at(tmp_path, no="http://[::1]:9"))
    )
    with pytest.raises(SinkUnreachable, match="does not answer"):
        absent.write(changes(1, {"a": 1}))


def test_a_name_without_an_address_is_said_with_its_setting(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="PLATFORM_SINK_HOOK is not set"):
        open_sink("webhook", {"connection": "hook", "rows": 9}, context(settings_at(tmp_path)))


def test_an_id_is_the_key_as_text_and_a_list_for_several_columns() -> None:
    rows = pl.DataFrame({"a": [1], "b": ["x,y"]})
    assert ids_of(rows, ["b"]) == ["x,y"]
    assert ids_of(rows, ["a", "b"]) == ['["1","x,y"]']


ODDITIES = pl.DataFrame(
    {"sku": ["a", "b"], "text": ["", None], "price": [Decimal("1.50"), None], "at": [AT, None],
     "day": [AT.date(), None],
     "is_new": [True, None], "tags": [["x", 'y"'], None], "photo": [b"\x00\xff", None], "words": ['ä, "b"\n', "\\N"]},
)  # fmt: skip


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_database_has_each_value_as_it_is(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = f"sqlite:///{tmp_path}/far.db" if kind == "sqlite" else request.getfixturevalue("postgres")
    settings = replace(settings_at(tmp_path), databases={"far": url})
    there = SinkContext(dataset="shop/stock", settings=settings, key=("sku",), schema=dict(ODDITIES.schema))
    sink = open_sink("database", {"connection": "far", "table": "oddities"}, there)
    sink.write(Changes(rows=ODDITIES, deleted=ODDITIES.clear().select("sku"), key=("sku",), number=1, position="1"))
    connect = sqlite3.connect if kind == "sqlite" else psycopg2.connect
    with closing(connect(url.replace("sqlite:///", "").replace("+psycopg2", ""))) as connection:
        cursor = connection.cursor()
        cursor.execute("select text, price, at, day, is_new, tags, photo, words from oddities order by sku")
        first, second = cursor.fetchall()
    assert second == (*[None] * 7, "\\N")
    plain = (first[0], float(first[1]), bool(first[4]), bytes(first[6]), first[7])
    assert plain == ("", 1.5, True, b"\x00\xff", 'ä, "b"\n')
    assert str(first[2])[:10] == str(first[3]) == "2024-03-01"
    assert (json.loads(first[5]) if isinstance(first[5], str) else first[5]) == ["x", 'y"']


def test_a_database_that_is_down_or_a_table_of_another_shape_is_said_without_its_url(tmp_path: Path) -> None:
    options = {"connection": "far", "table": "stock"}
    settings = replace(settings_at(tmp_path), databases={"far": "postgresql://u:hush@127.0.0.1:9/x"})
    with pytest.raises(SinkUnreachable, match="cannot be reached") as down:
        open_sink("database", options, context(settings))
    assert "hush" not in str(down.value)
    with sqlite3.connect(tmp_path / "far.db") as connection:
        connection.execute("create table stock (sku text primary key)")
    settings = replace(settings, databases={"far": f"sqlite:///{tmp_path}/far.db"})
    with pytest.raises(SinkRefused, match="left"):
        open_sink("database", options, context(settings)).write(changes(1, {"a": 1}))
