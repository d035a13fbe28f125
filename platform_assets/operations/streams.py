"""The stream worker: takes topics in beside Dagster, and reports to it, so that a stream looks like a batch.

Every few seconds, and when it ends, what was taken in becomes a materialisation of the asset and results of its checks;
freshness and what is downstream go by them. The worker ends when it is asked to, behind the micro-batch that it is in.
"""

import os
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import dagster as dg

from platform_assets.factory.asset_keys import asset_key
from platform_assets.factory.checks import check_results
from platform_assets.factory.partitioning import grow
from platform_assets.factory.policy import state_of_checks
from platform_assets.factory.stream import stream_metadata
from platform_assets.ingest.fold_worker import FoldWorker, fold_positions
from platform_assets.ingest.pace_log import read_samples
from platform_assets.ingest.stream import StreamWorker, Tally
from platform_assets.ingest.topic_history import read_positions, topic_name
from platform_assets.operations.stream_crew import Crew
from platform_core.contracts import Catalog, Dataset
from platform_core.quality.plot import lines
from platform_core.streaming.pacing import rate_of
from platform_resources.brokers import Broker
from platform_resources.errors import NoSpaceLeft, ResourceError
from platform_resources.storage import Lake

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_LOG_PAUSE_SECONDS = 10.0
"""Longer than from one report to the next, which writes the log."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How a worker goes about it.

    Attributes:
        once: Whether it ends when nothing is left.
        every: The least time between two micro-batches of a dataset: shorter is fresher, longer makes fewer versions.
        report_every: The least time between two reports to Dagster.
        is_reported: Whether Dagster is told.
        at_once: Topics that are taken in at the same time, at most.
    """

    once: bool = False
    every: timedelta = timedelta(seconds=1)
    report_every: timedelta = timedelta(seconds=5)
    is_reported: bool = True
    at_once: int = field(default_factory=lambda: os.cpu_count() or 1)


@dataclass(frozen=True)
class StreamState:
    """How a dataset's stream stands.

    Attributes:
        dataset: Its name.
        topic: The topic's name at the broker.
        partition: Of the topic.
        first: The first offset that is kept.
        position: The offset behind the last message that is in the table, or was set aside beside it.
        end: The offset of the next message.
        lag: Offsets that were not taken in.
        rate: Messages a second that workers on this machine took in over the last minute, all partitions together.
        batch_size: Messages that the next micro-batch may have; None where no worker ran on this machine.
    """

    dataset: str
    topic: str
    partition: int
    first: int
    position: int
    end: int
    lag: int
    rate: float = 0.0
    batch_size: int | None = None


def run_streams(  # noqa: PLR0913 - the parts that a worker joins
    lake: Lake,
    catalog: Catalog,
    datasets: Sequence[Dataset],
    broker: Broker,
    instance: dg.DagsterInstance | None,
    *,
    pace: Pace,
    is_stopped: Callable[[], bool],
    tell: Callable[[str], None],
) -> Mapping[str, Tally]:
    """Take the datasets' topics in until there is nothing left, or until it is stopped; what was done, by dataset.

    Args:
        lake: The tables.
        catalog: All declared datasets.
        datasets: Those whose topics are taken in.
        broker: Where the topics are.
        instance: Dagster's history, which is reported to; None reports nothing.
        pace: How.
        is_stopped: Asked between two micro-batches.
        tell: Is told of each report, and of what the broker or the lake could not do.
    """
    run_id = f"stream-{uuid.uuid4().hex[:12]}"
    workers = open_workers(lake, catalog, datasets, broker, run_id=run_id)
    totals = {name: Tally() for name in workers}
    reported = time.monotonic()
    pause = _FIRST_PAUSE
    crew = Crew(lake.settings, workers, most=pace.at_once)
    try:
        while not is_stopped():
            began = time.monotonic()
            try:
                message_count = crew.step()
                pause = _FIRST_PAUSE
            except ResourceError as error:
                if pace.once or not (error.transient or isinstance(error, NoSpaceLeft)):
                    raise
                tell(f"{error} Trying again in {pause:.1f} s.")
                _wait(pause, is_stopped)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            if time.monotonic() - reported >= pace.report_every.total_seconds():
                _report_all(lake, catalog, workers, totals, instance, tell=tell)
                reported = time.monotonic()
            if not message_count and pace.once and _are_drained(workers.values()):
                break
            if not pace.once:
                _wait(pace.every.total_seconds() - (time.monotonic() - began), is_stopped)
    finally:
        crew.close()
        for worker in workers.values():
            worker.close()
        _report_all(lake, catalog, workers, totals, instance, tell=tell)
    return totals


def open_workers(
    lake: Lake, catalog: Catalog, datasets: Sequence[Dataset], broker: Broker, *, run_id: str
) -> dict[str, StreamWorker | FoldWorker]:
    """Return a worker a dataset: those of topics first, which hand what they commit to the folds of this process."""
    topics = {
        dataset.name: StreamWorker(lake, catalog, dataset, broker, run_id=run_id, log_pause_seconds=_LOG_PAUSE_SECONDS)
        for dataset in datasets
        if dataset.source is not None and dataset.source.stream is not None
    }
    folds = {
        dataset.name: FoldWorker(lake, catalog, dataset, run_id=run_id)
        for dataset in datasets
        if dataset.name not in topics
    }
    for fold in folds.values():
        for name in fold.inputs:
            if name in topics:
                topics[name].listeners.append(fold.offer)
    return {**topics, **folds}


def stream_states(lake: Lake, catalog: Catalog, broker: Broker, datasets: Sequence[Dataset]) -> list[StreamState]:
    """Say how the datasets' streams stand, by partition; a topic that nobody made has none."""
    states = []
    topics = broker.topics()
    for dataset in datasets:
        if dataset.source is not None and dataset.source.stream is None:
            states += fold_states(lake, catalog, dataset)
            continue
        topic = topic_name(lake, dataset)
        bounds = broker.bounds(topic) if topic in topics else {}
        positions = read_positions(lake, dataset, list(bounds))
        samples = read_samples(lake.settings, dataset)
        rate, size = rate_of(samples, datetime.now(UTC)), samples[-1].size if samples else None
        for partition, (first, end) in bounds.items():
            reached = positions[partition]
            position = first if reached is None else reached
            lag = end - position
            states.append(StreamState(dataset.name, topic, partition, first, position, end, lag, rate, size))
    return states


def draw_pace(lake: Lake, dataset: Dataset) -> str | None:
    """Return an SVG of what the dataset's micro-batches took on this machine, beside the goals; None without any."""
    samples = read_samples(lake.settings, dataset)
    if not samples:
        return None
    seconds, memory = "seconds a batch", "memory above the start, MiB"
    values = {
        "messages a batch": [float(sample.messages) for sample in samples],
        "size that is allowed": [float(sample.size) for sample in samples],
        "topics at once": [float(sample.at_once) for sample in samples],
        seconds: [sample.seconds for sample in samples],
        memory: [sample.used_bytes / 1024**2 for sample in samples],
    }
    goals = {seconds: lake.settings.stream_latency.total_seconds(), memory: lake.settings.memory_bytes / 1024**2}
    return lines(values, title=f"{dataset.name}: {len(samples):,} micro-batches", goals=goals)


def fold_states(lake: Lake, catalog: Catalog, dataset: Dataset) -> list[StreamState]:
    """Say how far a fold is behind the tables of its inputs, by partition."""
    states = []
    for place, position, end in fold_positions(lake, catalog, dataset):
        topic, _, number = place.rpartition("/")
        states.append(StreamState(dataset.name, topic, int(number), 0, position, end, end - position))
    return states


def _are_drained(workers: Iterable[StreamWorker | FoldWorker]) -> bool:
    """Tell whether nothing is left, a second later where a group has still to agree on who reads what.

    Beyond the last message of a Kafka partition there may be marks of transactions, which no reader is given: a worker
    that owns all partitions and is given nothing for three seconds has all there is.
    """
    for worker in workers:
        if worker.is_drained():
            continue
        silent = sum(1 for _ in range(3) if worker.step(timeout=timedelta(seconds=1)) == 0 and worker.owns_all())
        if silent < 3:  # noqa: PLR2004 - seconds, see above
            return False
    return True


def _wait(seconds: float, is_stopped: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not is_stopped() and time.monotonic() < deadline:
        time.sleep(min(0.05, max(0.0, deadline - time.monotonic())))


def _report_all(
    lake: Lake,
    catalog: Catalog,
    workers: Mapping[str, StreamWorker | FoldWorker],
    totals: dict[str, Tally],
    instance: dg.DagsterInstance | None,
    *,
    tell: Callable[[str], None],
) -> None:
    for name, worker in workers.items():
        tally = worker.take_tally()
        if not tally.read:
            continue
        _count(totals[name], tally)
        worker.renew_verdicts()
        if instance is not None:
            report_stream(instance, lake, catalog[name], tally)
        tell(
            f"{name}: {tally.read:,} messages, {tally.valid:,} rows, {tally.quarantined:,} set aside, "
            f"{tally.commits} micro-batches"
        )


def report_stream(instance: dg.DagsterInstance, lake: Lake, dataset: Dataset, tally: Tally) -> None:
    """Report a stretch of a stream: one materialisation, a partition each where there are any, and each check."""
    key = asset_key(dataset.name)
    for result in check_results(dataset, state_of_checks(lake, dataset, [*tally.results.values()])):
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=key,
                check_name=str(result.check_name),
                passed=result.passed,
                severity=result.severity,
                description=result.description,
                metadata=result.metadata,
            )
        )
    grow(instance, dataset.partitions, tally.partitions)
    partitions: list[str | None] = [*sorted(tally.partitions)]
    for partition in partitions or [None]:
        instance.report_runless_asset_event(
            dg.AssetMaterialization(key, metadata=dict(stream_metadata(lake, dataset, tally)), partition=partition)
        )


def _count(total: Tally, tally: Tally) -> None:
    total.read += tally.read
    total.valid += tally.valid
    total.quarantined += tally.quarantined
    total.superseded += tally.superseded
    total.commits += tally.commits
