"""What was promised of a dataset, measured from Dagster's history and the ingest log."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import dagster as dg

from platform_assets.factory.asset_keys import asset_key
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.location import CodeLocation
from platform_assets.operations.instance import open_instance
from platform_core.contracts import Dataset
from platform_core.quality.promises import Promise, freshness_promise, throughput_promise

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
    found = []
    with open_instance(location.settings) as instance:
        for dataset in location.catalog.datasets.values():
            if name is not None and dataset.name != name:
                continue
            promises = tuple(_promises(location, dataset, instance, now, timedelta(days=days)))
            if promises:
                found.append(
                    DatasetPromises(name=dataset.name, owner=dataset.owner, window_days=days, promises=promises)
                )
    return found


def _promises(
    location: CodeLocation, dataset: Dataset, instance: dg.DagsterInstance, now: datetime, window: timedelta
) -> Iterator[Promise]:
    if dataset.freshness is not None:
        events = instance.fetch_materializations(asset_key(dataset.name), limit=_EVENTS).records
        filled = [datetime.fromtimestamp(event.timestamp, now.tzinfo) for event in events]
        target = dataset.sla.availability if dataset.sla else None
        yield freshness_promise(filled, dataset.freshness, now, window, target=target)
    if dataset.sla is None:
        return
    if dataset.sla.throughput is not None and dataset.source is not None:
        log = QuarantineStore(location.lake, dataset).ingests()
        yield throughput_promise(log.filter(log["ingested_at"] >= now - window), dataset.sla.throughput)
    if dataset.sla.latency is not None:
        promised = f"{dataset.sla.latency.total_seconds():g} s"
        yield Promise(name="latency", promised=promised, measured=None, kept=None, budget=None, burn=None,
                      detail="not measured: no log says when a file landed")  # fmt: skip
