"""Signals of what is: late datasets, waiting runs, failed ticks, silent daemons, lagging streams, full disks.

Each is looked for anew; what is not found any more is over. What a look costs decides how often: dates and runs each
round, tables where something was written since, promises and streams once a minute.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl

from platform_assets.ingest.metrics import read_metrics
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.location import CodeLocation
from platform_assets.operations.datasets import freshness_of
from platform_assets.operations.event_log import last_materialisations
from platform_assets.operations.history import open_history
from platform_core.alerting import Signal
from platform_core.contracts import Dataset
from platform_core.upkeep.slowdown import find_slowdown

_NOT_STARTED = dg.RunsFilter(
    statuses=[dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING]
)
_GOING = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING])
_RUN = timedelta(minutes=10)
"""So long what a run sets aside waits to be told with its checks, as one incident."""
_BACKFILLS = 50
_FAILED_RUNS = 1_000
_TIMED_RUNS = 120
_AT_ONCE = 500
"""So many datasets are looked at in a round, which a sensor has a minute for."""
_LATER_RUNS = 100
_PARTITION_TAGS = ("dagster/partition", "dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


class StillLooking(Exception):
    """Not all datasets were looked at yet since the start: what is open of this kind stays as it is."""


@dataclass
class DatasetMemory:
    """What the conditions keep between rounds in this process; it is read anew after a restart.

    Attributes:
        filled: When each dataset was last materialised.
        open_rows: Envelopes that are open, by dataset.
        written: Datasets that were written since their tables were looked at.
        baseline: Envelopes that nobody need be told of, by dataset; this one is kept over restarts.
        told: Datasets of which it is told that their quarantine grows.
        growing: Since when others' grow while a run makes them.
        timed: Datasets that were made since their durations were judged.
        slower: The signals of those that are slower than they were, by dataset.
        burning: The signals of promises whose budget is used up, by dataset.
    """

    filled: dict[str, datetime] = field(default_factory=dict)
    open_rows: dict[str, int] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    baseline: dict[str, int] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    growing: dict[str, datetime] = field(default_factory=dict)
    timed: set[str] = field(default_factory=set)
    slower: dict[str, Signal] = field(default_factory=dict)
    burning: dict[str, list[Signal]] = field(default_factory=dict)


def load_memory(
    location: CodeLocation, baseline: Mapping[str, int], told: frozenset[str] = frozenset()
) -> DatasetMemory:
    """Read when each dataset was last materialised; all tables are still to be looked at."""
    with open_history(location.settings) as history:
        records = history.materialisations(location.catalog.datasets)
    filled = {name: record.at for name, record in records.items()}
    written = set(location.catalog.datasets)
    return DatasetMemory(
        filled=filled, written=written, baseline=dict(baseline), told=set(told), timed=written & filled.keys()
    )


def datasets_being_made(instance: dg.DagsterInstance) -> frozenset[str]:
    """Name the datasets that runs are making now, of runs that name them."""
    runs = instance.get_runs(_GOING)
    return frozenset(key.to_user_string() for run in runs for key in run.asset_selection or ())


def stale_datasets(location: CodeLocation, memory: DatasetMemory, now: datetime) -> Iterator[Signal]:
    """Signal each dataset that is older than its limit; one that was never made is not late."""
    for dataset in location.catalog.datasets.values():
        if dataset.freshness is None or dataset.name not in memory.filled:
            continue
        freshness = freshness_of(dataset, memory.filled[dataset.name], now)
        if freshness.state == "fail" and freshness.due_at is not None:
            hours = (freshness.within_seconds or 0) / 3600
            yield Signal(
                kind="stale",
                subject=dataset.name,
                at=freshness.due_at,
                text=f"last made {memory.filled[dataset.name]:%Y-%m-%d %H:%M} UTC; the limit is {hours:g} h",
                command=f"platform datasets show {dataset.name}",
            )


def growing_quarantines(
    location: CodeLocation, memory: DatasetMemory, now: datetime, making: frozenset[str] = frozenset()
) -> Iterator[Signal]:
    """Signal each quarantine with more open rows than when it was last quiet.

    What a run sets aside is there before its checks are told of. Of datasets in `making`, those that runs make, it is
    signalled when the run is over, with the checks.
    """
    quarantined = {
        candidate.name: candidate
        for candidate in location.catalog.datasets.values()
        if candidate.quarantine is not None
    }
    for name in sorted(memory.written)[:_AT_ONCE]:
        if name in quarantined:
            memory.open_rows[name] = QuarantineStore(location.lake, quarantined[name]).envelopes(decision="open").height
        memory.written.discard(name)
    if not quarantined.keys() <= memory.open_rows.keys():
        raise StillLooking
    for dataset in quarantined.values():
        rows = memory.open_rows[dataset.name]
        baseline = memory.baseline.setdefault(dataset.name, rows)
        if rows > baseline:
            name = dataset.name
            if name not in memory.told and name in making and now - memory.growing.setdefault(name, now) < _RUN:
                continue
            memory.told.add(name)
            memory.growing.pop(name, None)
            yield Signal(
                kind="quarantine_grows",
                subject=dataset.name,
                at=now,
                severity="warn",
                rows=rows - baseline,
                text=f"{rows - baseline:,} more rows wait in quarantine, {rows:,} in all",
                command=f"platform quarantine list {dataset.name}",
            )
        else:
            memory.baseline[dataset.name] = rows
            memory.told.discard(dataset.name)
            memory.growing.pop(dataset.name, None)


def broken_thresholds(location: CodeLocation, now: datetime) -> Iterator[Signal]:
    """Signal each declared threshold that the newest measurement of its metric is outside of."""
    for dataset in location.catalog.datasets.values():
        for threshold in dataset.thresholds:
            series = metric_series(location, dataset, threshold.metric, threshold.column)
            problem = threshold.problem(series)
            if problem is not None:
                yield Signal(
                    kind="threshold",
                    subject=dataset.name,
                    detail=threshold.name,
                    at=now,
                    severity=threshold.severity,
                    text=problem,
                    command=f"platform report {dataset.name}",
                )


def metric_series(location: CodeLocation, dataset: Dataset, metric: str, column: str) -> list[float]:
    """Return a metric of a dataset over its writes, oldest first: a sum of counts, else the mean over partitions."""
    frame = read_metrics(location.lake, dataset).filter(pl.col("metric") == metric, pl.col("column") == column)
    value = pl.col("value").sum() if metric == "row_count" else pl.col("value").mean()
    writes = frame.group_by("run_id", maintain_order=True).agg(value)
    return [float(write) for write in writes["value"] if write is not None]


def runs_not_started(instance: dg.DagsterInstance, now: datetime, *, limit: timedelta) -> Iterator[Signal]:
    """Signal each run that was asked for longer ago than the limit and has not started."""
    for record in instance.get_run_records(_NOT_STARTED):
        asked_at = record.create_timestamp.replace(tzinfo=UTC)
        if now - asked_at <= limit:
            continue
        run = record.dagster_run
        assets = sorted(key.to_user_string() for key in run.asset_selection or ())
        yield Signal(
            kind="run_not_started",
            subject=assets[0] if assets else run.job_name,
            detail=run.run_id,
            at=asked_at + limit,
            dataset=bool(assets),
            text=f"a run of {len(assets)} datasets waits since {asked_at:%H:%M} UTC as {run.status.value.lower()}",
            run_id=run.run_id,
            command="dagster-daemon run",
        )


def failed_ticks(instance: dg.DagsterInstance) -> Iterator[Signal]:
    """Signal each sensor and schedule that is on and whose last tick failed."""
    from dagster._core.scheduler.instigation import InstigatorStatus, TickStatus  # noqa: PLC0415 - not public

    for state in instance.all_instigator_state():
        if state.status == InstigatorStatus.STOPPED:
            continue
        for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1):
            if tick.status == TickStatus.FAILURE:
                error = tick.error.cls_name if tick.error else None
                yield Signal(
                    kind="tick_failed",
                    subject=state.instigator_name,
                    at=datetime.fromtimestamp(tick.timestamp, UTC),
                    dataset=False,
                    text=f"the {state.instigator_type.value.lower()} {state.instigator_name} failed"
                    + (f" with {error}" if error else ""),
                )  # fmt: skip


def silent_daemons(instance: dg.DagsterInstance, now: datetime, *, limit: timedelta) -> Iterator[Signal]:
    """Signal each daemon that once gave a sign of life and gives none any more."""
    for name, heartbeat in instance.get_daemon_heartbeats().items():
        last_seen = datetime.fromtimestamp(heartbeat.timestamp, UTC)
        if now - last_seen > limit:
            yield Signal(
                kind="daemon_silent",
                subject=name.lower(),
                at=last_seen + limit,
                dataset=False,
                text=f"no sign of life since {last_seen:%Y-%m-%d %H:%M:%S} UTC",
                command="make dev, or dagster-daemon run",
            )


def failed_backfills(instance: dg.DagsterInstance) -> Iterator[Signal]:
    """Signal each of the last backfills with partitions that failed and were not made since."""
    from dagster._core.execution.backfill import BulkActionStatus  # noqa: PLC0415 - not public

    ended_badly = {BulkActionStatus.FAILED, BulkActionStatus.COMPLETED_FAILED, BulkActionStatus.FAILING}
    for backfill in instance.get_backfills(limit=_BACKFILLS):
        if backfill.status not in ended_badly:
            continue
        failed = _failed_partitions(instance, backfill.backfill_id)
        if not failed and backfill.status == BulkActionStatus.COMPLETED_FAILED:
            continue
        assets = sorted(key.to_user_string() for key in backfill.asset_selection or ())
        yield Signal(
            kind="backfill_failed",
            subject=assets[0] if assets else backfill.backfill_id,
            detail=backfill.backfill_id,
            at=datetime.fromtimestamp(backfill.backfill_timestamp, UTC),
            dataset=bool(assets),
            text=f"{len(failed)} partitions of backfill {backfill.backfill_id} failed"
            + (f": {', '.join(sorted(failed)[:3])}" if failed else ""),
            command="platform catch-up",
        )  # fmt: skip


def _failed_partitions(instance: dg.DagsterInstance, backfill_id: str) -> set[str]:
    """Name the partitions of failed runs of a backfill that no later run over the same partitions made."""
    runs = instance.get_run_records(dg.RunsFilter(tags={"dagster/backfill": backfill_id}), limit=_FAILED_RUNS)
    failed = set()
    for record in runs:
        run = record.dagster_run
        if run.status != dg.DagsterRunStatus.FAILURE:
            continue
        tags = {name: run.tags[name] for name in _PARTITION_TAGS if name in run.tags}
        later = instance.get_runs(dg.RunsFilter(tags=tags, statuses=[dg.DagsterRunStatus.SUCCESS]), limit=_LATER_RUNS)
        healed = any(
            (other.asset_selection or set()) >= (run.asset_selection or set())
            and _started(instance, other.run_id) > (record.start_time or 0)
            for other in later
        )
        if not healed:
            failed.add(" to ".join(dict.fromkeys(tags.values())) or run.run_id)
    return failed


def _started(instance: dg.DagsterInstance, run_id: str) -> float:
    record = instance.get_run_record_by_id(run_id)
    return (record.start_time or 0.0) if record else 0.0


def lagging_streams(location: CodeLocation, now: datetime, *, limit: float) -> Iterator[Signal]:
    """Signal each stream with more messages before it than the limit."""
    from platform_assets.operations.streams import stream_states  # noqa: PLC0415 - brokers and frames
    from platform_resources.brokers import open_broker  # noqa: PLC0415

    datasets = [
        dataset for dataset in location.catalog.datasets.values() if dataset.source and dataset.source.title == "topic"
    ]
    if not datasets:
        return
    broker = open_broker(location.settings)
    try:
        lag: dict[str, int] = {}
        for state in stream_states(location.lake, location.catalog, broker, datasets):
            lag[state.dataset] = lag.get(state.dataset, 0) + state.lag
    finally:
        broker.close()
    for name, messages in lag.items():
        if messages > limit:
            yield Signal(
                kind="stream_lags",
                subject=name,
                at=now,
                rows=messages,
                text=f"{messages:,} messages are not taken in; the limit is {limit:,.0f}",
                command=f"platform stream run {name}",
            )


def burnt_budgets(
    location: CodeLocation, instance: dg.DagsterInstance, memory: DatasetMemory, now: datetime, *, limit: float
) -> Iterator[Signal]:
    """Signal each promise whose error budget over 30 days is used up more than `limit` times; some in each round."""
    from platform_assets.operations.sla import measured_promises  # noqa: PLC0415

    promised = sorted(
        dataset.name for dataset in location.catalog.datasets.values() if dataset.freshness or dataset.sla
    )
    unseen = [name for name in promised if name not in memory.burning]
    chosen = [*unseen, *memory.burning][:_AT_ONCE]  # those looked at longest ago come first
    measured = {line.name: line.promises for line in measured_promises(location, instance, now, days=30, names=chosen)}
    for name in chosen:
        memory.burning.pop(name, None)
        memory.burning[name] = []
        for promise in measured.get(name, ()):
            if promise.burn is not None and promise.burn > limit:
                signal = Signal(
                    kind="sla",
                    subject=name,
                    detail=promise.name,
                    at=now,
                    severity="warn",
                    text=f"{promise.name}: {promise.detail}; its error budget is used up {promise.burn:.1f} times",
                    command=f"platform sla {name}",
                )
                memory.burning[name].append(signal)
    if not memory.burning.keys() >= set(promised):
        raise StillLooking
    yield from (signal for name in promised for signal in memory.burning[name])


def slower_datasets(instance: dg.DagsterInstance, memory: DatasetMemory, now: datetime) -> Iterator[Signal]:
    """Signal each dataset that takes longer than it did; those made since the last look are judged anew."""
    chosen = sorted(memory.timed)[:_AT_ONCE]
    for name, records in last_materialisations(instance, chosen, limit=_TIMED_RUNS).items():
        memory.timed.discard(name)
        by_run = {record.run_id: record for record in reversed(records) if record.run_id}  # no worker's report
        values = [record.metadata.get("duration_seconds") for record in by_run.values()]
        slowdown = find_slowdown([float(value) for value in values if isinstance(value, int | float)])
        if slowdown is None:
            memory.slower.pop(name, None)
            continue
        memory.slower[name] = Signal(
            kind="slower",
            subject=name,
            at=now,
            severity="warn",
            text=f"takes {slowdown.recent_seconds:.1f} s since {slowdown.runs} runs, "
            f"{slowdown.share:.0%} more than its usual {slowdown.usual_seconds:.1f} s",
            command=f"platform performance {name}",
        )
    if memory.timed:
        raise StillLooking
    yield from memory.slower.values()


def full_disks(location: CodeLocation, now: datetime, *, limit: float) -> Iterator[Signal]:
    """Signal each local disk of the platform with a smaller share free than the limit."""
    places = [location.settings.state, location.settings.lake, location.settings.landing]
    seen_devices = set()
    for place in places:
        folder = Path(place)
        if "://" in place or not folder.exists():
            continue
        device = folder.stat().st_dev
        usage = shutil.disk_usage(folder)
        if device in seen_devices or usage.free / usage.total >= limit:
            continue
        seen_devices.add(device)
        yield Signal(
            kind="disk_low",
            subject=f"disk of {folder.name}",
            at=now,
            dataset=False,
            text=f"{usage.free / 1e9:,.1f} GB of {usage.total / 1e9:,.0f} GB are free",
            command="platform upkeep run, platform upkeep events",
        )


def locations_down(web: str, now: datetime, ask: Callable[[str], Mapping[str, str]]) -> Iterator[Signal]:
    """Signal each code location that Dagster's web server cannot load, or the server where it does not answer."""
    for name, error in ask(web).items():
        yield Signal(
            kind="location_down",
            subject=name,
            at=now,
            dataset=False,
            text=error,
            command="dagster definitions validate",
        )


def ask_web(web: str) -> dict[str, str]:
    """Return the code locations that cannot be loaded, with the name of the error, by Dagster's GraphQL."""
    import requests  # noqa: PLC0415 - only where an address is set

    query = (
        "{ workspaceOrError { __typename ... on Workspace { locationEntries { name "
        "locationOrLoadError { __typename ... on PythonError { className } } } } } }"
    )
    try:
        answer = requests.post(f"{web}/graphql", json={"query": query}, timeout=10)
        workspace = answer.json()["data"]["workspaceOrError"]
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        return {"dagster-webserver": f"does not answer ({type(error).__name__})"}
    down = {}
    for entry in workspace.get("locationEntries", ()):
        state = entry["locationOrLoadError"] or {}
        if state.get("__typename") == "PythonError":
            down[entry["name"]] = f"cannot be loaded: {state.get('className') or 'error'}"
    return down
