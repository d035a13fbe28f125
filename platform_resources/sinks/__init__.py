"""Where changed rows go besides their table: the port, and an adapter for each kind, found by its name."""

from platform_resources.sinks.base import Changes, Sink, SinkContext, open_sink
from platform_resources.sinks.errors import SinkError, SinkRefused, SinkUnreachable

__all__ = ["Changes", "Sink", "SinkContext", "SinkError", "SinkRefused", "SinkUnreachable", "open_sink"]
