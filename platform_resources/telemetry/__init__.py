"""Traces by OpenTelemetry and logs by structlog, for who has asked for them; neither is imported without."""

from platform_resources.telemetry.logs import log_event
from platform_resources.telemetry.tracing import (
    Span,
    current_traceparent,
    flush_spans,
    open_span,
    run_traceparent,
    send_span,
)

__all__ = [
    "Span",
    "current_traceparent",
    "flush_spans",
    "log_event",
    "open_span",
    "run_traceparent",
    "send_span",
]
