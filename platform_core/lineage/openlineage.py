"""OpenLineage events (spec 2-0-2) about runs and the datasets that they make, as plain mappings; none is sent here.

A run begins with START and ends with COMPLETE, FAIL or ABORT; so does, below it, each dataset that it is to make. The
events hold names, types, counts and verdicts, never a value of a row, and of an error its class alone.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from platform_core.contracts import Dataset
from platform_core.lineage.graph import WHOLE, How, Lineage

EndState = Literal["COMPLETE", "FAIL", "ABORT"]
State = Literal["START", "COMPLETE", "FAIL", "ABORT"]

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
    "errorMessage": ("1-0-1", "ErrorMessageRunFacet"),
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
class RunReference:
    """A run of Dagster, and when what is told of it happened; `run_id` is a UUID."""

    run_id: str
    job: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class MadeDataset:
    """What one run made of a dataset.

    Attributes:
        run: That made it; None where no run did, as a stream's worker.
        occasion: What tells it from others of the dataset: the run's id, or another text.
        partitions: That were written, in order; empty where there are none.
        rows: Written, or None where that is not known.
        size_bytes: The same.
    """

    name: str
    run: RunReference | None
    occasion: str
    at: datetime
    partitions: Sequence[str]
    rows: int | None
    size_bytes: int | None
    assertions: Sequence[AssertionResult] = ()


class EventWriter:
    """Writes events about the datasets of a platform.

    Args:
        lineage: Of the platform.
        datasets: What is declared.
        namespace: Of datasets and jobs.
    """

    def __init__(self, lineage: Lineage, datasets: Mapping[str, Dataset], *, namespace: str) -> None:
        self._lineage, self._datasets, self._namespace = lineage, datasets, namespace

    def started(self, run: RunReference, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield that a run began, and each dataset that it is to make."""
        yield self._run_event("START", run)
        for name in names:
            yield self._event(
                "START", name, run.run_id, run.at, parent=run, inputs=self._inputs(name), outputs=[self._dataset(name)]
            )

    def made(self, made: MadeDataset) -> Iterator[dict[str, Any]]:
        """Yield that a dataset was made and of what; then what its checks said."""
        output = self._dataset(made.name)
        fields = _column_lineage(made.name, self._lineage, self._namespace)
        if fields:
            output["facets"]["columnLineage"] = _facet("columnLineage", {"fields": fields})
        statistics = {
            key: value for key, value in (("rowCount", made.rows), ("size", made.size_bytes)) if value is not None
        }
        output["outputFacets"] = {"outputStatistics": _facet("outputStatistics", statistics)} if statistics else {}
        if made.partitions:
            output["outputFacets"]["subset"] = _subset(made.partitions)
        inputs = self._inputs(made.name)
        yield self._event(
            "COMPLETE", made.name, made.occasion, made.at, parent=made.run, inputs=inputs, outputs=[output]
        )
        if made.assertions:
            job = f"{made.name}.checks"
            judged = [{**self._dataset(made.name), "inputFacets": _quality_facets(made)}]
            yield self._event("COMPLETE", job, made.occasion, made.at, parent=made.run, inputs=judged)

    def ended(
        self, run: RunReference, state: EndState, unmade: Mapping[str, str], error: str = ""
    ) -> Iterator[dict[str, Any]]:
        """Yield how a run ended, and each dataset that it was to make and did not.

        Args:
            run: The run.
            state: How it ended.
            unmade: Why not, as the class of an error, or empty, by dataset.
            error: Why the run failed, as the class of an error.
        """
        for name, why in unmade.items():
            unmade_state: EndState = "FAIL" if why else "ABORT"
            inputs, outputs = self._inputs(name), [self._dataset(name)]
            event = self._event(unmade_state, name, run.run_id, run.at, parent=run, inputs=inputs, outputs=outputs)
            yield _with_error(event, why)
        yield self._run_event(state, run, error)

    def _run_event(self, state: State, run: RunReference, error: str = "") -> dict[str, Any]:
        event = self._event(state, run.job, run.run_id, run.at, parent=None)
        event["run"]["runId"] = run.run_id
        return _with_error(event, error)

    def _inputs(self, name: str) -> list[dict[str, Any]]:
        sources = sorted({edge.source for edge in self._lineage.edges if edge.target == name})
        return [self._dataset(source) for source in sources]

    def _dataset(self, name: str) -> dict[str, Any]:
        facets: dict[str, Any] = {}
        declared = self._datasets.get(name)
        if declared is not None:
            fields = [
                {"name": column.name, "type": str(column.dtype), "description": column.description}
                for column in declared.columns
            ]
            facets["schema"] = _facet("schema", {"fields": fields})
            facets["documentation"] = _facet("documentation", {"description": declared.about})
        return {"namespace": self._namespace, "name": name, "facets": facets}

    def _event(
        self,
        state: State,
        job: str,
        occasion: str,
        at: datetime,
        *,
        parent: RunReference | None,
        inputs: Sequence[Mapping[str, Any]] = (),
        outputs: Sequence[Mapping[str, Any]] = (),
    ) -> dict[str, Any]:
        facets: dict[str, Any] = {}
        if parent is not None:
            job_of_parent = {"namespace": self._namespace, "name": parent.job}
            facets["parent"] = _facet("parent", {"run": {"runId": parent.run_id}, "job": job_of_parent})
        return {
            "eventType": state,
            "eventTime": at.isoformat(),
            "producer": PRODUCER,
            "schemaURL": _EVENT,
            "run": {"runId": str(uuid.uuid5(_IDS, f"{occasion}/{job}")), "facets": facets},
            "job": {"namespace": self._namespace, "name": job, "facets": {}},
            "inputs": list(inputs),
            "outputs": list(outputs),
        }


def _with_error(event: dict[str, Any], error: str) -> dict[str, Any]:
    """Return the event with the class of an error as its message; as it is without one."""
    if error:
        facet = _facet("errorMessage", {"message": error, "programmingLanguage": "python"})
        event["run"]["facets"]["errorMessage"] = facet
    return event


def _quality_facets(dataset: MadeDataset) -> dict[str, Any]:
    assertions = [
        {"assertion": assertion.rule, "success": assertion.passed, "severity": assertion.severity,
         "name": assertion.rule, "description": assertion.description,
         **({"column": assertion.column} if assertion.column else {})}
        for assertion in dataset.assertions
    ]  # fmt: skip
    facets = {"dataQualityAssertions": _facet("dataQualityAssertions", {"assertions": assertions})}
    if dataset.rows is not None:
        facets["dataQualityMetrics"] = _facet("dataQualityMetrics", {"rowCount": dataset.rows, "columnMetrics": {}})
    return facets


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
                transformation = {"type": kind, "subtype": subtype, "description": f"sure: {edge.sure:.1%}"}
                inputs.setdefault((edge.source, edge.source_column), []).append(transformation)
        if inputs:
            fields[column] = {
                "inputFields": [
                    {"namespace": namespace, "name": source, "field": field, "transformations": input_}
                    for (source, field), input_ in inputs.items()
                ]
            }
    return fields


def _subset(partitions: Sequence[str]) -> dict[str, Any]:
    described_partitions = [
        {"identifier": partition, "dimensions": {"partition": partition}} for partition in partitions
    ]
    condition = {"type": "partition", "partitions": described_partitions}
    place = f"{_SPEC}/facets/1-0-0/BaseSubsetDatasetFacet.json#/$defs/OutputSubsetOutputDatasetFacet"
    return {"_producer": PRODUCER, "_schemaURL": place, "outputCondition": condition}


def _facet(name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    version, title = _FACETS[name]
    return {"_producer": PRODUCER, "_schemaURL": f"{_SPEC}/facets/{version}/{title}.json#/$defs/{title}", **content}
