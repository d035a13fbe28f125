"""One trace from the sensor's tick to the run that it asked for, its steps, and the runs that follow by themselves."""

import json
from contextlib import closing
from pathlib import Path

import dagster as dg
from starlette.testclient import TestClient

from platform_assets.entrypoints.push_gateway import build_gateway
from platform_assets.ingest.stream import StreamWorker
from platform_assets.operations.landing import TRACEPARENT_TAG
from platform_assets.operations.push import PushDesk, ledger_of
from platform_assets.operations.run_traces import send_runs
from platform_resources.brokers import open_broker
from platform_resources.telemetry import open_span
from tests.assets.test_landing_sensor import settle, tick
from tests.resources.telemetry.collector import collector, spans
from tests.world import sales, world


def test_a_tick_its_run_the_steps_and_the_run_that_follows_are_one_trace(tmp_path: Path) -> None:
    with collector() as sink, world(
        tmp_path, PLATFORM_TRACES=sink.url, PLATFORM_TRACE_LINK="http://jaeger.test/trace/{trace_id}"
    ) as shop:  # fmt: skip
        shop.land("shop/sales-1.parquet", sales((1, "apple", 1.0), (2, "pear", 2.0), (3, "plum", 3.0)))
        settle(shop)
        (request,) = tick(shop, None).run_requests
        _, trace, parent, _ = request.tags[TRACEPARENT_TAG].split("-")
        cursor = json.dumps({"last": 0, "known": []})
        first = shop.materialise("shop/sales", partitions=["2024-01"], tags=dict(request.tags))
        by_itself = {"dagster/from_automation_condition": "true"}
        follows = shop.materialise("shop/takings", partitions=["2024-01"], tags=by_itself)
        by_hand = shop.materialise("shop/takings", partitions=["2024-01"])
        sent, after = send_runs(shop.location.settings, shop.instance, cursor)
        again, _ = send_runs(shop.location.settings, shop.instance, after)
        found = spans(sink)
        bodies = b"".join(body for _, _, body in sink.posts)
        event = shop.instance.get_latest_materialization_event(dg.AssetKey(["shop", "sales"]))
    assert (first.success, follows.success, by_hand.success, sent, again) == (True, True, True, 3, 0)
    ids = {span.span_id.hex(): span for span in found}
    one = [span for span in found if span.trace_id.hex() == trace]
    assert sorted(span.name for span in one) == ["run", "run", "step", "step", "tick"]
    above = {(span.name, ids[span.parent_span_id.hex()].name) for span in one if span.parent_span_id}
    assert above == {("run", "tick"), ("step", "run"), ("run", "run")}
    assert parent in ids
    (asked,) = [span for span in found if span.name == "step" and span not in one]
    assert (ids[asked.parent_span_id.hex()].parent_span_id, [link.trace_id.hex() for link in asked.links]) == (
        b"",
        [trace],
    )
    assert event.asset_materialization.metadata["trace"].value == f"http://jaeger.test/trace/{trace}"
    assert not any(value in bodies for value in (b"plum", b"ada@example.com"))


def test_a_push_is_in_its_callers_trace_and_a_micro_batch_is_a_span(tmp_path: Path) -> None:
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    click = {"click_id": "0123456789abcdef", "visitor": "canary", "page": "home", "duration_ms": 5,
             "at": "2024-03-01T09:00:00Z"}  # fmt: skip
    with (
        collector() as sink,
        world(tmp_path, "platform_assets.domains.commerce", PLATFORM_TRACES=sink.url) as shop,
        closing(open_broker(shop.location.settings)) as broker,
    ):
        desk = PushDesk(shop.location, broker, ledger_of(shop.location.settings))
        token = desk.ledger.grant("shop", ["commerce/*"], at=0.0)
        headers = {"Authorization": f"Bearer {token}", "traceparent": f"00-{trace}-{parent}-01"}
        with TestClient(build_gateway(desk, most_bytes=200_000), headers=headers) as client:
            assert client.post("/datasets/commerce/clicks", json=click).status_code == 202
        clicks = shop.dataset("commerce/clicks")
        worker = StreamWorker(shop.location.lake, shop.location.catalog, clicks, broker, run_id="t")
        while worker.step():
            pass
        worker.close()
        with open_span(shop.location.settings, "end", flush=True):
            pass
        sent = {span.name: span for span in spans(sink)}
        bodies = b"".join(body for _, _, body in sink.posts)
    assert (sent["push"].trace_id.hex(), sent["push"].parent_span_id.hex()) == (trace, parent)
    facts = {each.key: each.value for each in sent["micro-batch"].attributes}
    assert (facts["dataset"].string_value, facts["messages"].int_value) == ("commerce/clicks", 1)
    assert b"canary" not in bodies
