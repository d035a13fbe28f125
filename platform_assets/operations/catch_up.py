"""Bringing everything that is stale up to date from the command line, as the sensors would with a daemon running."""

import queue
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from typing import Any

import dagster as dg

from platform_assets.factory import asset_key
from platform_assets.ingest.inputs import adapter_for, cursor_of
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.location import OPERATION, CodeLocation
from platform_assets.operations.arrivals import SETTLED, Arrival, Cursor, look
from platform_assets.operations.dead_runs import fail_dead_runs
from platform_assets.operations.landing import run_config, span_tags
from platform_core.contracts import Dataset


@dataclass(frozen=True)
class CatchUpRun:
    """A run to be made: assets of at most one partitioning, in one process."""

    keys: tuple[dg.AssetKey, ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    run_config: Mapping[str, Any] = field(default_factory=dict)


def stale_runs(location: CodeLocation, instance: dg.DagsterInstance) -> list[CatchUpRun]:
    """The runs that bring every stale asset up to date, in an order in which inputs come first; empty if none is.

    A landed file is new when the ingest log does not know its content. A derived asset is stale when it was never
    materialised, or when an input is stale or was materialised after it; while an input was never made it has to wait.
    """
    arrivals = _arrivals(location)
    graph = location.defs.resolve_asset_graph()
    stale: dict[dg.AssetKey, None] = dict.fromkeys(asset_key(each.dataset.name) for each in arrivals)
    stale |= dict.fromkeys(asset_key(dataset.name) for dataset in _with_news(location))
    sources = {asset_key(each.name) for each in location.catalog.datasets.values() if each.source}
    for key in graph.toposorted_asset_keys:
        node = graph.get(key)
        derived = key not in sources and node.is_materializable and OPERATION not in node.tags
        if derived and _is_stale(key, graph, stale, instance):
            stale[key] = None
    ordered = [key for key in graph.toposorted_asset_keys if key in stale]
    return [_run(batch, arrivals, graph, instance) for batch in _batches(ordered, graph)]


def _arrivals(location: CodeLocation) -> list[Arrival]:
    datasets = [each for each in location.catalog.datasets.values() if each.source and each.source.is_watched]
    now = datetime.now(UTC)
    lake, settings = location.lake, location.settings
    cursor = Cursor.read(None, now)
    arrivals, _ = look(lake, settings, datasets, cursor, now + SETTLED, most_files=inf, most_bytes=inf)
    return arrivals


def _with_news(location: CodeLocation) -> Iterator[Dataset]:
    """The datasets that no sensor watches and whose source has something that the ingest log does not know."""
    for dataset in location.catalog.datasets.values():
        if dataset.source and not dataset.source.is_watched:
            cursor = cursor_of(QuarantineStore(location.lake, dataset))
            if adapter_for(dataset, location.settings).pending(cursor):
                yield dataset


def _is_stale(key: dg.AssetKey, graph: Any, stale: Mapping[dg.AssetKey, None], instance: dg.DagsterInstance) -> bool:
    parents = graph.get(key).parent_keys
    made = {parent: instance.get_latest_materialization_event(parent) for parent in parents}
    if any(event is None and parent not in stale for parent, event in made.items()):
        return False  # an input has nothing to read yet
    own = instance.get_latest_materialization_event(key)
    if own is None or any(parent in stale for parent in parents):
        return True
    return any(event is not None and event.timestamp > own.timestamp for event in made.values())


def _batches(keys: Sequence[dg.AssetKey], graph: Any) -> Iterator[list[dg.AssetKey]]:
    """Keys in their order, cut where a run would hold two partitionings."""
    batch: list[dg.AssetKey] = []
    held: dg.PartitionsDefinition[str] | None = None
    for key in keys:
        partitions = graph.get(key).partitions_def
        if partitions is not None and held is not None and partitions != held:
            yield batch
            batch, held = [], None
        batch.append(key)
        held = held or partitions
    if batch:
        yield batch


def _run(
    batch: Sequence[dg.AssetKey], arrivals: Sequence[Arrival], graph: Any, instance: dg.DagsterInstance
) -> CatchUpRun:
    mine = [each for each in arrivals if asset_key(each.dataset.name) in batch]
    partitioned = [key for key in batch if graph.get(key).partitions_def is not None]
    touched = {partition for each in mine for partition in each.partitions}
    if partitioned and not touched:
        touched = _partitions_above(partitioned, graph, instance)
    return CatchUpRun(tuple(batch), span_tags(touched), run_config(mine))


def _partitions_above(keys: Iterable[dg.AssetKey], graph: Any, instance: dg.DagsterInstance) -> set[str]:
    """The partitions that inputs of the same partitioning have; all there are where nothing is above."""
    found: set[str] = set()
    for key in keys:
        own = set(graph.get(key).partitions_def.get_partition_keys())
        for parent in graph.get(key).parent_keys:
            if graph.get(parent).partitions_def is not None:
                found |= own & set(instance.get_materialized_partitions(parent))
        found = found or own
    return found


def run_catch_up(planned: CatchUpRun, defs: dg.Definitions, instance: dg.DagsterInstance) -> Iterator[dg.DagsterEvent]:
    """The events of the run, as they happen; the run works in a thread of this process.

    Runs of which a `kill -9` took the process are failed first, for they would keep their pools from this one for ever.
    """
    fail_dead_runs(instance)
    job = defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection=set(planned.keys))
    run_id = _new_run_id()
    events: queue.Queue[dg.DagsterEvent | None] = queue.Queue()
    instance.add_event_listener(run_id, lambda entry: events.put(entry.dagster_event) if entry.dagster_event else None)
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

    raised: list[Exception] = []

    def work() -> None:
        try:
            job.execute_in_process(
                instance=instance,
                run_id=run_id,
                tags=dict(planned.tags),
                run_config={**quiet, **planned.run_config},
                raise_on_error=False,
            )
        except Exception as error:  # noqa: BLE001 - whatever kept the run from beginning; raised below
            raised.append(error)
        finally:
            events.put(None)

    worker = threading.Thread(target=work, name="catch-up")
    worker.start()
    while (event := events.get()) is not None:
        yield event
    worker.join()
    if raised:
        raise raised[0]


_WRAPPING = ("Dagster", "Retry")
"""How Dagster's own errors are called; what stands behind the first other one is what a library said."""


def why(event: dg.DagsterEvent) -> str:
    """The message of a step's failure: its own where the asset failed on purpose, else of what Dagster wrapped."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    error = data.error
    while error and error.cause and (error.cls_name or "").startswith(_WRAPPING):
        error = error.cause
    return error.message.strip() if error else "no reason was given"


def _new_run_id() -> str:
    """A new run id."""
    return dg.DagsterRun(job_name="catch_up").run_id
