"""Spans over OTLP: a trace goes from a sensor's tick through a run and its steps to micro-batches and dbt.

A process makes its provider when it opens its first span, which is after the fork of a step's process, and the end of
a step sends what is kept. Attributes are names, ids and counts; an error is its class, never its words.
The span of a run is sent when the run is over; its id follows from the run's, so that steps can be below it before.
"""

import hashlib
import os
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from platform_resources.settings import Settings

Attribute = str | int | float | bool

TRACEPARENT_TAG = "platform/traceparent"
"""The tag of a run that says which span asked for it."""

_FLUSH_MILLISECONDS = 3_000
_current: ContextVar[str] = ContextVar("traceparent", default="")
_own: ContextVar[str] = ContextVar("own traceparent", default="")
_tracers: dict[tuple[int, str], tuple[Any, Any]] = {}


@dataclass
class Span:
    """A span under way; without traces it keeps what it is told and sends nothing.

    Attributes:
        traceparent: Of W3C's trace context; empty without traces.
    """

    traceparent: str = ""
    _span: Any = field(default=None, repr=False)

    @property
    def trace_id(self) -> str:
        """The trace in hexadecimal; empty without traces."""
        return self.traceparent.split("-")[1] if self.traceparent else ""

    def set(self, **attributes: Attribute) -> None:
        """Add attributes."""
        if self._span is not None:
            self._span.set_attributes(attributes)


def run_traceparent(run_id: str, asked_by: str = "") -> str:
    """Return the traceparent of a run's own span, below which its steps are.

    Args:
        run_id: Of Dagster.
        asked_by: The traceparent of what asked for the run; without one its trace id is the run's id.
    """
    try:
        run = uuid.UUID(run_id).hex
    except ValueError:
        run = hashlib.sha256(run_id.encode()).hexdigest()[:32]
    trace = asked_by.split("-")[1] if _is_traceparent(asked_by) else run
    return f"00-{trace}-{hashlib.sha256(run.encode()).hexdigest()[:16]}-01"


def _is_traceparent(text: str) -> bool:
    return re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", text) is not None


def current_trace() -> str:
    """Return the trace that this code works in; empty without one."""
    current = _current.get()
    return current.split("-")[1] if current else ""


def current_traceparent() -> str:
    """Return the W3C trace context that this code works in, for a message or a request; empty without one."""
    return _current.get()


@contextmanager
def open_span(
    settings: Settings,
    name: str,
    *,
    parent: str = "",
    links: Sequence[str] = (),
    attributes: Mapping[str, Attribute] | None = None,
    flush: bool = False,
) -> Iterator[Span]:
    """Open a span below `parent`, or below the span that is open here; nothing is imported where traces are off.

    Args:
        settings: Say where spans go.
        name: Of what is done, of few different ones.
        parent: A traceparent; a malformed one counts as none.
        links: Traceparents of what else led to it, such as the runs that made what it reads.
        attributes: What is known from the start.
        flush: Whether what was kept is sent at its end, for a process that may end behind it; at most three seconds.
    """
    if settings.traces is None:
        yield Span()
        return
    from opentelemetry import trace  # noqa: PLC0415 - an extra, for who traces

    provider, tracer = _tracer(settings.traces, settings.environment)
    outer = _current.get()
    span = tracer.start_span(
        name, context=_context(parent or outer), attributes=dict(attributes or {}), links=list(_links(links))
    )
    context = span.get_span_context()
    traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-01"
    _current.set(traceparent)
    try:
        yield Span(traceparent, span)
    except BaseException as error:
        if not isinstance(error, GeneratorExit):
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(trace.StatusCode.ERROR)
        raise
    finally:
        _current.set(outer)  # a generator may end in another context than it began in, which reset() would refuse
        span.end()
        if flush:
            provider.force_flush(_FLUSH_MILLISECONDS)


def send_span(  # noqa: PLR0913 - what a span is
    settings: Settings,
    name: str,
    *,
    began: datetime,
    ended: datetime,
    own: str = "",
    parent: str = "",
    attributes: Mapping[str, Attribute] | None = None,
    error: str = "",
) -> None:
    """Send a span of what is over; without traces nothing is done.

    Args:
        settings: Say where spans go.
        name: Of what was done.
        began: When.
        ended: When.
        own: The traceparent under which others already know it; else it is given a new one.
        parent: A traceparent, or what is open here where there is neither.
        attributes: What is known of it.
        error: The class of the error that it ended with.
    """
    if settings.traces is None:
        return
    from opentelemetry import trace  # noqa: PLC0415 - an extra, for who traces

    _, tracer = _tracer(settings.traces, settings.environment)
    token = _own.set(own)
    above = parent or ("" if own else _current.get())
    start, end = (int(at.timestamp() * 1e9) for at in (began, ended))
    span = tracer.start_span(name, context=_context(above), attributes=dict(attributes or {}), start_time=start)
    _own.reset(token)
    if error:
        span.set_attribute("error.type", error)
        span.set_status(trace.StatusCode.ERROR)
    span.end(end)


def flush_spans(settings: Settings) -> None:
    """Send what this process keeps; at most three seconds."""
    if settings.traces is not None:
        _tracer(settings.traces, settings.environment)[0].force_flush(_FLUSH_MILLISECONDS)


def _tracer(endpoint: str, environment: str) -> tuple[Any, Any]:
    key = os.getpid(), endpoint
    if key not in _tracers:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        resource = Resource({"service.name": "platform", "deployment.environment.name": environment})
        provider = TracerProvider(resource=resource, id_generator=_id_generator())
        exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", timeout=2)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        _tracers[key] = provider, provider.get_tracer("platform")
    return _tracers[key]


def _id_generator() -> Any:
    """Random ids, but for a span that others already know."""
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator  # noqa: PLC0415

    class Ids(RandomIdGenerator):
        def generate_span_id(self) -> int:
            own = _own.get()
            return int(own.split("-")[2], 16) if own else super().generate_span_id()

        def generate_trace_id(self) -> int:
            own = _own.get()
            return int(own.split("-")[1], 16) if own else super().generate_trace_id()

    return Ids()


def _links(traceparents: Sequence[str]) -> Iterator[Any]:
    from opentelemetry import trace  # noqa: PLC0415

    for traceparent in dict.fromkeys(traceparents):
        context = _context(traceparent)
        linked = trace.get_current_span(context).get_span_context()
        if traceparent and linked.is_valid:
            yield trace.Link(linked)


def _context(traceparent: str) -> Any:
    from opentelemetry.context import Context  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    return TraceContextTextMapPropagator().extract({"traceparent": traceparent}, context=Context())
