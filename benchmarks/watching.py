"""What the doors that watch cost over a made history: exporter, router, catalog, lineage, performance, pruning.

python benchmarks/watching.py [datasets] [events] [--prune]

Each step prints CPU seconds of this process and what it added to the peak of memory. "A run later" is after one more
run of a hundred datasets; what it costs must grow with those, not with the history.
"""

import json
import os
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from benchmarks.made_history import MadeHistory, made_catalog
from platform_assets.composition import definitions_of
from platform_assets.location import CodeLocation
from platform_assets.operations.alerting.router import AlertRouter
from platform_assets.operations.catalog import PlatformCatalog
from platform_assets.operations.catalog_search import SearchQuery
from platform_assets.operations.metrics import Exporter
from platform_assets.operations.upkeep.events import prune_events
from platform_resources.alerts import AlertFile
from platform_resources.settings import Settings


def measured(name, work):
    began, peak, wall = _cpu(), _peak(), time.perf_counter()
    result = work()
    print(f"{name:58} {_cpu() - began:8.2f} s CPU {time.perf_counter() - wall:8.1f} s  +{_peak() - peak:,.0f} MB",
          flush=True)  # fmt: skip
    return result


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def watch(folder: Path, history: MadeHistory, catalog, *, prune: bool) -> None:
    os.environ["DAGSTER_HOME"] = str(folder / "dagster")
    settings = Settings.from_environment({"PLATFORM_STATE": str(folder / "state")})
    location = CodeLocation("tests.declared", settings, definitions_of, declared=catalog)
    measured("definitions and asset graph", location.defs.resolve_asset_graph)
    exporter = Exporter(location, keep_seconds=0)
    pages = PlatformCatalog(location, keep_seconds=0)
    with dg.DagsterInstance.get() as instance:
        router = AlertRouter(location, instance, AlertFile())
        measured("router: first round", lambda: router.run_round(datetime.now(UTC)))
        measured("exporter: first page", exporter.page)
        measured("exporter: a later page", exporter.page)
        measured("catalog: first snapshot", pages.snapshot)
        measured("catalog: a later snapshot", pages.snapshot)
        history.add_run(datetime.now(UTC), failed=10)
        told = measured("a run later: router", lambda: router.run_round(datetime.now(UTC)))
        print(f"  messages: {len(told)}")
        measured("a run later: exporter", exporter.page)
        measured("a run later: catalog", pages.snapshot)
        measured("nothing new: router", lambda: router.run_round(datetime.now(UTC)))
        measured("nothing new: exporter", exporter.page)
        measured("nothing new: catalog", pages.snapshot)
        for _ in range(50):
            history.add_run(datetime.now(UTC))
        measured("50 runs later (5,000 datasets): router", lambda: router.run_round(datetime.now(UTC)))
    lines = exporter.page().count(b"\n")
    print(f"exporter: {lines:,} lines of {len(catalog.datasets):,} datasets")
    name = next(reversed(catalog.datasets))
    pages = PlatformCatalog(location, keep_seconds=1e9)
    pages.snapshot()
    measured("catalog: home", pages.home)
    measured("catalog: search", lambda: pages.search(SearchQuery(text="t77")))
    measured("catalog: page of a dataset", lambda: pages.describe(name))
    measured("viewer: whole lineage", lambda: json.dumps(pages.whole_lineage()))
    measured("viewer: around a dataset", lambda: json.dumps(pages.lineage("d0/t0", depth=3)))
    measured("viewer: a column both ways", lambda: pages.lineage(name, column="id"))
    measured("impact of a source", lambda: pages.impact("d0/t0"))
    if prune:
        newest = {name: record.at for name, record in _newest(location).items()}
        before = datetime.now(UTC) - timedelta(days=30)
        found = measured("prune: counted only", lambda: prune_events(location, before, apply=False))
        print(f"  {found.events:,} of {history.events:,} events")
        done = measured("prune: deleted", lambda: prune_events(location, before, apply=True))
        print(f"  {done.events:,} events, {done.freed_bytes / 1e9:.1f} GB freed, {history.sizes() / 1e9:.2f} GB left")
        assert newest == {name: record.at for name, record in _newest(location).items()}


def _newest(location):
    from platform_assets.operations.history import open_history

    with open_history(location.settings) as history:
        return history.materialisations(location.catalog.datasets)


if __name__ == "__main__":
    numbers = [int(given) for given in sys.argv[1:] if given.isdigit()]
    count, events = (*numbers, *(10_000, 1_000_000)[len(numbers) :])[:2]
    with tempfile.TemporaryDirectory() as temporary:
        declared = made_catalog(count)
        made = MadeHistory(Path(temporary), list(declared.datasets))
        measured(f"{count:,} datasets, {events:,} events made",
                 lambda: made.fill(events, days=365, until=datetime.now(UTC)))  # fmt: skip
        watch(Path(temporary), made, declared, prune="--prune" in sys.argv)
