"""A step as a span, below the span of its run, which is below the tick that asked for the run where there was one.

A run that Dagster's automation asked for goes on with the trace of the run that made what it reads; where several did,
with that of the newest, and its steps link to the others.
"""

from collections.abc import Callable, Collection, Iterator
from functools import wraps
from typing import Any

import dagster as dg

from platform_resources.settings import Settings
from platform_resources.telemetry import Span, log_event, open_span, run_traceparent
from platform_resources.telemetry.tracing import TRACEPARENT_TAG

_BY_AUTOMATION = "dagster/from_automation_condition"


def traced(name: str, body: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """Yield the same body within a span of its own, whose outputs link to the trace; without traces it is the body.

    Args:
        name: Of the dataset.
        body: Of an asset, with a parameter `context` and the resource `lake`.
    """

    @wraps(body)
    def tracing(context: dg.AssetExecutionContext, **kwargs: Any) -> Iterator[Any]:
        settings: Settings = kwargs["lake"].settings
        with open_step(settings, name, context) as span:
            rows = None
            for event in body(context, **kwargs):
                if isinstance(event, dg.Output):
                    rows = event.metadata.get("rows_in")
                yield _linked(event, span, settings)
            log_event(settings, "step", dataset=name, run_id=context.run.run_id,
                      rows=rows.value if rows is not None and isinstance(rows.value, int) else None)  # fmt: skip

    return tracing


def open_step(settings: Settings, name: str, context: dg.AssetExecutionContext) -> Any:
    """Open the span of a step of a run."""
    run = context.run
    attributes = {"dataset": name, "dagster.run_id": run.run_id, "dagster.job": run.job_name}
    if settings.traces is None:
        return open_span(settings, "step")
    makers = _makers(context)
    asked_by = _asked_by(context.instance, run.run_id, makers)
    return open_span(
        settings,
        "step",
        parent=run_traceparent(run.run_id, asked_by),
        links=[traceparent for traceparent in makers if traceparent != asked_by],
        attributes=attributes,
        flush=True,
    )


def _asked_by(instance: dg.DagsterInstance, run_id: str, makers: Collection[str]) -> str:
    """Return the traceparent of what asked for the run.

    A tag keeps it, so that all its steps and the run itself agree.
    """
    run = instance.get_run_by_id(run_id)
    tags = run.tags if run else {}
    if TRACEPARENT_TAG not in tags and _BY_AUTOMATION in tags and makers:
        instance.add_run_tags(run_id, {TRACEPARENT_TAG: next(iter(makers))})
        return next(iter(makers))
    return tags.get(TRACEPARENT_TAG, "")


def _makers(context: dg.AssetExecutionContext) -> list[str]:
    """Return the traceparents of the other runs that last made what the step reads, the newest first."""
    read = {key for own in context.selected_asset_keys for key in context.assets_def.asset_deps[own]}
    events = context.instance.get_latest_materialization_events(read - context.selected_asset_keys)
    made = sorted(((event.timestamp, event.run_id) for event in events.values() if event), reverse=True)
    makers = dict.fromkeys(run_id for _, run_id in made if run_id and run_id != context.run.run_id)
    runs = (context.instance.get_run_by_id(run_id) for run_id in makers)
    return [run_traceparent(run.run_id, run.tags.get(TRACEPARENT_TAG, "")) for run in runs if run]


def _linked(event: Any, span: Span, settings: Settings) -> Any:
    if not span.trace_id or not isinstance(event, dg.Output):
        return event
    link = settings.trace_link.replace("{trace_id}", span.trace_id)
    trace = dg.MetadataValue.url(link) if link else dg.MetadataValue.text(span.trace_id)
    return event.with_metadata({**event.metadata, "trace": trace})
