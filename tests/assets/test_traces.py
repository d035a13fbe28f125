"""One trace from the sensor's tick to the steps of the run that it asked for, with a link on the asset's page."""

from pathlib import Path

import dagster as dg

from platform_assets.operations.landing import TRACEPARENT_TAG
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
