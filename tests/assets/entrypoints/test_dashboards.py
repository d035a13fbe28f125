"""Every query of every dashboard runs in a real Prometheus over the exporter's page, and finds its metrics there."""

import importlib.util
import json
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from platform_assets.entrypoints.commands.serve import handler_of
from platform_assets.operations.metrics import Exporter, render_metrics
from tests.assets.entrypoints.conftest import BAD, Shell

FOLDER = Path(__file__).parents[3] / "deploy" / "grafana"
PROMETHEUS = shutil.which("prometheus") or ""


def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dashboards", FOLDER / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def queries() -> Iterator[str]:
    for path in FOLDER.glob("*.json"):
        for panel in json.loads(path.read_text())["panels"]:
            yield from (target["expr"].replace("$dataset", ".*") for target in panel.get("targets", ()))


def test_the_dashboards_are_as_their_script_writes_them() -> None:
    made = {name: builder().dashboard(name) for name in builder().DASHBOARDS}
    assert {path.stem: json.loads(path.read_text()) for path in FOLDER.glob("*.json")} == made


def test_every_query_asks_for_metrics_that_the_exporter_has(shell: Shell) -> None:
    families = text_string_to_metric_families(render_metrics(shell.world.location).decode())
    known = {f"{each.name}_total" if each.type == "counter" else each.name for each in families}
    asked = {name for query in queries() for name in re.findall(r"\bplatform_[a-z_]+\b(?!\()", query)}
    assert asked - known - {"platform_dataset_last_"} == set()


@pytest.mark.skipif(not PROMETHEUS, reason="prometheus is not installed (Debian: prometheus)")
def test_every_query_runs_in_a_prometheus_that_scrapes_the_exporter(shell: Shell, tmp_path: Path) -> None:
    shell.world.land("shop/sales-1.parquet", BAD)
    shell.world.materialise("shop/sales", partitions=["2024-01"])
    exporter, port = Exporter(shell.world.location, keep_seconds=60), free_port()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(exporter)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        target = f"127.0.0.1:{server.server_address[1]}"
        (tmp_path / "prometheus.yml").write_text(json.dumps({
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [{"job_name": "platform", "static_configs": [{"targets": [target]}]}],
        }))  # fmt: skip
        arguments = [PROMETHEUS, f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/tsdb",
                     f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]  # fmt: skip
        process = subprocess.Popen(arguments)
        try:
            wait_for(port, "increase(platform_events_total[1h])")
            empty = [query for query in queries() if not ask(port, query)]
        finally:
            process.terminate()
            process.wait(10)
            server.shutdown()
    assert empty == []


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


def ask(port: int, query: str) -> list[Any]:
    url = f"http://127.0.0.1:{port}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        document = json.loads(answer.read())
    assert document["status"] == "success", (query, document)
    result: list[Any] = document["data"]["result"]
    return result


def wait_for(port: int, query: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if ask(port, query):
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"nothing answers {query}")
