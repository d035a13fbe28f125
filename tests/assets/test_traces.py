"""One trace from the sensor's tick to the steps of the run that it asked for, with a link on the asset's page."""

from contextlib import closing
from pathlib import Path

import dagster as dg
from starlette.testclient import TestClient

from platform_assets.entrypoints.push_gateway import build_gateway
from platform_assets.ingest.stream import StreamWorker
from platform_assets.operations.landing import TRACEPARENT_TAG
from platform_assets.operations.push import PushDesk, ledger_of
from platform_resources.brokers import open_broker
from platform_resources.telemetry import open_span
from tests.assets.test_landing_sensor import settle, tick
from tests.resources.telemetry.collector import collector, spans
from tests.world import sales, world


def test_the_steps_of_a_run_are_in_the_trace_of_the_tick_that_asked_for_it(tmp_path: Path) -> None:
    with collector() as sink, world(
        tmp_path, PLATFORM_TRACES=sink.url, PLATFORM_TRACE_LINK="http://jaeger.test/trace/{trace_id}"
    ) as shop:  # fmt: skip
        shop.land("shop/sales-1.parquet", sales((1, "apple", 1.0), (2, "pear", 2.0), (3, "plum", 3.0)))
        settle(shop)
        (request,) = tick(shop, None).run_requests
        _, trace, parent, _ = request.tags[TRACEPARENT_TAG].split("-")
        shop.materialise("shop/sales", "shop/takings", partitions=["2024-01"], tags=dict(request.tags))
        steps = [span for span in spans(sink) if span.name == "step"]
        bodies = b"".join(body for _, _, body in sink.posts)
        event = shop.instance.get_latest_materialization_event(dg.AssetKey(["shop", "sales"]))
    assert {(step.trace_id.hex(), step.parent_span_id.hex()) for step in steps} == {(trace, parent)}
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
