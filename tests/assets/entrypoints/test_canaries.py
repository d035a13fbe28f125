"""Planted personal data and secrets reach no metric, trace, log line, alert, journal, OpenLineage event or page."""

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from platform_assets.composition import build_location
from platform_assets.entrypoints.catalog.api import build_app
from platform_assets.entrypoints.catalog.tokens import Tokens
from platform_assets.operations.alerting.router import AlertRouter
from platform_assets.operations.catalog import PlatformCatalog
from platform_assets.operations.metrics import render_metrics
from platform_assets.operations.openlineage import collect_events
from platform_resources.outbox import Outbox
from platform_resources.settings import Settings
from tests.assets.entrypoints.conftest import Shell
from tests.resources.alerts.sinks import http_sink
from tests.resources.telemetry.collector import collector
from tests.world import World, sales

CANARIES = ("canary@example.com", "canary-sku", "canary-path", "canary-password", "canary-key")
PAGES = ("/api/home", "/api/lineage", "/api/products", "/api/datasets/shop/sales", "/api/datasets/shop/sales/sample",
         "/api/datasets/shop/sales/quarantine", "/api/datasets/shop/sales/report",
         "/api/products/shop/sales/compliance")  # fmt: skip

FILE = """
[channels.hook]
type = "webhook"
url = "{url}/canary-path"
secret = "env:CANARY_KEY"
[channels.gone]
type = "mail"
host = "127.0.0.1"
port = 1
sender = "p@x.test"
to = ["a@x.test"]
user = "ada"
password = "env:CANARY_PASSWORD"
"""


def test_no_canary_leaves_by_metrics_traces_logs_or_alerts(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CANARY_KEY", "canary-key")
    monkeypatch.setenv("CANARY_PASSWORD", "canary-password")
    with collector() as traces, http_sink() as hook:
        (tmp_path / "alerts.toml").write_text(FILE.format(url=hook.url))
        monkeypatch.setenv("PLATFORM_ALERTS", str(tmp_path / "alerts.toml"))
        monkeypatch.setenv("PLATFORM_TRACES", traces.url)
        monkeypatch.setenv("PLATFORM_LOGS", "json")
        shop = World(build_location("tests.declared", Settings.from_environment()), shell.world.instance)
        router = AlertRouter.open(shop.location, shop.instance)
        router.run_round(datetime.now(UTC))
        rows = sales((1, "apple", 1.0), (2, "canary-sku", 2.0), (3, "pear", -3.0), buyer="canary@example.com")
        shop.land("shop/sales-1.parquet", rows)
        shop.land("shop/ledger.csv", b"line,amount\ncanary@example.com,canary-sku\n")
        shop.materialise("shop/sales", partitions=["2024-01"])
        shop.materialise("shop/ledger")
        router.run_round(datetime.now(UTC))
        router.deliver(datetime.now(UTC))
        sent = b"".join(body for _, _, body in [*traces.posts, *hook.posts])
    written = capsys.readouterr().err.splitlines()
    lines = "\n".join(line for line in written if line.startswith("{")).encode()
    stored = (tmp_path / "state" / "alerts.jsonl").read_bytes() + router.outbox.path.read_bytes()
    page = render_metrics(shop.location)
    outbox = Outbox(tmp_path / "openlineage.db")
    collect_events(shop.location, shop.instance, outbox)
    assert all((traces.posts, hook.posts, lines, b"shop/ledger" in stored, b"shop/sales" in page, outbox.waiting()))
    everything = sent + lines + stored + page + outbox.path.read_bytes()
    assert [canary for canary in CANARIES if canary.encode() in everything] == []
    tokens = Tokens({sha256(b"t").hexdigest(): ("read", "sample")})
    client = TestClient(build_app(PlatformCatalog(shop.location), tokens), headers={"Authorization": "Bearer t"})
    answers = [client.get(path) for path in PAGES]
    assert [answer.status_code for answer in answers] == [200] * len(PAGES)
    pages = b"".join(answer.content for answer in answers)
    hidden = [canary for canary in CANARIES if canary != "canary-sku"]  # a sku is no personal data, and is shown
    assert [canary for canary in hidden if canary.encode() in pages] == []
