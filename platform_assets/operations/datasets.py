"""The list of datasets, and all that is known of one: what `platform datasets` prints."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl

from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.location import CodeLocation
from platform_assets.operations.dataset_facts import (
    ColumnFacts,
    Freshness,
    InputFacts,
    Line,
    Materialisation,
    Page,
    QuarantineFacts,
    RetentionFacts,
    RuleFacts,
)
from platform_assets.operations.errors import UnknownName
from platform_assets.operations.history import History, open_history
from platform_assets.operations.overview import (
    DatasetState,
    UndeclaredAsset,
    overview,
    state_of,
    undeclared_assets,
)
from platform_core.contracts import Balance, Catalog, Column, Dataset, ReferenceRule, Retention, Rule, rules_of


def find_dataset(catalog: Catalog, name: str) -> Dataset:
    """Look up the dataset of that name.

    Raises:
        UnknownName: There is none; the error offers names that are near.
    """
    if name not in catalog.datasets:
        raise UnknownName("dataset", name, catalog.datasets)
    return catalog[name]


def list_datasets(location: CodeLocation, domain: str | None, now: datetime) -> list[Line]:
    """List all datasets by name, and each asset that is made without a declaration, such as a dbt model.

    Raises:
        UnknownName: There is no such domain.
    """
    undeclared = {asset.name: asset for asset in undeclared_assets(location)}
    with open_history(location.settings) as history:
        states = overview(location, history)
    lines = [
        _undeclared_line(undeclared[state.name], state)
        if state.name in undeclared
        else _line(location.catalog[state.name], state, now)
        for state in states
    ]
    domains = {line.domain for line in lines}
    if domain is not None and domain not in domains:
        raise UnknownName("domain", domain, domains)
    return [line for line in lines if domain in {None, line.domain}]


def describe_dataset(location: CodeLocation, name: str, now: datetime) -> Page:
    """Tell all that is known of the dataset or asset of that name.

    Raises:
        UnknownName: There is no such dataset or asset.
    """
    dataset = location.catalog.datasets.get(name)
    with open_history(location.settings) as history:
        if dataset is None:
            return _undeclared_page(location, name, history)
        store = QuarantineStore(location.lake, dataset)
        return Page(
            dataset=_line(dataset, state_of(dataset, location.lake, history), now),
            description=dataset.about,
            tags=tuple(dataset.tags),
            key=tuple(dataset.key),
            reads=tuple(_reads(location.catalog, dataset)),
            columns=tuple(_column(column) for column in dataset.columns),
            rules=_with_verdicts(name, map(_rule, rules_of(dataset)), history),
            last_materialisation=_last_materialisation(name, history),
            quarantine=_quarantine(store),
            retention=_retention(dataset),
            inputs=tuple(_input(row) for row in store.ingests().to_dicts()),
        )


def _undeclared_page(location: CodeLocation, name: str, history: History) -> Page:
    """Tell all that is known of an asset without a declaration: the graph says what it is, the history the rest."""
    from platform_assets.operations.undeclared import AssetFacts, asset_facts  # noqa: PLC0415 - imports Dagster

    states = {state.name: state for state in overview(location, history)}
    if name not in states:
        raise UnknownName("dataset", name, states)
    asset = next(asset for asset in undeclared_assets(location) if asset.name == name)
    facts: AssetFacts = asset_facts(location, name)
    return Page(
        dataset=_undeclared_line(asset, states[name]),
        description=facts.description,
        tags=facts.tags,
        key=(),
        reads=facts.reads,
        columns=facts.columns,
        rules=_with_verdicts(name, facts.rules, history),
        last_materialisation=_last_materialisation(name, history),
        quarantine=None,
        retention=None,
        inputs=(),
    )


def _with_verdicts(name: str, rules: Iterable[RuleFacts], history: History) -> tuple[RuleFacts, ...]:
    """Add to each rule what its check last said."""
    rules = tuple(rules)
    verdicts = history.verdicts([(name, rule.id) for rule in rules])
    return tuple(
        replace(rule, status=verdict.status, told=verdict.description, judged_at=verdict.at, run_id=verdict.run_id)
        if (verdict := verdicts.get((name, rule.id)))
        else rule
        for rule in rules
    )


def _last_materialisation(name: str, history: History) -> Materialisation | None:
    record = history.materialisations([name]).get(name)
    if record is None:
        return None
    counts = {label: record.metadata.get(label) for label in ("rows_in", "rows_valid")}
    return Materialisation(
        at=record.at,
        run_id=record.run_id,
        partition=record.partition,
        **{label: count if isinstance(count, int) else None for label, count in counts.items()},
    )


def _undeclared_line(asset: UndeclaredAsset, state: DatasetState) -> Line:
    """Make the line of an asset without a declaration; it has no version, no quarantine and no limit to its age."""
    return Line(
        name=asset.name,
        domain=asset.name.partition("/")[0],
        owner=", ".join(asset.owners),
        version=None,
        source=asset.source,
        format=asset.format,
        mode=None,
        partitions=asset.partitions,
        rule_count=len(asset.checks),
        rows=state.rows,
        materialised_at=None if state.materialised_at is None else datetime.fromtimestamp(state.materialised_at, UTC),
        checks=state.verdicts,
        quarantine_open=None,
        freshness=Freshness(state="not_applicable", within_seconds=None, due_at=None),
        location=state.location,
    )


def _line(dataset: Dataset, state: DatasetState, now: datetime) -> Line:
    filled = None if state.materialised_at is None else datetime.fromtimestamp(state.materialised_at, UTC)
    return Line(
        name=dataset.name,
        domain=dataset.domain,
        owner=dataset.owner,
        version=dataset.version,
        source="transform" if dataset.source is None else dataset.source.title,
        format=dataset.store.format,
        mode=dataset.store.mode,
        partitions=dataset.partitions.label if dataset.partitions else None,
        rule_count=len(rules_of(dataset)),
        rows=state.rows,
        materialised_at=filled,
        checks=state.verdicts,
        quarantine_open=state.quarantined if dataset.quarantine else None,
        freshness=freshness_of(dataset, filled, now),
        location=state.location,
    )


def freshness_of(dataset: Dataset, filled: datetime | None, now: datetime) -> Freshness:
    """Judge the freshness of a dataset last materialised at `filled`; at the limit itself it still passes."""
    limit = dataset.freshness
    if limit is None:
        return Freshness(state="not_applicable", within_seconds=None, due_at=None)
    if filled is None:
        return Freshness(state="unknown", within_seconds=limit.total_seconds(), due_at=None)
    due = filled + limit
    return Freshness(state="pass" if now <= due else "fail", within_seconds=limit.total_seconds(), due_at=due)


def _reads(catalog: Catalog, dataset: Dataset) -> Iterator[str]:
    """Name what the rows come from: a pattern of files or other datasets; then the datasets looked into."""
    transform = catalog.transforms.get(dataset.name)
    if dataset.source and dataset.source.reads:
        yield f"{dataset.domain}/{dataset.source.reads}"
    inputs = [transform.input_name(name) for name in transform.parameters] if transform else []
    references = [rule.dataset for rule in rules_of(dataset) if isinstance(rule, ReferenceRule | Balance)]
    yield from dict.fromkeys([*inputs, *references])


def _column(column: Column) -> ColumnFacts:
    return ColumnFacts(
        name=column.name,
        type=str(column.dtype),
        nullable=column.nullable,
        unit=column.unit,
        pii=column.pii,
        description=column.description,
    )


def _rule(rule: Rule) -> RuleFacts:
    return RuleFacts(
        id=rule.id, label=rule.label, columns=rule.columns, severity=rule.severity, dimension=rule.dimension
    )


def _quarantine(store: QuarantineStore) -> QuarantineFacts | None:
    keep = store.dataset.quarantine
    if keep is None:
        return None
    counts = dict(store.envelopes().group_by("decision").agg(pl.len()).iter_rows())
    return QuarantineFacts(
        open=counts.get("open", 0),
        replayed=counts.get("replayed", 0),
        discarded=counts.get("discarded", 0),
        keep_days=keep.keep.days,
    )


def _retention(dataset: Dataset) -> RetentionFacts:
    retention = dataset.retention or Retention()
    return RetentionFacts(
        keep_days=retention.keep.days if retention.keep else None,
        versions_days=None if dataset.store.format == "parquet" else retention.versions_kept.days,
        read_back_days=retention.read_back.days if retention.read_back else None,
        told=retention.told,
    )


def _input(row: dict[str, object]) -> InputFacts:
    fields = {name: row[name] for name in InputFacts.__dataclass_fields__}
    partitions = row["partitions"]
    touched = tuple(partitions) if isinstance(partitions, Sequence) else ()
    return InputFacts(**{**fields, "partitions": touched})  # type: ignore[arg-type]  # a row of the log's own schema
