"""Traces by OpenTelemetry and logs by structlog, for who has asked for them; neither is imported without."""

from platform_resources.telemetry.logs import log_event
from platform_resources.telemetry.tracing import Span, current_traceparent, open_span, trace_of_run

__all__ = ["Span", "current_traceparent", "log_event", "open_span", "trace_of_run"]
