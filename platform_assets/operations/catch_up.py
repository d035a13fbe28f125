"""Bringing everything that is stale up to date from the command line, as the sensors would with a daemon running."""

import queue
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from math import inf
from typing import Any

import dagster as dg

from platform_assets.factory import asset_key
from platform_assets.factory.partitioning import adjoining, grow, keys_to_fill, run_keys, span_tags
from platform_assets.factory.red_checks import RedChecks, blame
from platform_assets.ingest.inputs import adapter_for, cursor_of
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.location import OPERATION, CodeLocation
from platform_assets.operations.arrivals import SETTLED, Arrival, Cursor, Limits, look, shared_units
from platform_assets.operations.awaited_rows import begun_rows
from platform_assets.operations.dead_runs import fail_dead_runs
from platform_assets.operations.landing import run_config
from platform_assets.operations.staleness import Staleness
from platform_core.contracts import Dataset
from platform_resources.sources.base import SourceUnreachable

StalePartitions = dict[dg.AssetKey, set[str]]
"""What has to be made: by asset its partitions, none where it has none."""


@dataclass(frozen=True)
class CatchUpRun:
    """A run to be made: assets of at most one partitioning, in one process."""

    keys: tuple[dg.AssetKey, ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    run_config: Mapping[str, Any] = field(default_factory=dict)


def stale_runs(
    location: CodeLocation,
    instance: dg.DagsterInstance,
    *,
    tell: Callable[[str], None] = lambda _: None,
    note: Callable[[str], None] = lambda _: None,
) -> list[CatchUpRun]:
    """Plan the runs that bring every stale asset up to date, inputs first; none if nothing is stale.

    A landed file is new when the ingest log does not know its content. A derived asset is stale when it was never
    materialised, or when an input is stale or was materialised after it; of a partitioned one, by partition. One
    without partitions is also stale while a blocking check of it is red. While an input was never made it has to wait,
    and while a blocking check of an input is red that is not made again. A source that cannot be reached is told of,
    and keeps nothing else waiting. A file that several datasets take in is noted.
    """
    arrivals = _arrivals(location)
    for shared in shared_units(arrivals):
        note(shared)
    for arrival in arrivals:
        grow(instance, arrival.dataset.partitions, arrival.partitions)
    with dg.partition_loading_context(dynamic_partitions_store=instance):
        return _planned_runs(location, instance, arrivals, tell)


def _planned_runs(
    location: CodeLocation, instance: dg.DagsterInstance, arrivals: Sequence[Arrival], tell: Callable[[str], None]
) -> list[CatchUpRun]:
    graph = location.defs.resolve_asset_graph()
    stale: StalePartitions = {}
    for arrival in arrivals:
        stale.setdefault(asset_key(arrival.dataset.name), set()).update(arrival.partitions)
    for dataset in _with_news(location, tell):
        key = asset_key(dataset.name)
        definition = graph.get(key).partitions_def
        stale[key] = set(keys_to_fill(instance, dataset.partitions)) if definition else set()
    datasets = location.catalog.datasets.values()
    sources = {
        asset_key(dataset.name)
        for dataset in datasets
        if dataset.source and not dataset.source.inputs and not dataset.is_made
    }
    staleness, red_checks = Staleness(graph, instance), red_checks_of(location)
    for key in graph.toposorted_asset_keys:
        node = graph.get(key)
        is_derived = key not in sources and node.is_materializable and OPERATION not in node.tags
        if not is_derived:
            continue
        built = frozenset(stale)
        if node.partitions_def is None and red_checks.stopping(instance, key, built=built):
            continue
        if (partitions := staleness.of(key, stale)) is not None:
            passable = red_checks.passable(instance, key, partitions, built=built)
            if passable or node.partitions_def is None:
                stale[key] = passable
        elif node.partitions_def is None and red_checks.at(instance, key):
            stale[key] = set()
    return planned_runs(stale, arrivals, graph)


def planned_runs(stale: StalePartitions, arrivals: Sequence[Arrival], graph: Any) -> list[CatchUpRun]:
    """Plan the runs that make what is stale, inputs first."""
    ordered = _models_together([key for key in graph.toposorted_asset_keys if key in stale], graph)
    return [run for batch in _batches(ordered, graph) for run in _runs(batch, stale, arrivals, graph)]


def awaited_runs(location: CodeLocation, instance: dg.DagsterInstance) -> list[CatchUpRun]:
    """Plan the runs that take up rows of the future whose partition has begun; they come before `stale_runs` looks."""
    all_begun = list(begun_rows(location.lake, location.catalog))
    for rows in all_begun:
        grow(instance, rows.dataset.partitions, rows.partitions)
    return [CatchUpRun((asset_key(rows.dataset.name),), rows.tags) for rows in all_begun]


def red_checks_of(location: CodeLocation) -> RedChecks:
    """Give the blocking checks of a code location."""
    red_checks: RedChecks = (location.defs.resources or {})["red_checks"]
    return red_checks


def stopped_assets(location: CodeLocation, instance: dg.DagsterInstance) -> dict[str, str]:
    """Tell by name why assets are not built: a blocking check of what they read is red."""
    red_checks = red_checks_of(location)
    red_by_key = {key: red_checks.stopping(instance, key) for key in red_checks.parents if _is_derived(location, key)}
    return {key.to_user_string(): blame(red) for key, red in sorted(red_by_key.items()) if red}


def _is_derived(location: CodeLocation, key: dg.AssetKey) -> bool:
    dataset = location.catalog.datasets.get(key.to_user_string())
    return dataset is None or dataset.is_made


def _arrivals(location: CodeLocation) -> list[Arrival]:
    datasets = [
        dataset for dataset in location.catalog.datasets.values() if dataset.source and dataset.source.is_watched
    ]
    now = datetime.now(UTC)
    lake, settings = location.lake, location.settings
    cursor = Cursor.read(None, now)
    recent = location.landing.recent
    arrivals, _ = look(lake, settings, datasets, cursor, now + SETTLED, limits=Limits(inf, inf), recent=recent)
    return arrivals


def _with_news(location: CodeLocation, tell: Callable[[str], None]) -> Iterator[Dataset]:
    """Yield the datasets whose source does not land as files and has something that the ingest log does not know."""
    for dataset in location.catalog.datasets.values():
        if dataset.source and not dataset.is_made and not dataset.source.is_watched and not dataset.source.inputs:
            cursor = cursor_of(QuarantineStore(location.lake, dataset))
            try:
                has_news = bool(adapter_for(dataset, location.settings).pending(cursor))
            except SourceUnreachable as error:
                tell(f"{dataset.name}: {error}")
                continue
            if has_news:
                yield dataset


def _models_together(keys: Sequence[dg.AssetKey], graph: Any) -> list[dg.AssetKey]:
    """Put off what a step makes several of, dbt's models, until all else that may go before has gone.

    Each run with models starts dbt, and builds and tests again what is above them and not in DuckDB's file.
    """
    together = {key: len(graph.get(key).assets_def.keys) > 1 for key in keys}
    if not any(together.values()):
        return list(keys)
    above = {key: _nearest_above(key, together, graph) for key in keys}
    ordered: dict[dg.AssetKey, None] = {}
    while len(ordered) < len(keys):
        for models in (False, True):
            for key in keys:  # inputs first, so that one pass takes a chain
                if key not in ordered and together[key] == models and above[key] <= ordered.keys():
                    ordered[key] = None
    return list(ordered)


def _nearest_above(key: dg.AssetKey, chosen: Collection[dg.AssetKey], graph: Any) -> set[dg.AssetKey]:
    """Return the chosen assets that one reads, itself or through others that are not chosen."""
    nearest, visited, waiting = set[dg.AssetKey](), set[dg.AssetKey](), list(graph.get(key).parent_keys)
    while waiting:
        parent = waiting.pop()
        if parent in chosen:
            nearest.add(parent)
        elif parent not in visited:
            visited.add(parent)
            waiting += graph.get(parent).parent_keys
    return nearest


def _batches(keys: Sequence[dg.AssetKey], graph: Any) -> Iterator[list[dg.AssetKey]]:
    """Keys in their order, cut where a run would hold two partitionings."""
    batch: list[dg.AssetKey] = []
    batch_partitions: dg.PartitionsDefinition[str] | None = None
    for key in keys:
        partitions = graph.get(key).partitions_def
        if partitions is not None and batch_partitions is not None and partitions != batch_partitions:
            yield batch
            batch, batch_partitions = [], None
        batch.append(key)
        batch_partitions = batch_partitions or partitions
    if batch:
        yield batch


def _runs(
    batch: Sequence[dg.AssetKey], stale: StalePartitions, arrivals: Sequence[Arrival], graph: Any
) -> Iterator[CatchUpRun]:
    """Yield the runs of a batch: one, or, where its partitions do not adjoin, one for each stretch of them.

    Assets without partitions and those with then have runs of their own, because one above another needs all of it.
    """
    mine = [arrival for arrival in arrivals if asset_key(arrival.dataset.name) in batch]
    definition = next((graph.get(key).partitions_def for key in batch if graph.get(key).partitions_def), None)
    if definition is not None and not isinstance(definition, dg.TimeWindowPartitionsDefinition):
        for key in batch:
            yield from _runs_of_categories(key, stale[key], mine, graph)
        return
    partitioned = [key for key in batch if graph.get(key).partitions_def is not None]
    stretches = _stretches(definition, [stale[key] for key in partitioned], mine) if definition else []
    if len(stretches) <= 1:
        yield CatchUpRun(tuple(batch), span_tags(stretches[0] if stretches else ()), run_config(mine))
        return
    for is_partitioned, group in groupby(batch, key=lambda key: key in partitioned):
        keys = tuple(group)
        for stretch in stretches if is_partitioned else [()]:
            asset_keys = tuple(key for key in keys if not is_partitioned or stale[key] & set(stretch))
            run_arrivals = [arrival for arrival in mine if asset_key(arrival.dataset.name) in asset_keys]
            run_arrivals = [
                arrival for arrival in run_arrivals if not is_partitioned or set(arrival.partitions) & set(stretch)
            ]
            if asset_keys:
                yield CatchUpRun(asset_keys, span_tags(stretch), run_config(run_arrivals))


def _runs_of_categories(
    key: dg.AssetKey, stale: set[str], arrivals: Sequence[Arrival], graph: Any
) -> Iterator[CatchUpRun]:
    """Yield the runs of one asset that is divided by category: one of all that landed, then one of each stretch."""
    definition = graph.get(key).partitions_def
    landed = [arrival for arrival in arrivals if asset_key(arrival.dataset.name) == key]
    if definition is None:
        yield CatchUpRun((key,), {}, run_config(landed))
    elif landed:
        touched = sorted({partition for arrival in landed for partition in arrival.partitions})
        yield CatchUpRun((key,), span_tags(run_keys(landed[0].dataset.partitions, touched)), run_config(landed))
    else:
        for stretch in adjoining(definition, stale):
            yield CatchUpRun((key,), span_tags(stretch))


def _stretches(
    definition: dg.PartitionsDefinition[str], stale: Sequence[set[str]], arrivals: Sequence[Arrival]
) -> list[tuple[str, ...]]:
    """Return the partitions of a batch in stretches of adjoining ones; those that one unit touches are not divided."""
    keys = definition.get_partition_keys()
    place = {key: at for at, key in enumerate(keys)}
    spans = [(place[key], place[key]) for partitions in stale for key in partitions if key in place]
    for arrival in arrivals:
        touched = [place[key] for key in arrival.partitions]
        spans += [(min(touched), max(touched))] if touched else []
    stretches: list[tuple[int, int]] = []
    for first, last in sorted(set(spans)):
        if stretches and first <= stretches[-1][1] + 1:
            stretches[-1] = (stretches[-1][0], max(stretches[-1][1], last))
        else:
            stretches.append((first, last))
    return [tuple(keys[first : last + 1]) for first, last in stretches]


def run_catch_up(planned: CatchUpRun, defs: dg.Definitions, instance: dg.DagsterInstance) -> Iterator[dg.DagsterEvent]:
    """Yield the events of the run, as they happen; the run works in a thread of this process.

    Runs of which a `kill -9` took the process are failed first, for they would keep their pools from this one for ever.
    """
    fail_dead_runs(instance)
    job = defs.resolve_implicit_global_asset_job_def()
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
                asset_selection=list(planned.keys),  # of the run, so that the UI shows its targets
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
    """Return the message of a step's failure.

    Its own where the asset failed on purpose, else of what Dagster wrapped.
    """
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    error = data.error
    while error and error.cause and (error.cls_name or "").startswith(_WRAPPING):
        error = error.cause
    return error.message.strip() if error else "no reason was given"


def _new_run_id() -> str:
    """Return a new run id."""
    return dg.DagsterRun(job_name="catch_up").run_id
