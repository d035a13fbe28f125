"""The landing sensor: sees each content of each file once, also after a crash, and never drops a wanted re-run.

A run's key carries the cursor's turn, so that the same content may come again later.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from platform_assets.factory.asset_keys import asset_key
from platform_assets.factory.specs import partitions_definition
from platform_assets.operations.arrivals import Arrival, Cursor, look
from platform_core.contracts import Catalog
from platform_resources.sources import Landing
from platform_resources.storage import Lake

_SECONDS = 2
"""Below the 5 s of the daemon's loop, so that every turn of it ticks; one with nothing new is cheap."""


def landing_sensor(catalog: Catalog, domain: str) -> dg.SensorDefinition:
    """The sensor that starts the ingest of files landing in a domain's folder."""
    datasets = [
        each for each in catalog.datasets.values() if each.domain == domain and each.source and each.source.is_watched
    ]

    @dg.sensor(
        name=f"{domain}_landing",
        # `target` would make Dagster build a job a domain, 16 % of the time that 1000 datasets take to load.
        asset_selection=dg.AssetSelection.assets(*(asset_key(each.name) for each in datasets)).downstream(),
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
        after = replace(after, turn=after.turn + 1)
        graph = context.repository_def.asset_graph if context.repository_def else None
        return dg.SensorResult(run_requests=list(requests(arrivals, after, graph)), cursor=after.write())

    return landed


def requests(
    arrivals: Sequence[Arrival], cursor: Cursor, graph: BaseAssetGraph[Any] | None = None
) -> Iterator[dg.RunRequest]:
    """Runs for the arrivals: datasets of the same partitioning share one, months that do not adjoin have their own.

    Unpartitioned datasets go into the first, because the others refer to them. With the graph, whatever is downstream
    and of the same partitioning, or of none, works in the same run and so in the same process; the automation
    condition sees to the rest.
    """
    whole = [each for each in arrivals if each.dataset.partitions is None]
    groups = list(_groups([each for each in arrivals if each.dataset.partitions is not None]))
    for place, group in enumerate(groups or [[]]):
        together = [*whole, *group] if place == 0 else list(group)
        landed = dict.fromkeys(asset_key(each.dataset.name) for each in together)
        yield dg.RunRequest(
            run_key=f"{cursor.epoch}:{cursor.turn}:{place}",
            asset_selection=[*landed, *(downstream(landed, graph) if graph else ())],
            run_config=run_config(together),
            tags=span_tags(key for each in group for key in each.partitions),
        )


def downstream(landed: Iterable[dg.AssetKey], graph: BaseAssetGraph[Any]) -> list[dg.AssetKey]:
    """What can follow the landed assets in their own run, in the graph's order."""
    chosen = dict.fromkeys(landed)
    held = next((partitions for key in chosen if (partitions := graph.get(key).partitions_def)), None)
    for key in graph.toposorted_asset_keys:
        node = graph.get(key)
        follows = node.is_materializable and node.automation_condition is not None and node.parent_keys & chosen.keys()
        if key not in chosen and follows and node.partitions_def in (None, held):
            chosen[key] = None
    return list(chosen)[len(dict.fromkeys(landed)) :]


def run_config(arrivals: Iterable[Arrival]) -> dict[str, Any]:
    """The run configuration that names each dataset's files."""
    files: dict[str, list[str]] = {}
    for each in arrivals:
        files.setdefault("__".join(asset_key(each.dataset.name).path), []).append(each.unit.source)
    return {"ops": {op: {"config": {"files": names}} for op, names in files.items()}}


def _groups(arrivals: Sequence[Arrival]) -> Iterator[list[Arrival]]:
    """Arrivals by partitioning, each cut where a run of adjoining partitions ends."""
    by_kind: dict[tuple[str, str], list[Arrival]] = {}
    for each in arrivals:
        if each.dataset.partitions:
            by_kind.setdefault((each.dataset.partitions.grain, each.dataset.partitions.start), []).append(each)
    for same in by_kind.values():
        definition = partitions_definition(same[0].dataset.partitions)
        order = {key: place for place, key in enumerate(definition.get_partition_keys())} if definition else {}
        group: list[Arrival] = []
        reach = -1
        for each in sorted(same, key=lambda arrival: order[arrival.partitions[0]]):
            if group and order[each.partitions[0]] > reach + 1:
                yield group
                group = []
            group.append(each)
            reach = max(reach, order[each.partitions[-1]])
        yield group


def span_tags(keys: Iterable[str]) -> dict[str, str]:
    """The run tags that select all partitions from the first to the last of the keys; empty without keys."""
    ordered = sorted(set(keys))
    if not ordered:
        return {}
    return {ASSET_PARTITION_RANGE_START_TAG: ordered[0], ASSET_PARTITION_RANGE_END_TAG: ordered[-1]}
