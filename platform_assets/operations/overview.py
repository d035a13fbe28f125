"""What there is, dataset by dataset: numbers from the lake's own logs, verdicts from Dagster's history."""

from collections.abc import Iterable
from dataclasses import dataclass

import dagster as dg
import polars as pl

from platform_assets.factory import asset_key
from platform_assets.ingest import table_spec
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.location import OPERATION, CodeLocation
from platform_core.contracts import Dataset, rules_of
from platform_resources.storage import Lake, TableSpec


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """How many checks passed, warned and failed when they were last judged."""

    passed: int = 0
    warned: int = 0
    failed: int = 0


@dataclass(frozen=True, kw_only=True)
class DatasetState:
    """A dataset as it stands.

    Attributes:
        name: Of the dataset.
        location: Where its table lies.
        rows_in: Rows that its present inputs brought; None where a transform makes it.
        rows: Rows in the table; None where there is none.
        quarantined: Envelopes that are open.
        verdicts: Of its checks.
        materialised_at: Seconds since the epoch of the last materialisation, or None.
    """

    name: str
    location: str
    rows_in: int | None
    rows: int | None
    quarantined: int
    verdicts: Verdicts
    materialised_at: float | None

    @property
    def materialised(self) -> bool:
        """Whether it was ever made."""
        return self.materialised_at is not None or self.rows is not None


def overview(location: CodeLocation, instance: dg.DagsterInstance) -> list[DatasetState]:
    """The state of every dataset and of every other asset of the location, by name."""
    graph = location.defs.resolve_asset_graph()
    declared = {asset_key(name): dataset for name, dataset in location.catalog.datasets.items()}
    return [
        state_of(declared[key], location.lake, instance)
        if key in declared
        else _state_by_history(key, graph.get_check_keys_for_assets({key}), instance)
        for key in sorted(graph.materializable_asset_keys)
        if OPERATION not in graph.get(key).tags
    ]


def _state_by_history(
    key: dg.AssetKey, checks: Iterable[dg.AssetCheckKey], instance: dg.DagsterInstance
) -> DatasetState:
    """The state of an asset without a declaration, such as a dbt model: what its last materialisation said."""
    event = instance.get_latest_materialization_event(key)
    said = event.asset_materialization.metadata if event and event.asset_materialization else {}
    rows, place = said.get("dagster/row_count"), said.get("dagster/uri")
    return DatasetState(
        name=key.to_user_string(),
        location=str(place.value) if place else key.to_user_string(),
        rows_in=None,
        rows=int(rows.value) if rows and isinstance(rows.value, int) else None,
        quarantined=0,
        verdicts=count_verdicts(instance, checks),
        materialised_at=event.timestamp if event else None,
    )


def state_of(dataset: Dataset, lake: Lake, instance: dg.DagsterInstance) -> DatasetState:
    """The state of one dataset."""
    store = QuarantineStore(lake, dataset)
    spec = table_spec(dataset)
    event = instance.get_latest_materialization_event(asset_key(dataset.name))
    return DatasetState(
        name=dataset.name,
        location=lake.location(spec),
        rows_in=int(store.ingests()["rows"].sum()) if dataset.source else None,
        rows=_rows(lake, spec) if lake.exists(spec) else None,
        quarantined=store.envelopes(decision="open").height if dataset.quarantine else 0,
        verdicts=_verdicts(dataset, instance),
        materialised_at=event.timestamp if event else None,
    )


def _rows(lake: Lake, spec: TableSpec) -> int:
    """The rows of a table by its log, because opening old files may wait for hours where the bucket archived them."""
    counted = lake.operations(spec).statistics().rows
    return int(lake.scan(spec).select(pl.len()).collect().item()) if counted is None else counted


def _verdicts(dataset: Dataset, instance: dg.DagsterInstance) -> Verdicts:
    keys = [dg.AssetCheckKey(asset_key(dataset.name), rule.id) for rule in rules_of(dataset)]
    return count_verdicts(instance, keys)


def count_verdicts(instance: dg.DagsterInstance, keys: Iterable[dg.AssetCheckKey]) -> Verdicts:
    """The latest verdicts of the given checks; a check that never ran counts nowhere."""
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys))
    evaluations = [
        record.event.dagster_event.asset_check_evaluation_data
        for record in records.values()
        if record.event
        and record.event.dagster_event
        and record.event.dagster_event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    warned = [each for each in evaluations if not each.passed and each.severity is dg.AssetCheckSeverity.WARN]
    passed = [each for each in evaluations if each.passed]
    return Verdicts(passed=len(passed), warned=len(warned), failed=len(evaluations) - len(passed) - len(warned))
