"""What there is, dataset by dataset: numbers from the lake's own logs, verdicts from Dagster's history."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from platform_assets.dbt_outline import staged_models
from platform_assets.discovery import by_hand
from platform_assets.ingest import table_spec
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.location import OPERATION, CodeLocation
from platform_assets.operations.history import Check, History, MaterialisationRecord, Verdict
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
        rows_in: Rows that its present inputs brought; None where a transform or a dbt model makes it.
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


@dataclass(frozen=True, kw_only=True)
class UndeclaredAsset:
    """An asset that no `Dataset` declares: a dbt model, or one written by hand."""

    name: str
    owners: tuple[str, ...]
    source: str
    format: str | None
    partitions: str | None
    checks: tuple[str, ...]
    description: str


def overview(location: CodeLocation, history: History) -> list[DatasetState]:
    """Tell the state of every dataset and of every other asset of the location, by name."""
    undeclared = {asset.name: asset for asset in undeclared_assets(location)}
    checks = {dataset.name: [rule.id for rule in rules_of(dataset)] for dataset in location.catalog.datasets.values()}
    checks |= {name: list(asset.checks) for name, asset in undeclared.items()}
    events = history.materialisations(checks)
    verdicts = history.verdicts([(name, check) for name, ids in checks.items() for check in ids])
    return [
        _state_by_history(name, events.get(name), verdicts, undeclared[name].checks)
        if name in undeclared
        else _state(location.catalog[name], location.lake, events.get(name), verdicts)
        for name in sorted(checks, key=lambda name: name.split("/"))
    ]


def undeclared_assets(location: CodeLocation) -> Iterator[UndeclaredAsset]:
    """List the dbt models of a location that have no contract, and the assets written by hand that it can materialise.

    The graph is built only where something is written by hand: such a check may judge a dbt model, too.
    """
    hand_written = {key.to_user_string() for asset in by_hand(location.package) for key in asset.keys}
    graph = location.defs.resolve_asset_graph() if by_hand(location.package) else None
    models = staged_models(location.settings, location.catalog, location.dbt)[1] if location.dbt else []
    for model in models:
        if model.name in location.catalog.datasets:
            continue  # it has a contract
        checks = [check.name for check in model.checks]
        if graph is not None:
            node = next(asset_node for asset_node in graph.asset_nodes if asset_node.key.path == list(model.key))
            checks = [check.name for check in node.check_keys]
        yield UndeclaredAsset(
            name=model.name,
            owners=model.owners,
            source="dbt",
            format="delta" if model.table else "duckdb",
            partitions=None,
            checks=tuple(checks),
            description=model.description,
        )
    for node in graph.asset_nodes if graph is not None else ():
        name = node.key.to_user_string()
        if name in hand_written and node.is_materializable and OPERATION not in node.tags:
            kinds = sorted(tag.removeprefix(_KIND) for tag in node.tags if tag.startswith(_KIND))
            yield UndeclaredAsset(
                name=name,
                owners=tuple(node.owners),
                source="by hand",
                format=next((kind for kind in kinds if kind != "dbt"), None),
                partitions=None if node.partitions_def is None else node.partitions_def.__class__.__name__,
                checks=tuple(check.name for check in node.check_keys),
                description=(node.description or "").strip(),
            )


_KIND = "dagster/kind/"


def _state_by_history(
    name: str, event: MaterialisationRecord | None, verdicts: Mapping[Check, Verdict], checks: Sequence[str]
) -> DatasetState:
    """Tell the state of an asset without a declaration: what its last materialisation said."""
    metadata = event.metadata if event else {}
    rows = metadata.get("dagster/row_count")
    return DatasetState(
        name=name,
        location=str(metadata.get("dagster/uri") or name),
        rows_in=None,
        rows=rows if isinstance(rows, int) else None,
        quarantined=0,
        verdicts=count_verdicts(verdicts[name, check] for check in checks if (name, check) in verdicts),
        materialised_at=event.at.timestamp() if event else None,
    )


def state_of(dataset: Dataset, lake: Lake, history: History) -> DatasetState:
    """Tell the state of one dataset."""
    checks = [(dataset.name, rule.id) for rule in rules_of(dataset)]
    event = history.materialisations([dataset.name]).get(dataset.name)
    return _state(dataset, lake, event, history.verdicts(checks))


def _state(
    dataset: Dataset, lake: Lake, event: MaterialisationRecord | None, verdicts: Mapping[Check, Verdict]
) -> DatasetState:
    store, spec = QuarantineStore(lake, dataset), table_spec(dataset)
    checks = [(dataset.name, rule.id) for rule in rules_of(dataset)]
    return DatasetState(
        name=dataset.name,
        location=lake.location(spec),
        rows_in=int(store.ingests()["rows"].sum()) if dataset.source and not dataset.source.is_dbt else None,
        rows=_rows(lake, spec) if lake.exists(spec) else None,
        quarantined=store.envelopes(decision="open").height if dataset.quarantine else 0,
        verdicts=count_verdicts(verdicts[check] for check in checks if check in verdicts),
        materialised_at=event.at.timestamp() if event else None,
    )


def _rows(lake: Lake, spec: TableSpec) -> int:
    """Count a table's rows by its log: opening old files may wait for hours where the bucket archived them."""
    counted = lake.operations(spec).statistics().rows
    return int(lake.scan(spec).select(pl.len()).collect().item()) if counted is None else counted


def count_verdicts(verdicts: Iterable[Verdict]) -> Verdicts:
    """Count verdicts by what they say."""
    statuses = [verdict.status for verdict in verdicts]
    return Verdicts(passed=statuses.count("passed"), warned=statuses.count("warned"), failed=statuses.count("failed"))
