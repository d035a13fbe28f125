"""A step as a span, below the sensor's tick that asked for its run where there was one."""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import dagster as dg

from platform_resources.settings import Settings
from platform_resources.telemetry import Span, log_event, open_span, trace_of_run
from platform_resources.telemetry.tracing import TRACEPARENT_TAG


def traced(name: str, body: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """The same body within a span of its own, whose outputs link to the trace; without traces it is the body.

    Args:
        name: Of the dataset.
        body: Of an asset, with a parameter `context` and the resource `lake`.
    """

    @wraps(body)
    def tracing(context: dg.AssetExecutionContext, **kwargs: Any) -> Iterator[Any]:
        settings: Settings = kwargs["lake"].settings
        with open_step(settings, name, context.run) as span:
            rows = None
            for event in body(context, **kwargs):
                if isinstance(event, dg.Output):
                    rows = event.metadata.get("rows_in")
                yield _linked(event, span, settings)
            log_event(settings, "step", dataset=name, run_id=context.run.run_id,
                      rows=rows.value if rows is not None and isinstance(rows.value, int) else None)  # fmt: skip

    return tracing


def open_step(settings: Settings, name: str, run: dg.DagsterRun) -> Any:
    """Open the span of a step of a run."""
    parent = run.tags.get(TRACEPARENT_TAG) or trace_of_run(run.run_id)
    attributes = {"dataset": name, "dagster.run_id": run.run_id, "dagster.job": run.job_name}
    return open_span(settings, "step", parent=parent, attributes=attributes, flush=True)


def _linked(event: Any, span: Span, settings: Settings) -> Any:
    if not span.trace_id or not isinstance(event, dg.Output):
        return event
    link = settings.trace_link.replace("{trace_id}", span.trace_id)
    trace = dg.MetadataValue.url(link) if link else dg.MetadataValue.text(span.trace_id)
    return event.with_metadata({**event.metadata, "trace": trace})
