"""What was promised of a dataset, measured from Dagster's history and the ingest log."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.location import CodeLocation
from platform_assets.operations.event_log import materialised_at
from platform_assets.operations.instance import open_instance
from platform_core.contracts import Dataset
from platform_core.quality.promises import Promise, freshness_promise, latency_promise, throughput_promise


@dataclass(frozen=True, kw_only=True)
class DatasetPromises:
    """A dataset and how it keeps what it promised over a window up to now."""

    name: str
    owner: str
    window_days: float
    promises: Sequence[Promise]


def sla_of(location: CodeLocation, now: datetime, *, days: float, name: str | None = None) -> list[DatasetPromises]:
    """Measure what was promised of the datasets over the last days; a dataset that promises nothing is left out."""
    with open_instance(location.settings) as instance:
        return measured_promises(location, instance, now, days=days, names=None if name is None else [name])


def measured_promises(
    location: CodeLocation, instance: dg.DagsterInstance, now: datetime, *, days: float, names: Iterable[str] | None
) -> list[DatasetPromises]:
    """Measure what was promised of the named datasets, or of all, by a history that is open."""
    window = timedelta(days=days)
    chosen = set(location.catalog.datasets if names is None else names)
    datasets = [dataset for dataset in location.catalog.datasets.values() if dataset.name in chosen]
    times = materialised_at(instance, _asked_of(location, datasets), now - window)
    measured = []
    for dataset in datasets:
        promises = tuple(promises_of(location, dataset, times, now, window))
        if promises:
            measured.append(
                DatasetPromises(name=dataset.name, owner=dataset.owner, window_days=days, promises=promises)
            )
    return measured


def times_of(
    location: CodeLocation, dataset: Dataset, instance: dg.DagsterInstance, since: datetime
) -> dict[str, list[datetime]]:
    """Return when what the promises of a dataset are measured by was materialised."""
    return materialised_at(instance, _asked_of(location, [dataset]), since)


def _asked_of(location: CodeLocation, datasets: Iterable[Dataset]) -> Iterator[str]:
    """Name the assets whose materialisations tell how the datasets keep their promises."""
    for dataset in datasets:
        waits = dataset.sla is not None and dataset.sla.latency is not None
        transform = location.catalog.transforms.get(dataset.name) if waits else None
        if dataset.freshness is not None or transform is not None:
            yield dataset.name
        if transform is not None:
            yield from map(transform.input_name, transform.parameters)


def promises_of(
    location: CodeLocation,
    dataset: Dataset,
    times: Mapping[str, Sequence[datetime]],
    now: datetime,
    window: timedelta,
) -> Iterator[Promise]:
    """Measure each promise of a dataset over a window up to now; `times` are those of `times_of`."""
    if dataset.freshness is not None:
        target = dataset.sla.availability if dataset.sla else None
        yield freshness_promise(times[dataset.name], dataset.freshness, now, window, target=target)
    if dataset.sla is None:
        return
    if dataset.sla.throughput is not None and not dataset.is_made:
        log = QuarantineStore(location.lake, dataset).ingests()
        yield throughput_promise(log.filter(log["ingested_at"] >= now - window), dataset.sla.throughput)
    if dataset.sla.latency is not None:
        latencies = list(_latencies(location, dataset, times, now - window))
        yield latency_promise(latencies, dataset.sla.latency, target=dataset.sla.availability)


def _latencies(
    location: CodeLocation, dataset: Dataset, times: Mapping[str, Sequence[datetime]], since: datetime
) -> Iterator[timedelta]:
    """Yield how long each landed file took to be readable; of a derived dataset, each input that a run followed."""
    if dataset.source is not None and dataset.source.is_watched:
        landed = {file.source: file for file in location.landing.files(dataset.domain)}
        log = QuarantineStore(location.lake, dataset).ingests()
        for row in log.filter(log["ingested_at"] >= since).iter_rows(named=True):
            file = landed.get(row["source"])
            if file is not None and file.arrived and file.stamp == row["stamp"]:
                arrived = datetime.fromtimestamp(file.arrived / 1e9, UTC)
                yield max(row["ingested_at"] - arrived, timedelta(0))
    transform = location.catalog.transforms.get(dataset.name)
    if transform is not None:
        filled = [at for at in times[dataset.name] if at >= since]
        for name in map(transform.input_name, transform.parameters):
            for instant in (at for at in times[name] if at >= since):
                following = min((at for at in filled if at >= instant), default=None)
                if following is not None:
                    yield following - instant
