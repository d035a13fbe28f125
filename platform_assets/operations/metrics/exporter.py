"""What a monitoring system asks: runs, datasets, checks, quarantines, streams, daemons, alerts, as OpenMetrics.

Every number is read from Dagster's instance and the lake, so that it is right after a restart. Series are bounded by
datasets, sensors and daemons; none grows with partitions or runs. A scrape is given the newest page; pages are made
beside it. What tables say is read again where something was written, for so long at a time; a table that was not read
yet has no series, rather than a wrong one.
"""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

from platform_assets.location import CodeLocation
from platform_assets.operations.attempts import Attempts
from platform_assets.operations.dataset_readings import DatasetReadings, readings_store
from platform_assets.operations.datasets import freshness_of
from platform_assets.operations.history import MaterialisationRecord
from platform_assets.operations.instance import dagster_home, open_instance
from platform_assets.operations.kept_history import KeptHistory
from platform_assets.operations.metrics.checks import CheckMetrics
from platform_assets.operations.metrics.families import Family, counter, gauge, render
from platform_assets.operations.metrics.run_totals import RunTotals
from platform_assets.operations.metrics.tables import table_families
from platform_assets.operations.overview import undeclared_assets
from platform_core.alerting import AlertState
from platform_resources.alerts import Outbox
from platform_resources.brokers import open_broker
from platform_resources.errors import ResourceError

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_RUN_SECONDS = 3.0
"""So long a page reads steps of runs that ended; the others follow with the next pages."""


class Exporter:
    """Renders the metrics of a code location; a page is kept for a while, because several scrapers may ask.

    Args:
        location: The datasets and their lake.
        keep_seconds: How old a page may be.
        clock: Seconds that only grow.
    """

    def __init__(
        self, location: CodeLocation, *, keep_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._location, self._keep_seconds, self._clock = location, keep_seconds, clock
        self._collector = _Collector(location)
        self._page, self._made_at = b"", float("-inf")
        self._lock = threading.Lock()

    def page(self) -> bytes:
        """Give the page, rendered anew where it is too old."""
        with self._lock:  # scrapers that ask at once share one reading
            if self._clock() - self._made_at > self._keep_seconds:
                self._page = render(self._collector.collect())
                self._made_at = self._clock()
        return self._page

    def newest_page(self) -> bytes:
        """Give the newest page there is, however old; the first is waited for."""
        return self._page or self.page()

    def keep_fresh(self, is_stopped: threading.Event) -> None:
        """Make a page whenever the last is too old, until it is stopped; one that cannot be made is tried again.

        The page that is handed out meanwhile says when it was made.
        """
        attempts = Attempts("metrics cannot be read")
        while not is_stopped.wait(max(0.1, self._keep_seconds / 10)):
            attempts.make(self.page)


def render_metrics(location: CodeLocation) -> bytes:
    """Read all metrics and write them as OpenMetrics text."""
    return render(_Collector(location).collect())


class _Collector:
    """Reads what changed since the page before, and what was read longest ago."""

    def __init__(self, location: CodeLocation) -> None:
        self.location = location
        self._store = readings_store(location)
        self._readings = DatasetReadings(location, self._store)
        self._history = KeptHistory(location.settings)
        self._checks = CheckMetrics(location)
        stored = self._store.load("totals").get("runs")
        self._totals = RunTotals.from_document(stored) if stored else RunTotals()

    def collect(self) -> Iterator[Family]:
        """Yield each metric family, once."""
        started = time.monotonic()
        names = [*self.location.catalog.datasets, *(asset.name for asset in undeclared_assets(self.location))]
        with open_instance(self.location.settings) as instance:
            self._checks.forget(self._history.refresh(instance))
            records = self._history.materialisations(names)
            yield from self._datasets(records)
            yield from self._checks.families(self._history)
            self._readings.read_due(instance, records)
            yield from table_families(self.location, self._readings, records)
            if self._totals.read(instance, seconds=_RUN_SECONDS):
                self._store.save({"totals": {"runs": self._totals.document()}})
            yield from self._totals.families()
            yield from _runs(instance)
            yield from _ticks(instance)
            yield from _daemons(instance)
            yield from _pools(instance)
        yield from _history_size(self.location)
        yield from _streams(self.location)
        yield from _cache(self.location)
        yield from _alerts(self.location)
        yield from _disks(self.location)
        collected = gauge("collection_duration_seconds", "How long reading all metrics took")
        collected.add([], time.monotonic() - started)
        yield collected
        family = gauge("page_timestamp_seconds", "When this page was made")
        family.add([], time.time())
        yield family

    def _datasets(self, records: dict[str, MaterialisationRecord]) -> Iterator[Family]:
        materialised = gauge(
            "dataset_last_materialization_timestamp_seconds", "When the dataset was last materialised", "dataset"
        )
        limit = gauge("dataset_freshness_limit_seconds", "How old the dataset may be", "dataset")
        fresh = gauge("dataset_fresh", "1 where the dataset is no older than its limit, else 0", "dataset")
        last = {
            "duration_seconds": gauge("dataset_last_duration_seconds", "How long it took to make", "dataset"),
            "cpu_seconds": gauge("dataset_last_cpu_seconds", "Processor seconds that it took", "dataset"),
            "peak_memory_bytes": gauge("dataset_last_peak_memory_bytes", "Memory of its process", "dataset"),
            "rows_in": gauge("dataset_last_input_rows", "Rows that came in", "dataset"),
            "rows_quarantined": gauge("dataset_last_quarantined_rows", "Rows set aside", "dataset"),
            "rows_written": gauge("dataset_last_written_rows", "Rows written", "dataset"),
            "size_bytes": gauge("dataset_last_written_bytes", "Bytes written", "dataset"),
        }  # fmt: skip
        rate = gauge("dataset_last_rows_per_second", "Rows that came in a second, or were written", "dataset")
        byte_rate = gauge("dataset_last_bytes_per_second", "Bytes written a second", "dataset")
        now = datetime.now(UTC)
        for name, record in records.items():
            materialised.add([name], record.at.timestamp())
            numbers = {metric: record.metadata.get(metric) for metric in last}
            for metric, value in numbers.items():
                if isinstance(value, int | float) and not isinstance(value, bool):
                    last[metric].add([name], value)
            rows, seconds = numbers["rows_in"] or numbers["rows_written"], numbers["duration_seconds"]
            if rows is not None and seconds:
                rate.add([name], rows / seconds)
            if numbers["size_bytes"] is not None and seconds:
                byte_rate.add([name], numbers["size_bytes"] / seconds)
        for dataset in self.location.catalog.datasets.values():
            filled = records[dataset.name].at if dataset.name in records else None
            freshness = freshness_of(dataset, filled, now)
            if freshness.within_seconds is not None:
                limit.add([dataset.name], freshness.within_seconds)
                fresh.add([dataset.name], float(freshness.state == "pass"))
        yield from (materialised, limit, fresh, *last.values(), rate, byte_rate)


def _pools(instance: dg.DagsterInstance) -> Iterator[Family]:
    """Slots that are taken; a pool with none has no series."""
    import sqlalchemy as sa
    from dagster._core.storage.event_log.schema import ConcurrencySlotsTable as slots  # noqa: N813, PLC0415

    claimed = gauge("pool_claimed_slots", "Slots of a pool that runs hold", "pool")
    query = (
        sa.select(slots.c.concurrency_key, sa.func.count())
        .where(slots.c.run_id.is_not(None), slots.c.deleted.is_(False))
        .group_by(slots.c.concurrency_key)
    )
    connect = getattr(instance.event_log_storage, "index_connection")  # noqa: B009 - not part of the base class
    with connect() as connection:
        for pool, number in connection.execute(query):
            claimed.add([pool], number)
    yield claimed


def _history_size(location: CodeLocation) -> Iterator[Family]:
    size = gauge("event_log_size_bytes", "Bytes of Dagster's history on this disk")
    history = dagster_home(location.settings) / "history"
    size.add([], sum(path.stat().st_size for path in history.rglob("*.db") if path.exists()))
    yield size


def _streams(location: CodeLocation) -> Iterator[Family]:
    from platform_assets.operations.streams import stream_states  # noqa: PLC0415 - brokers and frames

    lag = gauge("stream_lag_messages", "Messages that were not taken in", "dataset")
    datasets = [
        dataset
        for dataset in location.catalog.datasets.values()
        if dataset.source and dataset.source.stream is not None
    ]
    if datasets:
        behind: dict[str, int] = {}
        try:
            broker = open_broker(location.settings)
            try:
                for state in stream_states(location.lake, location.catalog, broker, datasets):
                    behind[state.dataset] = behind.get(state.dataset, 0) + state.lag
            finally:
                broker.close()
        except ResourceError:
            behind = {}  # absent, and so a gap in the series
        for name, messages in behind.items():
            lag.add([name], messages)
    yield lag


def _cache(location: CodeLocation) -> Iterator[Family]:
    lookups = counter("cache_lookups", "What the cache of S3 was asked, by where it was found", "found")
    cache = location.lake.cache
    if cache is not None:
        tally = cache.counters.recorded()
        for place, number in (("memory", tally.memory_hits), ("disk", tally.disk_hits), ("nowhere", tally.misses)):
            lookups.add([place], number)
    yield lookups


def _alerts(location: CodeLocation) -> Iterator[Family]:
    outbox = Outbox(location.settings.state)
    document = outbox.load()
    state = AlertState.from_document(document["state"]) if "state" in document else AlertState()
    incidents = gauge("incidents_open", "Incidents that are open", "severity")
    for severity in ("warn", "error"):
        incidents.add([severity], sum(incident.severity == severity for incident in state.incidents.values()))
    refused = gauge("alert_channel_refusing", "1 for a channel that refused its last message", "channel")
    for channel in outbox.refusals():
        refused.add([channel], 1)
    yield from (incidents, refused)


def _disks(location: CodeLocation) -> Iterator[Family]:
    free = gauge("disk_free_bytes", "Bytes that are free where the platform writes", "place")
    for place in ("state", "lake", "landing"):
        folder = getattr(location.settings, place)
        if "://" not in folder and Path(folder).exists():
            free.add([place], shutil.disk_usage(folder).free)
    yield free


def _runs(instance: dg.DagsterInstance) -> Iterator[Family]:
    runs = gauge("runs", "Runs in Dagster's history", "status")
    for status in dg.DagsterRunStatus:
        runs.add([status.value.lower()], instance.get_runs_count(dg.RunsFilter(statuses=[status])))
    yield runs
    last = gauge("last_run_duration_seconds", "How long the run that ended last took", "status")
    for status in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE):
        records = instance.get_run_records(dg.RunsFilter(statuses=[status]), limit=1)
        if records and records[0].start_time and records[0].end_time:
            last.add([status.value.lower()], records[0].end_time - records[0].start_time)
    yield last
    backfills = gauge("backfills", "Backfills in Dagster's history", "status")
    for backfill_status in BulkActionStatus:
        number = instance.get_backfills_count(BulkActionsFilter(statuses=[backfill_status]))
        backfills.add([backfill_status.value.lower()], number)
    yield backfills


def _ticks(instance: dg.DagsterInstance) -> Iterator[Family]:
    last = gauge("last_tick_timestamp_seconds", "When a sensor or schedule last ticked", "name", "type", "status")
    for state in instance.all_instigator_state():
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        for tick in ticks:
            last.add(
                [state.instigator_name, state.instigator_type.value.lower(), tick.status.value.lower()], tick.timestamp
            )
    yield last


def _daemons(instance: dg.DagsterInstance) -> Iterator[Family]:
    heartbeat = gauge("daemon_last_heartbeat_timestamp_seconds", "When a daemon last gave a sign of life", "daemon")
    for name, status in instance.get_daemon_heartbeats().items():
        heartbeat.add([name.lower()], status.timestamp)
    yield heartbeat
