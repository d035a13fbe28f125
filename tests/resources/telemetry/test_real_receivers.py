"""Spans through a real collector, and into a real Jaeger that finds them again; a lane, where their binaries are.

`OTELCOL` and `JAEGER` name the binaries: an OpenTelemetry collector with the OTLP receiver and the OTLP exporter over
HTTP, and Jaeger's all in one of 1.35 to 1.76. `.ci/otelcol` and `.ci/jaeger` build them.
"""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from platform_resources.settings import Settings
from platform_resources.telemetry import open_span, run_traceparent
from tests.resources.alerts.sinks import http_sink

COLLECTOR = os.environ.get("OTELCOL") or shutil.which("otelcol") or ""
JAEGER = os.environ.get("JAEGER") or shutil.which("jaeger") or ""
pytestmark = pytest.mark.lane


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


@contextmanager
def running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=(folder / "log").open("w"), stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and process.poll() is None:
            with socket.socket() as door:
                if door.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(10)


def send(tmp_path: Path, port: int) -> str:
    run_id = str(uuid.uuid4())
    settings = Settings.from_environment(
        {"PLATFORM_STATE": str(tmp_path), "PLATFORM_TRACES": f"http://127.0.0.1:{port}"}
    )
    with open_span(settings, "step", parent=run_traceparent(run_id), attributes={"dataset": "shop/sales"}, flush=True):
        pass
    return uuid.UUID(run_id).hex


def until(answer: Any) -> Any:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if found := answer():
            return found
        time.sleep(0.2)
    raise AssertionError("nothing came")


@pytest.mark.skipif(not COLLECTOR, reason="no OpenTelemetry collector: name its binary by OTELCOL")
def test_a_collector_hands_our_spans_on(tmp_path: Path) -> None:
    port = free_port()
    with http_sink() as sink:
        configuration = {
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}},
            "exporters": {"otlphttp": {"endpoint": sink.url, "encoding": "json", "compression": "none"}},
            "service": {
                "telemetry": {"metrics": {"level": "none"}},
                "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["otlphttp"]}},
            },
        }
        path = tmp_path / "config.yaml"
        path.write_text(json.dumps(configuration))
        with running([COLLECTOR, "--config", str(path)], tmp_path, port):
            trace = send(tmp_path, port)
            body = until(lambda: b"".join(body for path, _, body in sink.posts if path == "/v1/traces"))
    assert trace.encode() in body


@pytest.mark.skipif(not JAEGER, reason="no Jaeger: name its binary by JAEGER")
def test_jaeger_finds_a_step_by_its_run(tmp_path: Path) -> None:
    port, query = free_port(), free_port()
    servers = "http-server. query.grpc-server. collector.otlp.grpc. collector.grpc-server. collector.http-server."
    agents = "processor.jaeger-binary.server- processor.jaeger-compact.server- processor.zipkin-compact.server-"
    doors = {"collector.otlp.http.": port, "query.http-server.": query}
    doors |= dict.fromkeys(["admin.http.", *servers.split(), *agents.split()], 0)
    command = [JAEGER, *(f"--{door}host-port=127.0.0.1:{at}" for door, at in doors.items())]
    with running(command, tmp_path, query):
        trace = send(tmp_path, port)

        def stored() -> Any:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{query}/api/traces/{trace}", timeout=5) as answer:
                    return json.loads(answer.read())["data"]
            except OSError:
                return None

        (found,) = until(stored)
    assert [span["operationName"] for span in found["spans"]] == ["step"]
