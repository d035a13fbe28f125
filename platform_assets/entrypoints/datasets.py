"""`platform datasets`: what there is, and all that is known of one dataset."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg
import polars as pl

from platform_assets.entrypoints.dataset_facts import (
    ColumnFacts,
    Freshness,
    InputFacts,
    Line,
    Page,
    QuarantineFacts,
    RetentionFacts,
    RuleFacts,
)
from platform_assets.entrypoints.door import Door, UnknownName
from platform_assets.entrypoints.history import last_materialisation, with_verdicts
from platform_assets.entrypoints.undeclared import undeclared_line, undeclared_page
from platform_assets.factory import asset_key
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.operations.overview import DatasetState, overview, state_of
from platform_core.contracts import Catalog, Column, Dataset, ReferenceRule, Retention, Rule, rules_of


def lines(door: Door, domain: str | None, now: datetime) -> list[Line]:
    """A line for each dataset, by name, and for each asset that is made without a declaration, such as a dbt model.

    Raises:
        UnknownName: There is no such domain.
    """
    with door.instance() as instance:
        states = overview(door.location, instance)
    found = [_line_of(door, state, now) for state in states]
    domains = {each.domain for each in found}
    if domain is not None and domain not in domains:
        raise UnknownName("domain", domain, domains)
    return [each for each in found if domain in (None, each.domain)]


def _line_of(door: Door, state: DatasetState, now: datetime) -> Line:
    declared = door.catalog.datasets.get(state.name)
    return _line(declared, state, now) if declared else undeclared_line(door.location, state)


def page(door: Door, name: str, now: datetime) -> Page:
    """All that is known of the dataset of that name.

    Raises:
        UnknownName: There is no such dataset or asset.
    """
    dataset = door.catalog.datasets.get(name)
    with door.instance() as instance:
        if dataset is None:
            return _undeclared(door, name, instance)
        store = QuarantineStore(door.lake, dataset)
        return Page(
            dataset=_line(dataset, state_of(dataset, door.lake, instance), now),
            description=dataset.about,
            tags=tuple(dataset.tags),
            key=tuple(dataset.key),
            reads=tuple(_reads(door.catalog, dataset)),
            columns=tuple(_column(each) for each in dataset.columns),
            rules=with_verdicts(map(_rule, rules_of(dataset)), asset_key(name), instance),
            last_materialisation=last_materialisation(asset_key(name), instance),
            quarantine=_quarantine(store),
            retention=_retention(dataset),
            inputs=tuple(_input(row) for row in store.ingests().to_dicts()),
        )


def _undeclared(door: Door, name: str, instance: dg.DagsterInstance) -> Page:
    states = {state.name: state for state in overview(door.location, instance)}
    if name not in states:
        raise UnknownName("dataset", name, states)
    return undeclared_page(door.location, states[name], instance)


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
        partitions=dataset.partitions.grain if dataset.partitions else None,
        rule_count=len(rules_of(dataset)),
        rows=state.rows,
        materialised_at=filled,
        checks=state.verdicts,
        quarantine_open=state.quarantined if dataset.quarantine else None,
        freshness=freshness_of(dataset, filled, now),
        location=state.location,
    )


def freshness_of(dataset: Dataset, filled: datetime | None, now: datetime) -> Freshness:
    """The freshness of a dataset last materialised at `filled`; at the limit itself it still passes."""
    limit = dataset.freshness
    if limit is None:
        return Freshness(state="not_applicable", within_seconds=None, due_at=None)
    if filled is None:
        return Freshness(state="unknown", within_seconds=limit.total_seconds(), due_at=None)
    due = filled + limit
    return Freshness(state="pass" if now <= due else "fail", within_seconds=limit.total_seconds(), due_at=due)


def _reads(catalog: Catalog, dataset: Dataset) -> Iterator[str]:
    """What the rows come from: a pattern of files, a generator, or other datasets; then the datasets looked into."""
    transform = catalog.transforms.get(dataset.name)
    if dataset.source and dataset.source.reads:
        yield f"{dataset.domain}/{dataset.source.reads}"
    inputs = [transform.input_name(name) for name in transform.parameters] if transform else []
    looked = [rule.dataset for rule in rules_of(dataset) if isinstance(rule, ReferenceRule)]
    yield from dict.fromkeys([*inputs, *looked])


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
    known = dataset.retention or Retention()
    return RetentionFacts(
        keep_days=known.keep.days if known.keep else None,
        versions_days=None if dataset.store.format == "parquet" else known.versions_kept.days,
        read_back_days=known.read_back.days if known.read_back else None,
        told=known.told,
    )


def _input(row: dict[str, object]) -> InputFacts:
    known = {name: row[name] for name in InputFacts.__dataclass_fields__}
    partitions = row["partitions"]
    touched = tuple(partitions) if isinstance(partitions, Sequence) else ()
    return InputFacts(**{**known, "partitions": touched})  # type: ignore[arg-type]  # a row of the log's own schema
