"""What was promised of a dataset, measured from Dagster's history and the ingest log."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from platform_assets.factory.asset_keys import asset_key
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.location import CodeLocation
from platform_assets.operations.instance import open_instance
from platform_core.contracts import Dataset
from platform_core.quality.promises import Promise, freshness_promise, latency_promise, throughput_promise

_EVENTS = 1_000


@dataclass(frozen=True, kw_only=True)
class DatasetPromises:
    """A dataset and how it keeps what it promised over a window up to now."""

    name: str
    owner: str
    window_days: float
    promises: Sequence[Promise]


def sla_of(location: CodeLocation, now: datetime, *, days: float, name: str | None = None) -> list[DatasetPromises]:
    """Measure what was promised of the datasets over the last days; a dataset that promises nothing is left out."""
    measured_promises = []
    with open_instance(location.settings) as instance:
        for dataset in location.catalog.datasets.values():
            if name is not None and dataset.name != name:
                continue
            promises = tuple(promises_of(location, dataset, instance, now, timedelta(days=days)))
            if promises:
                measured_promises.append(
                    DatasetPromises(name=dataset.name, owner=dataset.owner, window_days=days, promises=promises)
                )
    return measured_promises


def promises_of(
    location: CodeLocation, dataset: Dataset, instance: dg.DagsterInstance, now: datetime, window: timedelta
) -> Iterator[Promise]:
    """Measure each promise of a dataset over a window up to now."""
    if dataset.freshness is not None:
        events = instance.fetch_materializations(asset_key(dataset.name), limit=_EVENTS).records
        filled = [datetime.fromtimestamp(event.timestamp, now.tzinfo) for event in events]
        target = dataset.sla.availability if dataset.sla else None
        yield freshness_promise(filled, dataset.freshness, now, window, target=target)
    if dataset.sla is None:
        return
    if dataset.sla.throughput is not None and not dataset.is_made:
        log = QuarantineStore(location.lake, dataset).ingests()
        yield throughput_promise(log.filter(log["ingested_at"] >= now - window), dataset.sla.throughput)
    if dataset.sla.latency is not None:
        latencies = list(_latencies(location, dataset, instance, now - window))
        yield latency_promise(latencies, dataset.sla.latency, target=dataset.sla.availability)


def _latencies(
    location: CodeLocation, dataset: Dataset, instance: dg.DagsterInstance, since: datetime
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
        filled = _materialised(instance, dataset.name, since)
        for name in map(transform.input_name, transform.parameters):
            for instant in _materialised(instance, name, since):
                following = min((at for at in filled if at >= instant), default=None)
                if following is not None:
                    yield following - instant


def _materialised(instance: dg.DagsterInstance, name: str, since: datetime) -> list[datetime]:
    events = instance.fetch_materializations(asset_key(name), limit=_EVENTS).records
    instants = [datetime.fromtimestamp(event.timestamp, UTC) for event in events]
    return [instant for instant in instants if instant >= since]
