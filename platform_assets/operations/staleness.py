"""Which derived assets are older than their inputs, by partition, as Dagster's history says."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import dagster as dg

from platform_assets.factory.partitioning import below
from platform_assets.location import OPERATION


class Staleness:
    """The history of one look, in which each asset is looked up once."""

    def __init__(self, graph: Any, instance: dg.DagsterInstance) -> None:
        self.graph, self.instance = graph, instance
        self._latest = cache(self._look_up_latest)
        self._by_partition = cache(self._look_up_partitions)

    def of(self, key: dg.AssetKey, stale: Mapping[dg.AssetKey, set[str]]) -> set[str] | None:
        """Find out what of a derived asset has to be made.

        Args:
            key: Of the asset.
            stale: What of its inputs will be made before it.

        Returns:
            Its stale partitions, an empty set for an asset without partitions, None where nothing is to be done: it is
            up to date, or waits for an input that was never made.
        """
        parents = self._inputs(key)
        if any(self._latest(parent) is None and parent not in stale for parent in parents):
            return None
        if self.graph.get(key).partitions_def is None:
            own = self._latest(key)
            news = [self._latest(parent) for parent in parents]
            is_older = own is None or any(latest is not None and latest > own for latest in news)
            return set() if is_older or any(parent in stale for parent in parents) else None
        return self._stale_partitions(key, stale) or None

    def _stale_partitions(self, key: dg.AssetKey, stale: Mapping[dg.AssetKey, set[str]]) -> set[str]:
        definition = self.graph.get(key).partitions_def
        valid, own = set(definition.get_partition_keys()), self._by_partition(key)
        parents = self._inputs(key)
        divided = [parent for parent in parents if self.graph.get(parent).partitions_def is not None]
        stale_by_parent = {parent: self._below(key, parent, self._by_partition(parent)) for parent in divided}
        planned = {parent: self._below(key, parent, dict.fromkeys(stale.get(parent, ()), 0)) for parent in divided}
        partitions_to_make = set[str]().union(*planned.values())
        for partitions in stale_by_parent.values():
            partitions_to_make |= {
                partition for partition, latest in partitions.items() if latest > own.get(partition, 0)
            }
        wholes = [parent for parent in parents if parent not in divided]
        everywhere = set[str]().union(*stale_by_parent.values(), own) if divided else valid
        for parent in wholes:
            latest = self._latest(parent) or 0
            is_planned = parent in stale
            partitions_to_make |= {
                partition for partition in everywhere if is_planned or latest > own.get(partition, 0)
            }
        return partitions_to_make & valid

    def _inputs(self, key: dg.AssetKey) -> list[dg.AssetKey]:
        """Return what an asset is made of; a detector is not, for it is trained where there is none."""
        return [parent for parent in self.graph.get(key).parent_keys if OPERATION not in self.graph.get(parent).tags]

    def _below(self, key: dg.AssetKey, parent: dg.AssetKey, partitions: Mapping[str, int]) -> dict[str, int]:
        """Return an input's partitions as those of the asset that they touch, each with the latest number there is."""
        mine, theirs = self.graph.get(key).partitions_def, self.graph.get(parent).partitions_def
        if mine == theirs:
            return dict(partitions)
        numbers: dict[str, int] = {}
        for partition, number in partitions.items():
            for touched in below(mine, theirs, partition):
                numbers[touched] = max(number, numbers.get(touched, 0))
        return numbers

    def _look_up_latest(self, key: dg.AssetKey) -> int | None:
        """Return the number of the asset's latest materialisation in the event log, which counts up."""
        record = next(iter(self.instance.fetch_materializations(key, limit=1).records), None)
        return record.storage_id if record else None

    def _look_up_partitions(self, key: dg.AssetKey) -> Mapping[str, int]:
        """By partition, the number of its latest materialisation."""
        return self.instance.event_log_storage.get_latest_storage_id_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION
        )
