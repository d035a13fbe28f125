"""What watching costs: a scrape and a round of the router over made histories, and traces in an ingest.

python benchmarks/monitoring.py [datasets]
"""

import os
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path

import dagster as dg

from platform_assets.composition import definitions_of
from platform_assets.entrypoints.commands.serve import handler_of
from platform_assets.location import CodeLocation
from platform_assets.operations.alerting.router import AlertRouter
from platform_assets.operations.metrics import Exporter
from platform_core.contracts import DataFrameModel, Dataset, Field, Generated, catalog_of
from platform_resources.alerts import AlertFile
from platform_resources.settings import Settings


class Row(DataFrameModel):
    """A row."""

    id: int = Field(ge=0)


def timed(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def processor_seconds(work):
    began = time.process_time()
    work()
    return time.process_time() - began


def histories(count: int, folder: Path) -> None:
    home = folder / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    os.environ["DAGSTER_HOME"] = str(home)
    settings = Settings.from_environment({"PLATFORM_STATE": str(folder / "state")})
    datasets = [
        Dataset(f"d{number % 100}/t{number}", Row, owner="team:a", version="1.0.0", source=Generated(rows=1),
                freshness=timedelta(hours=24))
        for number in range(count)
    ]  # fmt: skip
    location = CodeLocation("tests.declared", settings, definitions_of, declared=catalog_of(datasets))
    with dg.DagsterInstance.get() as instance:
        router = AlertRouter(location, instance, AlertFile(), kinds=frozenset({"stale"}))
        router.run_round(datetime.now(UTC))
        filling = timed(lambda: fill(instance, datasets))
        print(f"{count} datasets, {2 * count} events made in {filling:.0f} s")
        print(f"router: a round over {2 * count} events {timed(lambda: router.run_round(datetime.now(UTC))):.2f} s")
        print(f"router: a round with nothing new {timed(lambda: router.run_round(datetime.now(UTC))):.3f} s")
    exporter = Exporter(location, keep_seconds=0)
    print(f"exporter: first page {timed(exporter.page):.1f} s, a later one {timed(exporter.page):.1f} s")
    print(f"exporter: {exporter.newest_page().count(bytes([10]))} lines")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(exporter)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/metrics"
        scrapes = [timed(lambda: urllib.request.urlopen(url).read()) for _ in range(20)]
        print(f"exporter: a scrape {1000 * statistics.median(scrapes):.0f} ms, at most {1000 * max(scrapes):.0f} ms")
        server.shutdown()


def fill(instance: dg.DagsterInstance, datasets) -> None:
    for number, dataset in enumerate(datasets):
        key = dg.AssetKey(dataset.name.split("/"))
        instance.report_runless_asset_event(dg.AssetMaterialization(key, metadata={"rows_in": 1}))
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(asset_key=key, check_name="id_ge", passed=number % 50 != 0, metadata={})
        )


def traces(folder: Path) -> None:
    from tests.resources.telemetry.collector import collector
    from tests.world import sales, world

    rows = sales(*((number, "apple", 1.0) for number in range(20)))
    with collector() as sink, world(folder / "off") as off, world(folder / "on", PLATFORM_TRACES=sink.url) as on:
        for shop in (off, on):
            shop.land("shop/sales-1.parquet", rows)
            shop.materialise("shop/sales", partitions=["2024-01"])
        pairs = [
            [
                processor_seconds(lambda shop=shop: shop.materialise("shop/sales", partitions=["2024-01"]))
                for shop in (off, on)
            ]
            for _ in range(25)
        ]
    without, within = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(on / off for off, on in pairs) - 1
    print(f"traces: an ingest {1000 * without:.0f} ms of CPU off, {1000 * within:.0f} ms on, pair by pair {ratio:+.1%}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        traces(Path(name))
        histories(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000, Path(name))
