"""What a monitoring system asks: the state of runs, datasets, checks, quarantines, sensors and daemons, as OpenMetrics.

Every number is read from Dagster's instance and the lake when it is asked for, so that it is right after a restart.
Series are bounded by assets, sensors and daemons; none grows with partitions or runs.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

from platform_assets.location import CodeLocation
from platform_assets.operations.datasets import list_datasets
from platform_assets.operations.instance import open_instance

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"


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
        self._page, self._made_at = b"", float("-inf")

    def page(self) -> bytes:
        """Give the page, rendered anew where it is too old."""
        if self._clock() - self._made_at > self._keep_seconds:
            self._page = render_metrics(self._location)
            self._made_at = self._clock()
        return self._page


def render_metrics(location: CodeLocation) -> bytes:
    """Read all metrics and write them as OpenMetrics text."""
    from prometheus_client.openmetrics.exposition import generate_latest  # noqa: PLC0415 - an extra

    page: bytes = generate_latest(_Collector(location))  # type: ignore[no-untyped-call]  # it only calls collect()
    return page


class _Collector:
    def __init__(self, location: CodeLocation) -> None:
        self._location = location

    def collect(self) -> Iterator[Any]:
        """Yield each metric family, once."""
        started = time.monotonic()
        yield from _datasets(self._location)
        with open_instance(self._location.settings) as instance:
            yield from _runs(instance)
            yield from _ticks(instance)
            yield from _daemons(instance)
        collected = _gauge("collection_duration_seconds", "How long reading all metrics took")
        collected.add_metric([], time.monotonic() - started)
        yield collected


def _gauge(name: str, help_: str, *labels: str) -> Any:
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - an extra

    return GaugeMetricFamily(f"platform_{name}", help_, labels=labels)


def _datasets(location: CodeLocation) -> Iterator[Any]:
    rows = _gauge("dataset_rows", "Rows in the table", "dataset")
    materialised = _gauge(
        "dataset_last_materialization_timestamp_seconds", "When the dataset was last materialised", "dataset"
    )
    limit = _gauge("dataset_freshness_limit_seconds", "How old the dataset may be", "dataset")
    fresh = _gauge("dataset_fresh", "1 where the dataset is no older than its limit, else 0", "dataset")
    checks = _gauge("dataset_checks", "Checks by what they last said", "dataset", "state")
    quarantine = _gauge("dataset_quarantine_open_rows", "Envelopes in quarantine that nobody decided on", "dataset")
    for line in list_datasets(location, None, datetime.now(UTC)):
        if line.rows is not None:
            rows.add_metric([line.name], line.rows)
        if line.materialised_at is not None:
            materialised.add_metric([line.name], line.materialised_at.timestamp())
        if line.freshness.within_seconds is not None:
            limit.add_metric([line.name], line.freshness.within_seconds)
            fresh.add_metric([line.name], float(line.freshness.state == "pass"))
        judged = {"passed": line.checks.passed, "warned": line.checks.warned, "failed": line.checks.failed}
        for state, number in {**judged, "unjudged": line.rule_count - sum(judged.values())}.items():
            checks.add_metric([line.name, state], number)
        if line.quarantine_open is not None:
            quarantine.add_metric([line.name], line.quarantine_open)
    yield from (rows, materialised, limit, fresh, checks, quarantine)


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
