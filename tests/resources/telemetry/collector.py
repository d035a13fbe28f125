"""An OTLP receiver on loopback: the spans that a collector would be sent."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.resources.alerts.sinks import HttpSink, http_sink


def spans(sink: HttpSink) -> list[Span]:
    """All spans received, in the order of their ends."""
    requests = [ExportTraceServiceRequest.FromString(body) for path, _, body in sink.posts if path == "/v1/traces"]
    return [
        span
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


@contextmanager
def collector() -> Iterator[HttpSink]:
    with http_sink() as sink:
        yield sink
