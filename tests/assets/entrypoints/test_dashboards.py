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
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._daemon.types import DaemonHeartbeat
from dagster_shared.error import SerializableErrorInfo
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from platform_assets.entrypoints.commands.serve import handler_of
from platform_assets.ingest.stream import create_topic
from platform_assets.location import CodeLocation
from platform_assets.operations.metrics import Exporter, render_metrics
from platform_core.contracts import Dataset, Delta, Generated, Topic, catalog_of
from platform_resources.alerts import Outbox
from platform_resources.brokers import open_broker
from tests.assets.entrypoints.conftest import BAD, Shell

FOLDER = Path(__file__).parents[3] / "deploy" / "grafana"
PROMETHEUS = shutil.which("prometheus") or ""


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def queries() -> Iterator[str]:
    for path in FOLDER.glob("*.json"):
        for panel in json.loads(path.read_text())["panels"]:
            yield from (target["expr"].replace("$dataset", ".*") for target in panel.get("targets", ()))


def test_the_dashboards_are_as_their_script_writes_them() -> None:
    made = {name: module("build").dashboard(name) for name in module("build").DASHBOARDS}
    assert {path.stem: json.loads(path.read_text()) for path in FOLDER.glob("*.json")} == made


def test_every_query_asks_for_metrics_that_the_exporter_has(shell: Shell) -> None:
    families = text_string_to_metric_families(render_metrics(shell.world.location).decode())
    known = {f"{each.name}_total" if each.type == "counter" else each.name for each in families}
    asked = {name for query in queries() for name in re.findall(r"\bplatform_[a-z_]+\b(?!\()", query)}
    asked = {re.sub(r"_seconds_(bucket|sum|count)$", "_seconds", name) for name in asked}
    assert asked - known - {"platform_dataset_last_"} == set()


@pytest.mark.skipif(not PROMETHEUS, reason="prometheus is not installed (Debian: prometheus)")
def test_every_query_finds_a_series_in_a_prometheus_that_scrapes_the_exporter(shell: Shell, tmp_path: Path) -> None:
    worked, watched = shell.world.location, watching(shell)
    shell.world.land("shop/sales-1.parquet", BAD)
    shell.world.materialise("shop/sales", partitions=["2024-01"])
    exporters, port = [Exporter(each, keep_seconds=1) for each in (worked, watched)], free_port()
    with serving(exporters[0]) as first, serving(exporters[1]) as second:
        (tmp_path / "prometheus.yml").write_text(json.dumps({
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [{"job_name": "platform", "static_configs": [{"targets": [first, second]}]}],
        }))  # fmt: skip
        arguments = [PROMETHEUS, f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/tsdb",
                     f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]  # fmt: skip
        process = subprocess.Popen(arguments)
        try:
            wait_for(port, "increase(platform_events_total[1h])")
            shell.world.materialise("shop/sales", partitions=["2024-01"])
            wait_for(port, 'rate(platform_run_duration_seconds_bucket{le="+Inf"}[1h]) > 0')
            empty = {query for query in queries() if not ask(port, query)}
            drawn = module("draw").draw(f"http://127.0.0.1:{port}", "platform")
        finally:
            process.terminate()
            process.wait(10)
    assert drawn.count("<svg") == 9
    assert drawn.count(">none<") == 1  # the cache
    assert empty == {query for query in queries() if "cache_lookups" in query}  # this lake is no S3


def watching(shell: Shell) -> CodeLocation:
    """Build what the dashboards ask for beside the shop: a limit, a topic, a slot, a daemon, a tick, a refusal."""
    dataset, instance = shell.world.dataset("shop/sales"), shell.world.instance
    beside: dict[str, Any] = {"owner": "team:shop", "version": "1.0.0", "key": dataset.key}
    daily = Dataset("shop/daily", dataset.model, source=Generated(rows=1), freshness=timedelta(hours=1), **beside)
    live = Dataset("shop/live", dataset.model, source=Topic("live"), store=Delta(mode="append"), **beside)
    instance.report_runless_asset_event(dg.AssetMaterialization(dg.AssetKey(["shop", "daily"])))
    instance.add_daemon_heartbeat(DaemonHeartbeat(time.time(), "SENSOR", "id", []))
    instance.event_log_storage.set_concurrency_slots("lake", 1)
    instance.event_log_storage.claim_concurrency_slot("lake", "a run", "a step")
    add_failed_tick(instance)
    location = replace(shell.world.location, declared=catalog_of([daily, live]))
    with closing(open_broker(location.settings)) as broker:
        create_topic(broker, location.lake, live)
    outbox = Outbox(location.settings.state)
    outbox.commit({}, [{"id": "a message", "channel": "team", "due_at": time.time(), "document": {}}])
    outbox.note_refused("a message", "answered 401", next_at=datetime.now(UTC))
    return location


def add_failed_tick(instance: dg.DagsterInstance) -> None:
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("platform"), "__repository__")
    origin = RemoteInstigatorOrigin(repository, "landing")
    state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, SensorInstigatorData())
    instance.add_instigator_state(state)
    identity = state.instigator_origin_id, "landing", InstigatorType.SENSOR, TickStatus.FAILURE, time.time()
    error = SerializableErrorInfo("no landing", [], "ValueError")
    instance.create_tick(TickData(*identity, selector_id=state.selector_id, error=error))


@contextmanager
def serving(exporter: Exporter) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(exporter)) as server:
        stopped = threading.Event()
        threading.Thread(target=exporter.keep_fresh, args=(stopped,), daemon=True).start()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        stopped.set()
        server.shutdown()


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
