"""What only some far sides do: compare numbers, time rows out, answer with a status."""

from pathlib import Path

import polars as pl
import pytest

from platform_resources.sinks import SinkError, SinkRefused, SinkUnreachable, open_sink
from platform_resources.sinks.base import ids_of
from platform_resources.sinks.store import look_up
from tests.resources.sinks.conftest import Receiver, context, settings_at
from tests.resources.sinks.test_behaviour import changes, documents


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
