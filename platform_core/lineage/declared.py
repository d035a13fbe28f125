"""Lineage that declarations tell: datasets, their sources, inputs, references, and the columns of lazy transforms."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, get_type_hints

import polars as pl

from platform_core.contracts import Catalog, Dataset, ReferenceRule, Transform, rules_of
from platform_core.contracts.folds import Fold, Scored, detector_name
from platform_core.contracts.publications import Publication, ToTopic
from platform_core.lineage.folds import fold_edges
from platform_core.lineage.graph import WHOLE, ColumnEdge, Edge, Lineage, Node, Unknown
from platform_core.lineage.plans import UnreadablePlan, plan_columns


def lineage_of(catalog: Catalog) -> Lineage:
    """Return the lineage of what is declared: columns too, where a transform's lazy plan says for sure."""
    nodes = {dataset.name: _node(catalog, dataset) for dataset in catalog.datasets.values()}
    lineage = Lineage(nodes, frozenset(_references(catalog)), frozenset(_reference_columns(catalog)))
    loaded = [dataset for dataset in catalog.datasets.values() if not dataset.is_made]
    loads = [_load(catalog, dataset) for dataset in loaded]
    transformed = [transform_lineage(catalog, transform) for transform in catalog.transforms.values()]
    beside = [_beside(catalog, dataset) for dataset in catalog.datasets.values()]
    detectors = [
        _detector(dataset, dataset.source)
        for dataset in catalog.datasets.values()
        if isinstance(dataset.source, Scored)
    ]
    return lineage.merged(*loads, *transformed, *beside, *detectors)


def _node(catalog: Catalog, dataset: Dataset) -> Node:
    transform = catalog.transforms.get(dataset.name)
    function = transform.function if transform else None
    return Node(
        name=dataset.name,
        kind="dataset",
        owner=dataset.owner,
        version=dataset.version,
        tags=tuple(dataset.tags),
        columns=tuple(column.name for column in dataset.columns),
        promises=tuple(_promises(dataset)),
        code=f"{function.__module__}:{function.__qualname__}" if function else dataset.model.__module__,
        parameters=_parameters(dataset, transform),
    )


def _parameters(dataset: Dataset, transform: Transform[..., object] | None) -> dict[str, str]:
    """Return what a dataset is made with: a function's inputs by parameter, or the fields of its source that say it."""
    if transform is not None:
        return {name: transform.input_name(name) for name in transform.parameters}
    if dataset.source is None:
        return {}
    options = {
        field.name: (str(getattr(dataset.source, field.name)), str(field.default)) for field in fields(dataset.source)
    }
    return {name: text for name, (text, usual) in options.items() if text not in ("", "None", "()", "{}", usual)}


def quarantine_name(name: str) -> str:
    """Return the name of a dataset's quarantine in the lineage."""
    return f"quarantine:{name}"


def export_name(publication: Publication) -> str:
    """Return the name of what a publication fills."""
    return publication.target.replace(" ", ":", 1)


def _beside(catalog: Catalog, dataset: Dataset) -> Lineage:
    """Return what lies beside a dataset: its quarantine, and where its rows are published.

    What refused rows were comes from the same inputs; a topic that is published may be read here again.
    """
    nodes: dict[str, Node] = {}
    edges, columns = set(), set()
    names = [column.name for column in dataset.columns]
    if dataset.quarantine is not None:
        aside = quarantine_name(dataset.name)
        nodes[aside] = Node(name=aside, kind="quarantine", owner=dataset.owner, columns=tuple(names))
        above = dataset.source.upstream if isinstance(dataset.source, Fold) else [source_name(dataset)]
        edges |= {Edge(name, aside) for name in above}
    for publication in dataset.publish:
        far = export_name(publication)
        published = tuple(dict.fromkeys([*(publication.by or dataset.key), *(publication.columns or names)]))
        nodes[far] = Node(name=far, kind="export", owner=dataset.owner, columns=published)
        edges.add(Edge(dataset.name, far))
        columns |= {ColumnEdge(dataset.name, name, far, name, "load") for name in published}
        edges |= {
            Edge(far, source_name(reader))
            for reader in catalog.datasets.values()
            if isinstance(publication, ToTopic)
            and reader.source is not None
            and reader.source.stream is not None
            and reader.source.stream.topic == publication.topic
        }
    return Lineage(nodes, frozenset(edges), frozenset(columns))


def _detector(dataset: Dataset, source: Scored) -> Lineage:
    """Return the detector between a stream and its scores: trained on the one, by its labels judged, read by the other.

    A detector has the columns that it was trained on; each of them reaches the score.
    """
    name, given = detector_name(dataset.name), {column.name for column in dataset.columns}
    scores = [column for column in source.adds_columns if column in given]
    node = Node(name=name, kind="detector", owner=dataset.owner, columns=tuple(source.reads_columns))
    judged = [] if source.labels is None else [Edge(source.labels, name, "reference")]
    trained = {ColumnEdge(source.of, column, name, column) for column in source.reads_columns}
    read = {ColumnEdge(name, column, dataset.name, score) for column in source.reads_columns for score in scores}
    edges = frozenset([Edge(source.of, name), Edge(name, dataset.name), *judged])
    return Lineage({name: node}, edges, frozenset(trained | read))


def _promises(dataset: Dataset) -> Iterator[str]:
    if dataset.freshness is not None:
        yield f"fresh within {dataset.freshness.total_seconds() / 3600:g} h"
    if dataset.sla is not None:
        if dataset.sla.availability is not None:
            yield f"available {dataset.sla.availability:.2%} of the time"
        if dataset.sla.latency is not None:
            yield f"readable within {dataset.sla.latency.total_seconds():g} s"
        if dataset.sla.throughput is not None:
            yield f"{dataset.sla.throughput:g} rows a second"


def source_name(dataset: Dataset) -> str:
    """Return the name of what a dataset is loaded from."""
    if dataset.source is None:
        return f"nothing:{dataset.name}"
    claimed = dataset.source.claims
    return f"{dataset.source.title}:{dataset.domain}/{claimed}" if claimed else f"{dataset.source.title}:{dataset.name}"


def _load(catalog: Catalog, dataset: Dataset) -> Lineage:
    if isinstance(dataset.source, Fold):
        edges = frozenset(Edge(name, dataset.name) for name in dataset.source.upstream)
        try:
            return Lineage({}, edges, frozenset(fold_edges(catalog, dataset, dataset.source)))
        except UnreadablePlan as error:
            return Lineage({}, edges, unknown=frozenset([Unknown(dataset.name, str(error))]))
    name = source_name(dataset)
    columns = [column.name for column in dataset.columns]
    return Lineage(
        {name: Node(name=name, kind="source", columns=tuple(columns))},
        frozenset([Edge(name, dataset.name)]),
        frozenset(ColumnEdge(name, column, dataset.name, column, "load") for column in columns),
    )


def _references(catalog: Catalog) -> Iterator[Edge]:
    for dataset in catalog.datasets.values():
        for rule in rules_of(dataset):
            if isinstance(rule, ReferenceRule) and rule.dataset != dataset.name:
                yield Edge(rule.dataset, dataset.name, "reference")


def _reference_columns(catalog: Catalog) -> Iterator[ColumnEdge]:
    """Yield a column edge for each column looked up; rows that find nothing may be refused, so it reaches all rows."""
    for dataset in catalog.datasets.values():
        for rule in rules_of(dataset):
            if isinstance(rule, ReferenceRule) and rule.dataset != dataset.name:
                for own, into in zip(rule.columns, rule.to, strict=True):
                    target = WHOLE if rule.judges_rows and rule.severity == "error" else own
                    yield ColumnEdge(rule.dataset, into, dataset.name, target, "reference")


def transform_lineage(catalog: Catalog, transform: Transform[..., object]) -> Lineage:
    """Return the edges of one transform; its columns where its plan says for sure, else why not."""
    target = transform.dataset.name
    sources = {name: transform.input_name(name) for name in transform.parameters}
    edges = frozenset(Edge(source, target) for source in sources.values())
    try:
        columns = frozenset(_plan_edges(catalog, transform, sources))
    except UnreadablePlan as error:
        return Lineage({}, edges, unknown=frozenset([Unknown(target, str(error))]))
    return Lineage({}, edges, columns)


def _plan_edges(
    catalog: Catalog, transform: Transform[..., object], sources: Mapping[str, str]
) -> Iterator[ColumnEdge]:
    """Yield the column edges of a transform from lazy frames to a lazy frame.

    Raises:
        UnreadablePlan: It takes or returns other frames, or its plan has a part that is not known.
    """
    hints = _hints(transform.function)
    eager = [name for name in (*sources, "return") if hints.get(name) is not pl.LazyFrame]
    if eager:
        verb = "is not a LazyFrame" if len(eager) == 1 else "are not LazyFrames"
        raise UnreadablePlan(f"{', '.join(eager)} {verb}, so there is no plan to read")
    schemas = {
        name: {column.name: column.dtype for column in catalog[source].columns} for name, source in sources.items()
    }
    try:
        planned = plan_columns(transform.function, schemas)  # type: ignore[arg-type]  # its annotations were read above
    except UnreadablePlan:
        raise
    except Exception as error:  # what a user's function raises on frames of nulls is not ours to foresee
        raise UnreadablePlan(f"it cannot be called without rows: {type(error).__name__}") from error
    for column, origins in planned.origins.items():
        for name, own, how in origins:
            yield ColumnEdge(sources[name], own, transform.dataset.name, column, how)


def _hints(function: Any) -> Mapping[str, Any]:
    try:
        return get_type_hints(function)
    except NameError:
        return inspect.get_annotations(function)
