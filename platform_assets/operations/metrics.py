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
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

from platform_assets.factory.partitioning import partitions_definition
from platform_assets.ingest import table_spec
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.location import CodeLocation
from platform_assets.operations.datasets import freshness_of
from platform_assets.operations.history import MaterialisationRecord, open_history
from platform_assets.operations.instance import dagster_home, open_instance
from platform_assets.operations.overview import undeclared_assets
from platform_assets.operations.sla import sla_of
from platform_core.alerting import AlertState
from platform_core.contracts import Dataset, rules_of
from platform_core.quality.promises import Promise
from platform_resources.alerts import Outbox
from platform_resources.brokers import open_broker
from platform_resources.errors import ResourceError

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_TABLE_SECONDS = 20.0
"""So long a page reads tables; the others follow with the next pages."""
_AGAIN_SECONDS = 600.0
_SLOW_SECONDS = 300.0
_COUNTED = (dg.TimeWindowPartitionsDefinition, dg.StaticPartitionsDefinition)
"""Partitions that are known by the declaration; of others those that are missing cannot be counted."""


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
                self._page = _render(self._collector)
                self._made_at = self._clock()
        return self._page

    def newest_page(self) -> bytes:
        """Give the newest page there is, however old; the first is waited for."""
        return self._page or self.page()

    def keep_fresh(self, is_stopped: threading.Event) -> None:
        """Make a page whenever the last is too old, until it is stopped."""
        while not is_stopped.wait(max(0.1, self._keep_seconds / 10)):
            self.page()


def render_metrics(location: CodeLocation) -> bytes:
    """Read all metrics and write them as OpenMetrics text."""
    return _render(_Collector(location))


def _render(collector: "_Collector") -> bytes:
    from prometheus_client.openmetrics.exposition import generate_latest  # noqa: PLC0415 - an extra

    page: bytes = generate_latest(collector)  # type: ignore[no-untyped-call]  # it only calls collect()
    return page


@dataclass(frozen=True, kw_only=True)
class _TableFacts:
    """What was read of a dataset's tables, when, and behind which materialisation."""

    read_at: float
    behind: datetime | None
    rows: int | None
    size_bytes: int | None
    partitions: int | None
    quarantined: int | None


@dataclass
class _Collector:
    location: CodeLocation
    _tables: dict[str, _TableFacts] = field(default_factory=dict)
    _promises: tuple[float, list[tuple[str, Promise]]] = (float("-inf"), [])

    def collect(self) -> Iterator[Any]:
        """Yield each metric family, once."""
        started = time.monotonic()
        names = [*self.location.catalog.datasets, *(asset.name for asset in undeclared_assets(self.location))]
        with open_history(self.location.settings) as history:
            records = history.materialisations(names)
            yield from self._datasets(records)
            yield from self._checks(history)
        self._read_due_tables(records)
        yield from self._table_families(records)
        yield from self._slas()
        with open_instance(self.location.settings) as instance:
            yield from _runs(instance)
            yield from _ticks(instance)
            yield from _daemons(instance)
            yield from _pools(instance)
            yield from _events(instance, self.location)
        yield from _streams(self.location)
        yield from _cache(self.location)
        yield from _alerts(self.location)
        yield from _disks(self.location)
        collected = _gauge("collection_duration_seconds", "How long reading all metrics took")
        collected.add_metric([], time.monotonic() - started)
        yield collected
        made = _gauge("page_timestamp_seconds", "When this page was made")
        made.add_metric([], time.time())
        yield made

    def _datasets(self, records: dict[str, MaterialisationRecord]) -> Iterator[Any]:
        materialised = _gauge(
            "dataset_last_materialization_timestamp_seconds", "When the dataset was last materialised", "dataset"
        )
        limit = _gauge("dataset_freshness_limit_seconds", "How old the dataset may be", "dataset")
        fresh = _gauge("dataset_fresh", "1 where the dataset is no older than its limit, else 0", "dataset")
        last = {
            "duration_seconds": _gauge("dataset_last_duration_seconds", "How long it took to make", "dataset"),
            "cpu_seconds": _gauge("dataset_last_cpu_seconds", "Processor seconds that it took", "dataset"),
            "peak_memory_bytes": _gauge("dataset_last_peak_memory_bytes", "Memory of its process", "dataset"),
            "rows_in": _gauge("dataset_last_input_rows", "Rows that came in", "dataset"),
            "rows_quarantined": _gauge("dataset_last_quarantined_rows", "Rows set aside", "dataset"),
            "rows_written": _gauge("dataset_last_written_rows", "Rows written", "dataset"),
            "size_bytes": _gauge("dataset_last_written_bytes", "Bytes written", "dataset"),
        }  # fmt: skip
        rate = _gauge("dataset_last_rows_per_second", "Rows that came in a second, or were written", "dataset")
        now = datetime.now(UTC)
        for name, record in records.items():
            materialised.add_metric([name], record.at.timestamp())
            numbers = {each: record.metadata.get(each) for each in last}
            for each, value in numbers.items():
                if isinstance(value, int | float) and not isinstance(value, bool):
                    last[each].add_metric([name], value)
            rows, seconds = numbers["rows_in"] or numbers["rows_written"], numbers["duration_seconds"]
            if rows is not None and seconds:
                rate.add_metric([name], rows / seconds)
        for dataset in self.location.catalog.datasets.values():
            filled = records[dataset.name].at if dataset.name in records else None
            freshness = freshness_of(dataset, filled, now)
            if freshness.within_seconds is not None:
                limit.add_metric([dataset.name], freshness.within_seconds)
                fresh.add_metric([dataset.name], float(freshness.state == "pass"))
        yield from (materialised, limit, fresh, *last.values(), rate)

    def _checks(self, history: Any) -> Iterator[Any]:
        states = _gauge("dataset_checks", "Checks by what they last said", "dataset", "state")
        broken = _gauge("dataset_checks_not_passed", "Checks that do not hold", "dataset", "severity", "dimension")
        datasets = [*self.location.catalog.datasets.values()]
        ids = [(dataset.name, rule.id) for dataset in datasets for rule in rules_of(dataset)]
        others = [(asset.name, check) for asset in undeclared_assets(self.location) for check in asset.checks]
        verdicts = history.verdicts([*ids, *others])
        counts: dict[str, dict[str, int]] = {}
        for key in [*ids, *others]:
            status = verdicts[key].status if key in verdicts else "unjudged"
            of_dataset = counts.setdefault(key[0], dict.fromkeys(("passed", "warned", "failed", "unjudged"), 0))
            of_dataset[status] += 1
        for name, numbers in counts.items():
            for state, number in numbers.items():
                states.add_metric([name, state], number)
        for dataset in datasets:
            groups: dict[tuple[str, str], int] = {}
            for rule in rules_of(dataset):
                verdict = verdicts.get((dataset.name, rule.id))
                group = rule.severity, rule.dimension or "none"
                groups[group] = groups.get(group, 0) + (verdict is not None and verdict.status != "passed")
            for (severity, dimension), number in groups.items():
                broken.add_metric([dataset.name, severity, dimension], number)
        score = _gauge("dataset_checks_passed_ratio", "The share of judged checks that hold; 1 is best", "dataset")
        for name, numbers in counts.items():
            judged = sum(numbers.values()) - numbers["unjudged"]
            if judged:
                score.add_metric([name], numbers["passed"] / judged)
        yield from (states, broken, score)

    def _read_due_tables(self, records: dict[str, MaterialisationRecord]) -> None:
        """Read the tables that were written since, those read longest ago first, for so long as a page may take."""
        began = time.monotonic()
        due = sorted(self.location.catalog.datasets.values(), key=self._age)
        for dataset in due:
            record = records.get(dataset.name)
            known = self._tables.get(dataset.name)
            behind = record.at if record else None
            is_due = known is None or known.behind != behind or began - known.read_at > _AGAIN_SECONDS
            if is_due or (known is not None and known.quarantined):
                self._tables[dataset.name] = _read_table(self.location, dataset, behind, began)
            if time.monotonic() - began > _TABLE_SECONDS:
                break

    def _table_families(self, records: dict[str, MaterialisationRecord]) -> Iterator[Any]:
        rows = _gauge("dataset_rows", "Rows in the table", "dataset")
        size = _gauge("dataset_size_bytes", "Bytes of the table's latest version", "dataset")
        quarantine = _gauge("dataset_quarantine_open_rows", "Envelopes that nobody decided on", "dataset")
        partitions = _gauge("dataset_partitions", "Partitions with and without rows, up to now", "dataset", "state")
        for name, facts in self._tables.items():
            for family, value in ((rows, facts.rows), (size, facts.size_bytes), (quarantine, facts.quarantined)):
                if value is not None:
                    family.add_metric([name], value)
            dataset = self.location.catalog[name]
            definition = partitions_definition(dataset.partitions)
            if definition is not None and facts.partitions is not None:
                partitions.add_metric([name, "filled"], facts.partitions)
            if isinstance(definition, _COUNTED) and facts.partitions is not None:
                partitions.add_metric([name, "empty"], max(0, definition.get_num_partitions() - facts.partitions))
        known = set(self._tables)
        for name, record in records.items():
            count = record.metadata.get("dagster/row_count")
            if name not in known and name not in self.location.catalog.datasets and isinstance(count, int):
                rows.add_metric([name], count)
        yield from (rows, size, quarantine, partitions)

    def _age(self, dataset: Dataset) -> float:
        known = self._tables.get(dataset.name)
        return known.read_at if known else float("-inf")

    def _slas(self) -> Iterator[Any]:
        now = time.monotonic()
        if now - self._promises[0] > _SLOW_SECONDS:
            kept = sla_of(self.location, datetime.now(UTC), days=30)
            self._promises = now, [(each.name, promise) for each in kept for promise in each.promises]
        kept_share = _gauge(
            "promise_measured_ratio", "The share of 30 days in which a promise was kept", "dataset", "promise"
        )
        burn = _gauge(
            "promise_budget_burn_ratio", "How often the error budget of 30 days is used up", "dataset", "promise"
        )
        for name, promise in self._promises[1]:
            if promise.burn is not None:
                burn.add_metric([name, promise.name], promise.burn)
                kept_share.add_metric([name, promise.name], promise.measured or 0.0)
        yield from (kept_share, burn)


def _read_table(location: CodeLocation, dataset: Dataset, behind: datetime | None, now: float) -> _TableFacts:
    lake, spec = location.lake, table_spec(dataset)
    rows = size = partitions = quarantined = None
    try:
        if lake.exists(spec):
            statistics = lake.operations(spec).statistics()
            rows, size = statistics.rows, statistics.size_bytes
            partitions = len(statistics.partitions) if dataset.partitions else None
        if dataset.quarantine:
            quarantined = QuarantineStore(lake, dataset).envelopes(decision="open").height
    except ResourceError:
        rows = size = partitions = quarantined = None  # absent, and so a gap in the series
    return _TableFacts(
        read_at=now, behind=behind, rows=rows, size_bytes=size, partitions=partitions, quarantined=quarantined
    )


def _gauge(name: str, help_: str, *labels: str) -> Any:
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - an extra

    return GaugeMetricFamily(f"platform_{name}", help_, labels=labels)


def _counter(name: str, help_: str, *labels: str) -> Any:
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415 - an extra

    return CounterMetricFamily(f"platform_{name}", help_, labels=labels)


def _pools(instance: dg.DagsterInstance) -> Iterator[Any]:
    """Slots that are taken; a pool with none has no series."""
    import sqlalchemy as sa
    from dagster._core.storage.event_log.schema import ConcurrencySlotsTable as slots  # noqa: N813, PLC0415

    claimed = _gauge("pool_claimed_slots", "Slots of a pool that runs hold", "pool")
    query = (
        sa.select(slots.c.concurrency_key, sa.func.count())
        .where(slots.c.run_id.is_not(None), slots.c.deleted.is_(False))
        .group_by(slots.c.concurrency_key)
    )
    connect = getattr(instance.event_log_storage, "index_connection")  # noqa: B009 - not part of the base class
    with connect() as connection:
        for pool, number in connection.execute(query):
            claimed.add_metric([pool], number)
    yield claimed


def _events(instance: dg.DagsterInstance, location: CodeLocation) -> Iterator[Any]:
    """What the event log holds; counters fall when it is pruned, as after a restart."""
    import sqlalchemy as sa
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable as table  # noqa: N813, PLC0415

    kinds = {
        "ASSET_MATERIALIZATION": "materialization", "ASSET_CHECK_EVALUATION": "check_evaluation",
        "PIPELINE_SUCCESS": "run_success", "PIPELINE_FAILURE": "run_failure", "PIPELINE_START": "run_start",
    }  # fmt: skip
    counted = _counter("events", "Events in Dagster's log by kind", "kind")
    query = sa.select(table.c.dagster_event_type, sa.func.count()).group_by(table.c.dagster_event_type)
    connect = getattr(instance.event_log_storage, "index_connection")  # noqa: B009
    with connect() as connection:
        rows = connection.execute(query.where(table.c.dagster_event_type.in_(kinds)))
        numbers = {event_type: number for event_type, number in rows}  # noqa: C416 - rows are no pairs to a checker
    for event_type, kind in kinds.items():
        counted.add_metric([kind], numbers.get(event_type, 0))
    yield counted
    size = _gauge("event_log_size_bytes", "Bytes of Dagster's history on this disk")
    history = dagster_home(location.settings) / "history"
    size.add_metric([], sum(path.stat().st_size for path in history.rglob("*.db") if path.exists()))
    yield size


def _streams(location: CodeLocation) -> Iterator[Any]:
    from platform_assets.operations.streams import stream_states  # noqa: PLC0415 - brokers and frames

    lag = _gauge("stream_lag_messages", "Messages that were not taken in", "dataset")
    datasets = [each for each in location.catalog.datasets.values() if each.source and each.source.stream is not None]
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
            lag.add_metric([name], messages)
    yield lag


def _cache(location: CodeLocation) -> Iterator[Any]:
    lookups = _counter("cache_lookups", "What the cache of S3 was asked, by where it was found", "found")
    cache = location.lake.cache
    if cache is not None:
        tally = cache.counters.recorded()
        for found, number in (("memory", tally.memory_hits), ("disk", tally.disk_hits), ("nowhere", tally.misses)):
            lookups.add_metric([found], number)
    yield lookups


def _alerts(location: CodeLocation) -> Iterator[Any]:
    outbox = Outbox(location.settings.state)
    kept = outbox.load()
    state = AlertState.from_document(kept["state"]) if "state" in kept else AlertState()
    incidents = _gauge("incidents_open", "Incidents that are open", "severity")
    for severity in ("warn", "error"):
        incidents.add_metric([severity], sum(each.severity == severity for each in state.incidents.values()))
    refused = _gauge("alert_channel_refusing", "1 for a channel that refused its last message", "channel")
    for channel in outbox.refusals():
        refused.add_metric([channel], 1)
    yield from (incidents, refused)


def _disks(location: CodeLocation) -> Iterator[Any]:
    free = _gauge("disk_free_bytes", "Bytes that are free where the platform writes", "place")
    for place in ("state", "lake", "landing"):
        folder = getattr(location.settings, place)
        if "://" not in folder and Path(folder).exists():
            free.add_metric([place], shutil.disk_usage(folder).free)
    yield free


def _runs(instance: dg.DagsterInstance) -> Iterator[Any]:
    runs = _gauge("runs", "Runs in Dagster's history", "status")
    for status in dg.DagsterRunStatus:
        runs.add_metric([status.value.lower()], instance.get_runs_count(dg.RunsFilter(statuses=[status])))
    yield runs
    last = _gauge("last_run_duration_seconds", "How long the run that ended last took", "status")
    for status in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE):
        records = instance.get_run_records(dg.RunsFilter(statuses=[status]), limit=1)
        if records and records[0].start_time and records[0].end_time:
            last.add_metric([status.value.lower()], records[0].end_time - records[0].start_time)
    yield last
    backfills = _gauge("backfills", "Backfills in Dagster's history", "status")
    for backfill_status in BulkActionStatus:
        number = instance.get_backfills_count(BulkActionsFilter(statuses=[backfill_status]))
        backfills.add_metric([backfill_status.value.lower()], number)
    yield backfills


def _ticks(instance: dg.DagsterInstance) -> Iterator[Any]:
    last = _gauge("last_tick_timestamp_seconds", "When a sensor or schedule last ticked", "name", "type", "status")
    for state in instance.all_instigator_state():
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        for tick in ticks:
            last.add_metric(
                [state.instigator_name, state.instigator_type.value.lower(), tick.status.value.lower()], tick.timestamp
            )
    yield last


def _daemons(instance: dg.DagsterInstance) -> Iterator[Any]:
    heartbeat = _gauge("daemon_last_heartbeat_timestamp_seconds", "When a daemon last gave a sign of life", "daemon")
    for name, status in instance.get_daemon_heartbeats().items():
        heartbeat.add_metric([name.lower()], status.timestamp)
    yield heartbeat
