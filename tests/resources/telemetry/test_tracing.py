"""Spans reach a receiver over OTLP, belong together, and say nothing of values; off, nothing is imported."""

import io
import json
import os
import subprocess
import sys
import uuid
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from platform_resources.settings import Settings
from platform_resources.telemetry import log_event, open_span, run_traceparent
from tests.resources.telemetry.collector import collector, spans


def settings(tmp_path: Path, **variables: str) -> Settings:
    return Settings.from_environment({"PLATFORM_STATE": str(tmp_path), **variables})


def test_spans_nest_below_the_trace_of_their_run(tmp_path: Path) -> None:
    run_id = str(uuid.uuid4())
    with collector() as sink:
        chosen = settings(tmp_path, PLATFORM_TRACES=sink.url)
        with open_span(chosen, "step", parent=run_traceparent(run_id), flush=True), open_span(chosen, "inner") as inner:
            inner.set(rows=3)
        below, above = spans(sink)
    assert above.trace_id.hex() == below.trace_id.hex() == uuid.UUID(run_id).hex
    assert (below.name, below.parent_span_id) == ("inner", above.span_id)


def test_an_error_is_told_by_its_class_and_not_by_its_words(tmp_path: Path) -> None:
    with collector() as sink:
        chosen = settings(tmp_path, PLATFORM_TRACES=sink.url)
        with pytest.raises(ValueError, match="ada"), open_span(chosen, "step", flush=True):
            raise ValueError("ada@example.com is no number")
        (span,) = spans(sink)
        bodies = b"".join(body for _, _, body in sink.posts)
    assert {each.key: each.value.string_value for each in span.attributes} == {"error.type": "ValueError"}
    assert b"ada@" not in bodies


def test_a_forked_process_makes_a_provider_of_its_own(tmp_path: Path) -> None:
    with collector() as sink:
        chosen = settings(tmp_path, PLATFORM_TRACES=sink.url)
        with open_span(chosen, "parent", flush=True):
            pass
        child = os.fork()
        if child == 0:
            with open_span(chosen, "child", flush=True):
                pass
            os._exit(0)
        os.waitpid(child, 0)
        assert [span.name for span in spans(sink)] == ["parent", "child"]


def test_a_receiver_that_is_gone_stops_no_work(tmp_path: Path) -> None:
    with open_span(settings(tmp_path, PLATFORM_TRACES="http://127.0.0.1:1"), "step") as span:
        assert len(span.trace_id) == 32


def test_without_traces_and_logs_nothing_of_them_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom platform_resources.settings import Settings\n"
        "from platform_resources.telemetry import log_event, open_span\n"
        f"settings = Settings.from_environment({{'PLATFORM_STATE': {str(tmp_path)!r}}})\n"
        "with open_span(settings, 'step') as span: log_event(settings, 'step')\n"
        "print(span.trace_id, [m for m in ('opentelemetry', 'structlog') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_log_line_is_json_with_the_trace_and_the_ids_that_correlate(tmp_path: Path) -> None:
    with collector() as sink, redirect_stderr(io.StringIO()) as lines:
        chosen = settings(tmp_path, PLATFORM_LOGS="json", PLATFORM_TRACES=sink.url)
        with open_span(chosen, "step") as span:
            log_event(chosen, "input", dataset="shop/sales", source="shop/sales-1.parquet", run_id="r")
    line = json.loads(lines.getvalue())
    assert (line["event"], line["trace_id"], line["source"]) == ("input", span.trace_id, "shop/sales-1.parquet")
