"""The landing sensor: sees each content of each file once, also after a crash, and never drops a wanted re-run.

A run's key carries the cursor's turn, so that the same content may come again later.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

from platform_assets.factory.asset_keys import asset_key
from platform_assets.factory.partitioning import growing, partitions_definition, run_keys, span_tags
from platform_assets.operations.arrivals import Arrival, Cursor, look, shared_units
from platform_core.contracts import Catalog, Partitions
from platform_resources.settings import Settings
from platform_resources.sources import Landing
from platform_resources.storage import Lake
from platform_resources.telemetry import open_span
from platform_resources.telemetry.tracing import TRACEPARENT_TAG

_SECONDS = 2
"""Below the 5 s of the daemon's loop, so that every turn of it ticks; one with nothing new is cheap."""


def landing_sensor(catalog: Catalog, domain: str) -> dg.SensorDefinition:
    """Build the sensor that starts the ingest of files landing in a domain's folder."""
    datasets = [
        dataset
        for dataset in catalog.datasets.values()
        if dataset.domain == domain and dataset.source and dataset.source.is_watched
    ]

    @dg.sensor(
        name=f"{domain}_landing",
        # `target` would make Dagster build a job a domain, 16 % of the time that 1000 datasets take to load.
        asset_selection=dg.AssetSelection.assets(*(asset_key(dataset.name) for dataset in datasets)).downstream(),
        minimum_interval_seconds=_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Starts the ingest of files that land in {domain}/.",
    )
    def landed(
        context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake], landing: dg.ResourceParam[Landing]
    ) -> dg.SensorResult | dg.SkipReason:
        now = datetime.now(UTC)
        settings = landing.settings
        arrivals, after = look(lake, settings, datasets, Cursor.read(context.cursor, now), now)
        if not arrivals:
            context.update_cursor(after.write())
            return dg.SkipReason(f"nothing new in {domain}/")
        for shared in shared_units(arrivals):
            context.log.warning(shared)
        after = replace(after, turn=after.turn + 1)
        graph = context.repository_def.asset_graph if context.repository_def else None
        return dg.SensorResult(
            run_requests=traced_requests(settings, f"{domain}_landing", requests(arrivals, after, graph)),
            dynamic_partitions_requests=list(new_partitions(arrivals)),
            cursor=after.write(),
        )

    return landed


def traced_requests(settings: Settings, sensor: str, runs: Iterable[dg.RunRequest]) -> list[dg.RunRequest]:
    """Ask for the runs within a span of the tick, and tell them so by a tag; without traces they are the same."""
    with open_span(settings, "tick", attributes={"sensor": sensor}, flush=True) as span:
        tag = {TRACEPARENT_TAG: span.traceparent} if span.traceparent else {}
        asked = [run.with_replaced_attrs(tags={**run.tags, **tag}) for run in runs]
        span.set(runs=len(asked))
    return asked


def requests(
    arrivals: Sequence[Arrival], cursor: Cursor, graph: BaseAssetGraph[Any] | None = None
) -> Iterator[dg.RunRequest]:
    """Ask for the runs of the arrivals: datasets of the same partitioning share one, months apart have their own.

    Unpartitioned datasets go into the first, because the others refer to them. With the graph, whatever is downstream
    and of the same partitioning, or of none, works in the same run and so in the same process; the automation
    condition sees to the rest.
    """
    whole = [arrival for arrival in arrivals if arrival.dataset.partitions is None]
    groups = list(_groups([arrival for arrival in arrivals if arrival.dataset.partitions is not None]))
    for place, group in enumerate(groups or [[]]):
        together = [*whole, *group] if place == 0 else list(group)
        landed = dict.fromkeys(asset_key(arrival.dataset.name) for arrival in together)
        yield dg.RunRequest(
            run_key=f"{cursor.epoch}:{cursor.turn}:{place}",
            asset_selection=[*landed, *(downstream(landed, graph) if graph else ())],
            run_config=run_config(together),
            tags=span_tags(_keys(group)),
        )


def new_partitions(arrivals: Iterable[Arrival]) -> Iterator[dg.AddDynamicPartitionsRequest]:
    """Ask for the partitions that the data say, in one request for each name."""
    values: dict[str, set[str]] = {}
    for arrival in arrivals:
        for name, keys in growing(arrival.dataset.partitions, arrival.partitions).items():
            values.setdefault(name, set()).update(keys)
    for name, value in values.items():
        yield dg.AddDynamicPartitionsRequest(name, sorted(value))


def downstream(landed: Iterable[dg.AssetKey], graph: BaseAssetGraph[Any]) -> list[dg.AssetKey]:
    """List what can follow the landed assets in their own run, in the graph's order."""
    selected = dict.fromkeys(landed)
    partitioning = next((partitions for key in selected if (partitions := graph.get(key).partitions_def)), None)
    for key in graph.toposorted_asset_keys:
        node = graph.get(key)
        follows = (
            node.is_materializable and node.automation_condition is not None and node.parent_keys & selected.keys()
        )
        if key not in selected and follows and node.partitions_def in (None, partitioning):
            selected[key] = None
    return list(selected)[len(dict.fromkeys(landed)) :]


def run_config(arrivals: Iterable[Arrival]) -> dict[str, Any]:
    """Write the run configuration that names each dataset's files; of a polled source a run takes all there is."""
    files: dict[str, list[str]] = {}
    for arrival in arrivals:
        if arrival.dataset.source is not None and arrival.dataset.source.polled_every:
            continue
        files.setdefault("__".join(asset_key(arrival.dataset.name).path), []).append(arrival.unit.source)
    return {"ops": {op: {"config": {"files": names}} for op, names in files.items()}}


def _keys(group: Sequence[Arrival]) -> tuple[str, ...]:
    """Return the partitions that the run of a group names, in their order."""
    touched = sorted({key for arrival in group for key in arrival.partitions})
    return run_keys(group[0].dataset.partitions, touched) if group else ()


def _groups(arrivals: Sequence[Arrival]) -> Iterator[list[Arrival]]:
    """Arrivals by partitioning, each cut where a run of adjoining partitions ends; by category, one of each dataset."""
    by_partitioning: dict[Hashable, list[Arrival]] = {}
    for arrival in arrivals:
        if isinstance(partitions := arrival.dataset.partitions, Partitions):
            same_time = (partitions.grain, partitions.start, partitions.end, partitions.zone)
            by_partitioning.setdefault(same_time, []).append(arrival)
        else:
            by_partitioning.setdefault(arrival.dataset.name, []).append(arrival)
    for kind, same in by_partitioning.items():
        if isinstance(kind, str):
            yield same
            continue
        definition = partitions_definition(same[0].dataset.partitions)
        order = {key: place for place, key in enumerate(definition.get_partition_keys())} if definition else {}
        group: list[Arrival] = []
        reach = -1
        for arrival in sorted(same, key=lambda arrival: order[arrival.partitions[0]]):
            if group and order[arrival.partitions[0]] > reach + 1:
                yield group
                group = []
            group.append(arrival)
            reach = max(reach, order[arrival.partitions[-1]])
        yield group
