"""Spans over OTLP: a trace goes from a sensor's tick through the steps of its run to micro-batches and dbt.

A process makes its provider when it opens its first span, which is after the fork of a step's process, and the end of
a step sends what is kept. Attributes are names, ids and counts; an error is its class, never its words.
"""

import hashlib
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from platform_resources.settings import Settings

Attribute = str | int | float | bool

TRACEPARENT_TAG = "platform/traceparent"
"""The tag of a run that says which span asked for it."""

_FLUSH_MILLISECONDS = 3_000
_current: ContextVar[str] = ContextVar("traceparent", default="")
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


def trace_of_run(run_id: str) -> str:
    """Return the parent of all spans of a run that nothing traced asked for: its trace id is the run's id."""
    try:
        trace = uuid.UUID(run_id).hex
    except ValueError:
        trace = hashlib.sha256(run_id.encode()).hexdigest()[:32]
    return f"00-{trace}-{hashlib.sha256(trace.encode()).hexdigest()[:16]}-01"


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
    attributes: Mapping[str, Attribute] | None = None,
    flush: bool = False,
) -> Iterator[Span]:
    """Open a span below `parent`, or below the span that is open here; nothing is imported where traces are off.

    Args:
        settings: Say where spans go.
        name: Of what is done, of few different ones.
        parent: A traceparent; a malformed one counts as none.
        attributes: What is known from the start.
        flush: Whether what was kept is sent at its end, for a process that may end behind it; at most three seconds.
    """
    if settings.traces is None:
        yield Span()
        return
    from opentelemetry import trace  # noqa: PLC0415 - an extra, for who traces

    provider, tracer = _tracer(settings.traces, settings.environment)
    outer = _current.get()
    span = tracer.start_span(name, context=_context(parent or outer), attributes=dict(attributes or {}))
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


def _tracer(endpoint: str, environment: str) -> tuple[Any, Any]:
    key = os.getpid(), endpoint
    if key not in _tracers:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        resource = Resource({"service.name": "platform", "deployment.environment.name": environment})
        provider = TracerProvider(resource=resource)
        exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", timeout=2)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        _tracers[key] = provider, provider.get_tracer("platform")
    return _tracers[key]


def _context(traceparent: str) -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    return TraceContextTextMapPropagator().extract({"traceparent": traceparent}) if traceparent else None
