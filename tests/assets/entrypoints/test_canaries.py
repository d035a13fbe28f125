"""Planted personal data and secrets reach no metric, trace, log line, alert or journal."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from platform_assets.composition import build_location
from platform_assets.operations.alerting.router import AlertRouter
from platform_assets.operations.metrics import render_metrics
from platform_resources.settings import Settings
from tests.assets.entrypoints.conftest import Shell
from tests.resources.alerts.sinks import http_sink
from tests.resources.telemetry.collector import collector
from tests.world import World, sales

CANARIES = ("canary@example.com", "canary-sku", "canary-path", "canary-password", "canary-key")

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
    assert all((traces.posts, hook.posts, lines, b"shop/ledger" in stored, b"shop/sales" in page))
    everything = sent + lines + stored + page
    assert [canary for canary in CANARIES if canary.encode() in everything] == []
