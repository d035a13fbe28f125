"""What a change of a dataset or column reaches, and how much that matters."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from platform_core.lineage.graph import WHOLE, Lineage

Severity = Literal["none", "low", "medium", "high"]
_MANY = 5


@dataclass(frozen=True, kw_only=True)
class Impact:
    """What is touched when a dataset or column changes.

    Attributes:
        name: The dataset.
        column: The column; None where the whole dataset changes.
        severity: `high` where a mart, a promise or an export is reached, or five datasets or more; `medium` for two or
            more.
        datasets: What is reached, exports included, with how many steps away it is.
        columns: Columns reached, by dataset; empty where the dataset as a whole was asked for.
        owners: How many of the datasets each owner has.
        marts: Those that people read as they are.
        exports: Where rows leave to that are reached: topics, databases, addresses of others.
        promises: What was promised of each dataset reached.
        unknown: Datasets of which it cannot be said which columns are reached, with the reason.
    """

    name: str
    column: str | None
    severity: Severity
    datasets: Mapping[str, int]
    columns: Mapping[str, Sequence[str]]
    owners: Mapping[str, int]
    marts: Sequence[str]
    exports: Sequence[str]
    promises: Mapping[str, Sequence[str]]
    unknown: Mapping[str, str]

    def words(self) -> str:
        """Say how much lies below: `8 datasets and 1 export`."""
        number, exports = len(self.datasets) - len(self.exports), len(self.exports)
        datasets = "1 dataset" if number == 1 else f"{number} datasets"
        return f"{datasets} and {exports} export{'s' if exports > 1 else ''}" if exports else datasets


def impact_of(lineage: Lineage, name: str, column: str | None = None, *, depth: int | None = None) -> Impact:
    """Return what is touched when a dataset, or one of its columns, changes.

    A dataset whose columns' origin is unknown counts as touched when a dataset above it is.
    """
    reached_nodes = lineage.downstream(name, depth=depth)
    below = {node_name: steps for node_name, steps in reached_nodes.items() if not _is_quarantine(lineage, node_name)}
    columns: dict[str, list[str]] = {}
    if column is not None:
        for dataset, reached in lineage.column_downstream(name, column, depth=depth):
            columns.setdefault(dataset, []).append("all rows" if reached == WHOLE else reached)
        unsure = {unknown.name for unknown in lineage.unknown}
        touched = set(columns) | {dataset for dataset in below if dataset in unsure}
        for unsure_name in sorted(touched & unsure):
            touched |= set(
                lineage.downstream(unsure_name, depth=None if depth is None else depth - below.get(unsure_name, 0))
            )
        below = {dataset: distance for dataset, distance in below.items() if dataset in touched}
    nodes = {dataset: lineage.nodes[dataset] for dataset in below if dataset in lineage.nodes}
    marts = sorted(dataset for dataset, node in nodes.items() if node.is_mart)
    exports = sorted(node_name for node_name, node in nodes.items() if node.kind == "export")
    promises = {dataset: tuple(node.promises) for dataset, node in nodes.items() if node.promises}
    return Impact(
        name=name,
        column=column,
        severity=_severity(len(below), bool(marts or promises or exports)),
        datasets=dict(sorted(below.items(), key=lambda item: (item[1], item[0]))),
        columns={dataset: sorted(own_columns) for dataset, own_columns in sorted(columns.items())},
        owners=dict(Counter(node.owner for node in nodes.values() if node.owner).most_common()),
        marts=marts,
        exports=exports,
        promises=promises,
        unknown={unknown.name: unknown.reason for unknown in sorted(lineage.unknown) if unknown.name in below},
    )


def _is_quarantine(lineage: Lineage, name: str) -> bool:
    return name in lineage.nodes and lineage.nodes[name].kind == "quarantine"


def _severity(count: int, matters: bool) -> Severity:  # noqa: FBT001 - a word of two
    if count == 0:
        return "none"
    if matters or count >= _MANY:
        return "high"
    return "medium" if count > 1 else "low"
