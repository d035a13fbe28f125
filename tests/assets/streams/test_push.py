"""Records pushed over HTTP: judged one by one, durable, once for each key, and rows by the stream's own commit."""

import io
import json
import threading
import time
from dataclasses import replace

import polars as pl
import pytest
from starlette.testclient import TestClient

from platform_assets.entrypoints.push_gateway import build_gateway
from platform_assets.ingest.stream import StreamWorker
from platform_assets.operations.push import PushDesk, Refused, ledger_of
from platform_resources.brokers import open_broker
from tests.world import world

CLICK = {
    "click_id": "0123456789abcdef",
    "visitor": "v001",
    "page": "home",
    "duration_ms": 5,
    "at": "2024-03-01T09:00:00Z",
}
PATH = "/datasets/commerce/clicks"
ARROW = {"Content-Type": "application/vnd.apache.arrow.stream"}


def click(number, **words):
    return {**CLICK, "click_id": f"{number:016x}", **words}


def arrow(*records, **words):
    stream = io.BytesIO()
    pl.DataFrame(records).write_ipc_stream(stream, **words)
    return stream.getvalue()


@pytest.fixture
def desk(tmp_path):
    with world(tmp_path, "platform_assets.domains.commerce") as made:
        broker = open_broker(made.location.settings)
        yield PushDesk(made.location, broker, ledger_of(made.location.settings))
        broker.close()


@pytest.fixture
def door(desk):
    token = desk.ledger.grant("shop", ["commerce/*"], at=0.0)
    with TestClient(build_gateway(desk, most_bytes=200_000), headers={"Authorization": f"Bearer {token}"}) as client:
        yield client


def messages(desk):
    return [
        json.loads(value) for value in desk.broker.read("clicks", 0, 0, max_messages=99, max_bytes=1 << 20).values()
    ]


def drained(desk):
    """The table's rows and the open envelopes, once a worker has taken in what there is."""
    location = desk.location
    worker = StreamWorker(location.lake, location.catalog, location.catalog["commerce/clicks"], desk.broker, run_id="t")
    while worker.step():
        pass
    worker.close()
    from tests.world import World  # noqa: PLC0415

    made = World(location, None)
    return made.rows("commerce/clicks").height, made.store("commerce/clicks").envelopes().height


def test_each_record_is_judged_and_told_by_its_position_and_becomes_a_row(desk, door):
    answer = door.post(PATH, json=[click(1), click(2, page="attic"), 7, click(3)])
    assert answer.status_code == 202
    told = answer.json()
    assert (told["accepted"], told["quarantined"], told["refused"]) == (2, 1, 1)
    assert [(record["position"], record["state"]) for record in told["records"]] == [(1, "quarantined"), (2, "refused")]
    assert "attic" not in answer.text
    assert drained(desk) == (2, 1)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", json.dumps(click(1))),
        ("application/x-ndjson", f"{json.dumps(click(1))}\n\n"),
        (ARROW["Content-Type"], arrow(click(1))),
        ("application/cloudevents+json", json.dumps(
            {"specversion": "1.0", "id": "1", "source": "/shop", "type": "click", "data": click(1)})),
    ],
)  # fmt: skip
def test_the_types_of_bodies(desk, door, kind, body):
    answer = door.post(PATH, content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
    assert messages(desk) == [click(1)]


def test_a_key_that_comes_again_is_answered_alike_and_kept_once(desk, door):
    first = door.post(PATH, json=click(1), headers={"Idempotency-Key": "a"})
    again = door.post(PATH, json=click(1), headers={"Idempotency-Key": "a"})
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(messages(desk)) == 1
    other = door.post(PATH, json=click(2), headers={"Idempotency-Key": "a"})
    assert other.status_code == 422
    event = {"specversion": "1.0", "id": "9", "source": "/shop", "type": "click", "data": click(3)}
    for _ in range(2):
        door.post(PATH, content=json.dumps(event), headers={"Content-Type": "application/cloudevents+json"})
    assert len(messages(desk)) == 2


def test_a_gateway_that_died_between_the_log_and_its_answer_keeps_the_records_once(desk):
    dataset = desk.location.catalog["commerce/clicks"]
    records = [json.dumps(click(number)).encode() for number in (1, 2)]
    ends = {0: 0}
    desk.push(dataset, records[:1])  # what a dying process wrote of it
    desk.ledger.begin("commerce/clicks", "k", b"".join(records), ends, at=desk.clock().timestamp())
    answer = desk.push(dataset, records, key="k", body=b"".join(records))
    assert answer.accepted == 2
    assert messages(desk) == [click(1), click(2)]


def test_two_gateways_on_one_ledger_keep_a_request_once_and_one_takes_over_from_a_dead_one(desk):
    dataset, body = desk.location.catalog["commerce/clicks"], json.dumps(click(1)).encode()
    other = replace(desk, ledger=ledger_of(desk.location.settings), _working=set())
    desk.ledger.begin("commerce/clicks", "k", body, {0: 0}, at=desk.clock().timestamp())
    with pytest.raises(Refused, match="Another gateway") as refused:
        other.push(dataset, [body], key="k", body=body)
    assert (refused.value.status, refused.value.retry_after) == (409, 1)
    desk.ledger.close()  # its process is gone, and with it the lock
    time.sleep(0.2)  # a list of members is a tenth of a second old
    assert other.push(dataset, [body], key="k", body=body).accepted == 1
    assert desk.push(dataset, [body], key="k", body=body).is_repeated
    assert messages(desk) == [click(1)]
    other.ledger.close()


def test_who_may_not_push_is_told_so(desk, door):
    assert door.post(PATH, json=click(1), headers={"Authorization": "Bearer nobody"}).status_code == 401
    assert door.post("/datasets/flights/flights", json={}).status_code == 403
    assert door.post("/datasets/commerce/orders", json={}).status_code == 404
    desk.ledger.revoke("shop")
    answer = door.post(PATH, json=click(1))
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert messages(desk) == [] if "clicks" in desk.broker.topics() else True


def test_a_token_is_not_kept_as_it_is(desk):
    token = desk.ledger.grant("shop", ["*"], at=0.0)
    desk.ledger.close()
    assert token.encode() not in desk.ledger.path.read_bytes()


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ({"content": b"{"}, 400),
        ({"content": b""}, 400),
        ({"content": b"[]"}, 400),
        ({"content": b"[1] x"}, 400),
        ({"content": b"\xff\xfe"}, 400),
        ({"content": b"[" * 100_000}, 400),
        ({"content": b"7"}, 422),
        ({"content": b" " * 300_000}, 413),
        ({"content": iter([b" " * 150_000] * 2)}, 413),
        ({"content": b"\n".join([b"{}"] * 10_001), "headers": {"Content-Type": "application/x-ndjson"}}, 413),
        ({"content": b"a,b", "headers": {"Content-Type": "text/csv"}}, 415),
        ({"content": b"no stream", "headers": ARROW}, 400),
        ({"content": arrow(click(1), compression="zstd"), "headers": ARROW}, 400),
        ({"content": arrow({"a": [1]}), "headers": ARROW}, 400),
        ({"content": b"x", "headers": {"Content-Encoding": "gzip"}}, 415),
    ],
)
def test_a_body_that_is_none_is_refused_and_nothing_of_it_kept(desk, door, words, status):
    assert door.post(PATH, **words).status_code == status
    assert "clicks" not in desk.broker.topics() or messages(desk) == []


def test_pressure_is_told_with_the_time_to_wait(desk, door):
    desk.most_lag = 1
    door.post(PATH, json=[click(1), click(2)])
    desk._lags.clear()
    answer = door.post(PATH, json=click(3))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert len(messages(desk)) == 2


def test_a_token_that_sent_more_than_its_rate_is_asked_to_wait(desk, door):
    slow = {"Authorization": f"Bearer {desk.ledger.grant('slow', ['*'], at=0.0, rate=1)}"}
    assert door.post(PATH, json=[click(number) for number in range(1, 60)], headers=slow).status_code == 202
    answer = door.post(PATH, json=click(60), headers=slow)
    assert (answer.status_code, answer.json()["detail"]) == (429, "slow may push 1 records a second.")
    assert 1 <= int(answer.headers["retry-after"]) <= 59
    assert door.post(PATH, json=click(61)).status_code == 202


def test_requests_above_the_number_at_work_are_asked_to_wait(desk):
    entered, go = threading.Event(), threading.Event()

    class SlowDesk(PushDesk):
        def push(self, *words, **more):
            entered.set()
            go.wait(10)
            return super().push(*words, **more)

    slow = SlowDesk(desk.location, desk.broker, desk.ledger)
    headers = {"Authorization": f"Bearer {desk.ledger.grant('shop', ['*'], at=0.0)}"}
    with TestClient(build_gateway(slow, most_requests=1), headers=headers) as client:
        statuses = []
        first = threading.Thread(target=lambda: statuses.append(client.post(PATH, json=click(1)).status_code))
        first.start()
        entered.wait(10)
        answer = client.post(PATH, json=click(2))
        go.set()
        first.join()
    assert (answer.status_code, answer.headers["retry-after"], statuses) == (429, "1", [202])


def test_the_description_names_the_door(door):
    described = door.get("/openapi.json").json()
    assert set(described["paths"]) == {"/datasets/{domain}/{dataset}"}
    answers = described["paths"]["/datasets/{domain}/{dataset}"]["post"]["responses"]
    assert {"202", "401", "413", "429", "503"} <= set(answers)


@pytest.mark.parametrize("body", [b'{"click_id": 1e999}', b'{"click_id": true}', b'{"page": "\\ud800"}'])
def test_a_record_whose_values_have_no_type_that_a_rule_can_be_computed_on_waits_and_the_worker_goes_on(
    door, desk, body
):
    assert door.post(PATH, content=body, headers={"Content-Type": "application/json"}).json()["quarantined"] == 1
    deep = b'{"a":' * 20_000
    answer = door.post(PATH, content=b"\n".join([body, deep]), headers={"Content-Type": "application/x-ndjson"}).json()
    assert (answer["quarantined"], answer["refused"]) == (1, 1)
    assert door.post(PATH, json=click(1)).json()["accepted"] == 1
    assert drained(desk) == (1, 2)
