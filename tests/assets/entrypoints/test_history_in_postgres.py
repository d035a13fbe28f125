"""With Dagster's history in PostgreSQL the platform says the same as with files."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from platform_assets.composition import build_location
from platform_assets.operations.catalog import PlatformCatalog
from platform_assets.operations.instance import open_instance
from platform_assets.operations.metrics import render_metrics
from platform_assets.operations.metrics.exporter import Exporter
from platform_resources.errors import SettingsError
from platform_resources.settings import Settings
from tests.assets.entrypoints.conftest import BAD, GOOD, Shell
from tests.assets.entrypoints.test_alerts import Watched
from tests.assets.entrypoints.test_metrics import samples
from tests.servers import no_postgres, postgres_server, stopped_postgres
from tests.world import World, sales


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    monkeypatch.setenv("PLATFORM_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    (tmp_path / "dagster").mkdir()
    with postgres_server() as url:
        storage = f"storage: {{postgres: {{postgres_url: '{url}'}}}}"
        (tmp_path / "dagster" / "dagster.yaml").write_text(f"telemetry: {{enabled: false}}\n{storage}\n")
        location = build_location("tests.declared", Settings.from_environment())
        with dg.DagsterInstance.get() as instance:
            yield Shell(World(location, instance), capsys)


@pytest.mark.lane
@pytest.mark.skipif(bool(no_postgres()), reason=no_postgres() or "there is a server")
def test_verdicts_metrics_alerts_performance_and_pruning_are_the_same(shell: Shell) -> None:
    watched = Watched(shell.world)
    shell.world.land("shop/ledger.csv", b"line,amount\n-1,1\n")
    shell.world.land("shop/sales-1.parquet", BAD)
    shell.world.materialise("shop/ledger")
    run = shell.world.materialise("shop/sales", "shop/takings", partitions=["2024-01"])
    assert shell.world.red("shop/sales") == {"sku_isin"}
    ((event, root, kinds),) = [told for told in watched.look() if told[1] == "shop/ledger"]
    assert (event, root, "step_failed" in kinds) == ("opened", "shop/ledger", True)
    assert [told for told in watched.look() if told[1] == "shop/ledger"] == []

    page = samples(render_metrics(shell.world.location))
    assert page["platform_dataset_checks{dataset=shop/sales,state=warned}"] == 1
    assert page["platform_dataset_quarantine_open_rows{dataset=shop/sales}"] == 1
    assert (page["platform_runs{status=success}"], page["platform_runs{status=failure}"]) == (1, 1)

    path = shell.json("performance", "--run", run.run_id)["path"]
    assert [step["name"] for step in path] == ["shop__sales", "shop__takings"]

    shown = shell.json("datasets", "show", "shop/sales")
    assert shell.json("upkeep", "events", "--days", "0", "--apply")["events"] > 0
    assert shell.json("upkeep", "events", "--days", "0", "--apply")["events"] == 0
    assert shell.json("datasets", "show", "shop/sales") == shown
    assert shell.world.red("shop/sales") == {"sku_isin"}


@pytest.mark.lane
@pytest.mark.skipif(bool(no_postgres()), reason=no_postgres() or "there is a server")
def test_metrics_and_catalog_outlive_a_restart_of_the_database(shell: Shell, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    shell.world.land("shop/sales-1.parquet", GOOD)
    shell.world.materialise("shop/sales", partitions=["2024-01"])
    exporter = Exporter(shell.world.location, keep_seconds=0.1)
    catalog = PlatformCatalog(shell.world.location, keep_seconds=0.1)
    _wait(lambda: catalog.entry("shop/sales").rows == 2)
    before = exporter.newest_page()
    is_stopped = threading.Event()
    servers = [threading.Thread(target=each.keep_fresh, args=(is_stopped,)) for each in (exporter, catalog)]
    try:
        with stopped_postgres(shell.world.instance.event_log_storage.postgres_url):  # type: ignore[attr-defined]  # of PostgreSQL
            for server in servers:
                server.start()
            _wait(lambda: {"metrics", "the catalog"} <= _told(caplog, "is tried again"))
            assert exporter.newest_page() == before
            assert catalog.entry("shop/sales").rows == 2
        _wait(lambda: {"metrics", "the catalog"} <= _told(caplog, "works again"))
        shell.world.land("shop/sales-2.parquet", sales((7, "apple", 1.0)))
        shell.world.materialise("shop/sales", partitions=["2024-01"])
        _wait(lambda: catalog.entry("shop/sales").rows == 3)
        _wait(lambda: b'platform_dataset_rows{dataset="shop/sales"} 3' in exporter.newest_page())
    finally:
        is_stopped.set()
        for server in servers:
            server.join()
    told = [record.message for record in caplog.records if "cannot be read" in record.message]
    assert [sum(words in message for message in told) for words in ("tried again", "works again")] == [2, 2]


def _told(caplog: pytest.LogCaptureFixture, words: str) -> set[str]:
    messages = [record.message for record in caplog.records if words in record.message]
    return {message.partition(" cannot")[0] for message in messages}


def _wait(until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_driver_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    storage = "storage: {postgres: {postgres_url: 'postgresql+pg8000://dagster@127.0.0.1:1/dagster'}}"
    (tmp_path / "dagster.yaml").write_text(storage)
    with pytest.raises(SettingsError, match=r"dagster.yaml: .* module 'pg8000'.*postgresql\+psycopg2://"):
        open_instance(Settings.from_environment({"PLATFORM_STATE": str(tmp_path)}))
