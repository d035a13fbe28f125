"""OpenLineage events (spec 2-0-2) about a dataset that was made, as plain mappings; nothing here sends them.

They hold names, types, counts and verdicts, never a value of a row.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from platform_core.contracts import Dataset
from platform_core.lineage.graph import WHOLE, How, Lineage

PRODUCER = "https://github.com/dagster-asset-platform/dagster-asset-platform"
_SPEC = "https://openlineage.io/spec"
_EVENT = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_IDS = uuid.UUID("6f6c6e67-0000-4000-8000-000000000001")
_FACETS: Mapping[str, tuple[str, str]] = {
    "schema": ("1-2-0", "SchemaDatasetFacet"),
    "columnLineage": ("1-2-0", "ColumnLineageDatasetFacet"),
    "outputStatistics": ("1-0-2", "OutputStatisticsOutputDatasetFacet"),
    "dataQualityAssertions": ("1-1-0", "DataQualityAssertionsDatasetFacet"),
    "dataQualityMetrics": ("1-0-3", "DataQualityMetricsInputDatasetFacet"),
    "parent": ("1-2-0", "ParentRunFacet"),
    "documentation": ("1-1-0", "DocumentationDatasetFacet"),
}
_TRANSFORMATIONS: Mapping[How, tuple[str, str]] = {
    "value": ("DIRECT", "TRANSFORMATION"),
    "load": ("DIRECT", "IDENTITY"),
    "filter": ("INDIRECT", "FILTER"),
    "join": ("INDIRECT", "JOIN"),
    "group": ("INDIRECT", "GROUP_BY"),
    "reference": ("INDIRECT", "CONDITIONAL"),
}


@dataclass(frozen=True, kw_only=True)
class AssertionResult:
    """A check and what it said; `description` is the rule in words, no value."""

    rule: str
    passed: bool
    severity: str
    column: str | None
    description: str


@dataclass(frozen=True, kw_only=True)
class MadeDataset:
    """One materialisation.

    Attributes:
        run_id: Of the run that made it; a UUID.
        job: Of that run.
        rows: Written, or None where that is not known.
        size_bytes: The same.
    """

    name: str
    run_id: str
    job: str
    at: datetime
    partition: str | None
    rows: int | None
    size_bytes: int | None
    assertions: Sequence[AssertionResult] = ()


def events_of(
    made: MadeDataset, lineage: Lineage, datasets: Mapping[str, Dataset], *, namespace: str
) -> Iterator[dict[str, Any]]:
    """Yield what is told of one materialisation: that it was made and of what; then what its checks said.

    Args:
        made: The materialisation.
        lineage: Of the platform.
        datasets: What is declared.
        namespace: Of datasets and jobs.
    """
    sources = sorted({edge.source for edge in lineage.edges if edge.target == made.name})
    output = _dataset(made.name, datasets, namespace)
    fields = _column_lineage(made.name, lineage, namespace)
    if fields:
        output["facets"]["columnLineage"] = _facet("columnLineage", {"fields": fields})
    statistics = {
        key: value for key, value in (("rowCount", made.rows), ("size", made.size_bytes)) if value is not None
    }
    output["outputFacets"] = {"outputStatistics": _facet("outputStatistics", statistics)} if statistics else {}
    if made.partition is not None:
        output["outputFacets"]["subset"] = _subset(made.partition)
    yield _event(made, made.name, namespace, [_dataset(name, datasets, namespace) for name in sources], [output])
    if made.assertions:
        judged = _dataset(made.name, datasets, namespace)
        judged["inputFacets"] = {
            "dataQualityAssertions": _facet("dataQualityAssertions", {
                "assertions": [
                    {"assertion": each.rule, "success": each.passed, "severity": each.severity, "name": each.rule,
                     "description": each.description, **({"column": each.column} if each.column else {})}
                    for each in made.assertions
                ]
            }),
        }  # fmt: skip
        if made.rows is not None:
            metrics = {"rowCount": made.rows, "columnMetrics": {}}
            judged["inputFacets"]["dataQualityMetrics"] = _facet("dataQualityMetrics", metrics)
        yield _event(made, f"{made.name}.checks", namespace, [judged], [])


def _event(
    made: MadeDataset,
    job: str,
    namespace: str,
    inputs: Sequence[Mapping[str, Any]],
    outputs: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    parent = {"run": {"runId": made.run_id}, "job": {"namespace": namespace, "name": made.job}}
    run = str(uuid.uuid5(_IDS, f"{made.run_id}/{job}/{made.partition or ''}"))
    return {
        "eventType": "COMPLETE",
        "eventTime": made.at.isoformat(),
        "producer": PRODUCER,
        "schemaURL": _EVENT,
        "run": {"runId": run, "facets": {"parent": _facet("parent", parent)}},
        "job": {"namespace": namespace, "name": job, "facets": {}},
        "inputs": list(inputs),
        "outputs": list(outputs),
    }


def _dataset(name: str, datasets: Mapping[str, Dataset], namespace: str) -> dict[str, Any]:
    facets: dict[str, Any] = {}
    declared = datasets.get(name)
    if declared is not None:
        fields = [
            {"name": column.name, "type": str(column.dtype), "description": column.description}
            for column in declared.columns
        ]
        facets["schema"] = _facet("schema", {"fields": fields})
        facets["documentation"] = _facet("documentation", {"description": declared.about})
    return {"namespace": namespace, "name": name, "facets": facets}


def _column_lineage(name: str, lineage: Lineage, namespace: str) -> dict[str, Any]:
    """Return for each column what it is made of; what decides which rows there are reaches each of them."""
    own = [edge for edge in sorted(lineage.columns) if edge.target == name]
    node = lineage.nodes.get(name)
    columns = dict.fromkeys(
        [*(node.columns if node else ()), *(e.target_column for e in own if e.target_column != WHOLE)]
    )
    fields: dict[str, Any] = {}
    for column in columns:
        inputs: dict[tuple[str, str], list[dict[str, str]]] = {}
        for edge in own:
            if edge.target_column in (column, WHOLE):
                kind, subtype = _TRANSFORMATIONS[edge.how]
                told = {"type": kind, "subtype": subtype, "description": f"sure: {edge.sure:.1%}"}
                inputs.setdefault((edge.source, edge.source_column), []).append(told)
        if inputs:
            fields[column] = {
                "inputFields": [
                    {"namespace": namespace, "name": source, "field": field, "transformations": found}
                    for (source, field), found in inputs.items()
                ]
            }
    return fields


def _subset(partition: str) -> dict[str, Any]:
    condition = {"type": "partition", "partitions": [{"identifier": partition, "dimensions": {"partition": partition}}]}
    place = f"{_SPEC}/facets/1-0-0/BaseSubsetDatasetFacet.json#/$defs/OutputSubsetOutputDatasetFacet"
    return {"_producer": PRODUCER, "_schemaURL": place, "outputCondition": condition}


def _facet(name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    version, title = _FACETS[name]
    return {"_producer": PRODUCER, "_schemaURL": f"{_SPEC}/facets/{version}/{title}.json#/$defs/{title}", **content}
