"""The exporter tells what the platform knows, in OpenMetrics, and the alert rules ask for nothing else."""

import re
import shutil
import sqlite3
import subprocess
import threading
import urllib.error
import urllib.request
from http.server import ThreadingHTTPServer
from pathlib import Path

import dagster as dg
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from platform_assets.entrypoints.commands.serve import handler_of
from platform_assets.operations.instance import dagster_home, open_instance
from platform_assets.operations.metrics import CONTENT_TYPE, Exporter, render_metrics
from tests.assets.entrypoints.conftest import BAD, Shell

DEPLOY = Path(__file__).parents[3] / "deploy" / "prometheus"


def samples(page: bytes) -> dict[str, float]:
    """Every sample by its name and labels, as a query writes them."""
    families = text_string_to_metric_families(page.decode())
    return {
        f"{sample.name}{{{','.join(f'{name}={value}' for name, value in sorted(sample.labels.items()))}}}": sample.value
        for family in families
        for sample in family.samples
    }


@pytest.fixture
def filled(shell: Shell) -> Shell:
    shell.world.land("shop/sales-1.parquet", BAD)
    shell.world.materialise("shop/sales", partitions=["2024-01"])
    return shell


def test_rows_checks_quarantine_and_runs_are_told_as_they_are(filled: Shell) -> None:
    told = samples(render_metrics(filled.world.location))
    assert told["platform_dataset_rows{dataset=shop/sales}"] == 2
    assert told["platform_dataset_quarantine_open_rows{dataset=shop/sales}"] == 1
    assert told["platform_dataset_checks{dataset=shop/sales,state=warned}"] == 1
    assert told["platform_runs{status=success}"] == 1
    assert told["platform_runs{status=failure}"] == 0


def test_a_rule_of_severity_error_that_only_warns_is_counted_as_a_warning(filled: Shell) -> None:
    page = samples(render_metrics(filled.world.location))
    counts = {name: value for name, value in page.items() if name.startswith("platform_dataset_checks_not_passed{")}
    assert {name for name, value in counts.items() if value and "shop/sales," in name} == {
        "platform_dataset_checks_not_passed{dataset=shop/sales,dimension=conformity,severity=warn}"
    }
    assert counts["platform_dataset_checks_not_passed{dataset=shop/sales,dimension=conformity,severity=error}"] == 0


def test_runs_and_steps_are_counted_once_over_a_restart_and_a_pruned_log(filled: Shell) -> None:
    location, home = filled.world.location, dagster_home(filled.world.location.settings)
    before = samples(render_metrics(location))
    with sqlite3.connect(home / "history" / "runs" / "index.db") as index:
        index.execute("DELETE FROM event_logs WHERE dagster_event_type = 'PIPELINE_SUCCESS'")
    filled.world.materialise("shop/sales", partitions=["2024-01"])
    after = samples(render_metrics(location))
    steps = "platform_step_duration_seconds_count{status=success}"
    assert after["platform_run_duration_seconds_count{status=success}"] == 2
    assert after[steps] == 2 * before[steps] > 0
    assert after["platform_events_total{kind=run_success}"] == 2


def test_a_score_is_between_nothing_and_a_hundred(filled: Shell) -> None:
    page = samples(render_metrics(filled.world.location))
    assert 0 < page["platform_dataset_quality_score{dataset=shop/sales}"] < 100


def test_what_was_wiped_has_no_series_any_more(filled: Shell) -> None:
    exporter = Exporter(filled.world.location, keep_seconds=0)
    series = "platform_dataset_last_materialization_timestamp_seconds{dataset=shop/sales}"
    assert series in samples(exporter.page())
    with open_instance(filled.world.location.settings) as instance:
        instance.wipe_assets([dg.AssetKey(["shop", "sales"])])
    assert series not in samples(exporter.page())


def test_a_page_is_kept_and_read_anew_when_it_is_too_old(filled: Shell) -> None:
    now = [0.0]
    exporter = Exporter(filled.world.location, keep_seconds=15, clock=lambda: now[0])
    first = exporter.page()
    filled.world.materialise("shop/sales", partitions=["2024-01"])
    assert exporter.page() == first
    now[0] = 16
    assert samples(exporter.page())["platform_runs{status=success}"] == 2


def test_a_scraper_gets_the_page_and_nothing_else(shell: Shell) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(Exporter(shell.world.location, keep_seconds=60))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        with urllib.request.urlopen(f"{address}/metrics") as answer:  # noqa: S310 - our own server
            assert answer.headers["Content-Type"] == CONTENT_TYPE
            assert answer.read().endswith(b"# EOF\n")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{address}/../../etc/passwd")  # noqa: S310 - our own server
        server.shutdown()


def test_the_alert_rules_ask_for_metrics_that_the_exporter_has(shell: Shell) -> None:
    families = {family.name for family in text_string_to_metric_families(render_metrics(shell.world.location).decode())}
    asked = set(re.findall(r"\bplatform_[a-z_]+", (DEPLOY / "rules.yml").read_text()))
    asked = {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked}
    assert asked - families == set()


PROMTOOL = shutil.which("promtool") or ""


@pytest.mark.skipif(not PROMTOOL, reason="promtool is not installed (Debian: prometheus)")
def test_the_alert_rules_fire_and_end_as_their_tests_say() -> None:
    done = subprocess.run(
        [PROMTOOL, "test", "rules", "rules_test.yml"], cwd=DEPLOY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
