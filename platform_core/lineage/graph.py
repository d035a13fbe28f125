"""The graph itself: nodes, edges between datasets and between columns, and what lies above and below."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeVar

Kind = Literal["dataset", "source", "dbt", "asset", "export", "quarantine", "detector", "transformation"]
"""`dataset`: declared; `source`: files, a generator or a system outside; `dbt`: a model; `asset`: written by hand;
`export`: where rows of a dataset are published; `quarantine`: where its refused rows wait; `detector`: by what its
rows are scored; `transformation`: what makes a dataset, where that was asked for as a node of its own."""

How = Literal["value", "filter", "join", "group", "reference", "load"]
"""How a column reaches another: its values, or which rows there are. `reference`: values must be found there."""

WHOLE = "*"
"""As the target of a column edge: the column decides which rows there are, whatever their columns."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A dataset, a model or a source.

    Attributes:
        name: `domain/dataset`, or how a source describes itself.
        kind: What it is.
        owner: Who answers for it; empty where nobody is named.
        version: Of the contract; empty without one.
        tags: Free labels.
        columns: Names, in order.
        promises: What its owner promised, in words, such as `fresh within 24 h`.
        code: Where it is made: `module:function`, or a dbt model's file.
        parameters: What it is made with, such as a window's size or a model's materialisation.
        run: The id of the run that made it last; empty where nobody looked.
    """

    name: str
    kind: Kind
    owner: str = ""
    version: str = ""
    tags: Sequence[str] = ()
    columns: Sequence[str] = ()
    promises: Sequence[str] = ()
    code: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    run: str = ""

    @property
    def is_mart(self) -> bool:
        """Whether it is tagged or named as a mart: people read it as it is."""
        return "mart" in self.tags or "marts" in self.tags


@dataclass(frozen=True, order=True)
class Edge:
    """Rows of `source` become rows of `target`, or are looked up there (`reference`)."""

    source: str
    target: str
    how: Literal["input", "reference"] = "input"


@dataclass(frozen=True, order=True)
class ColumnEdge:
    """A column of `source` reaches a column of `target`, or all its rows (`WHOLE`)."""

    source: str
    source_column: str
    target: str
    target_column: str
    how: How = "value"
    sure: float = 1.0
    """From 0 to 1: 1 where it was read, less where it was observed by experiments."""


@dataclass(frozen=True, order=True)
class Unknown:
    """Columns of a dataset whose origin could not be read, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Lineage:
    """All of it; build it with `lineage_of`, or join several with `merged`."""

    nodes: Mapping[str, Node]
    edges: frozenset[Edge] = frozenset()
    columns: frozenset[ColumnEdge] = frozenset()
    unknown: frozenset[Unknown] = field(default_factory=frozenset)

    def merged(self, *others: "Lineage") -> "Lineage":
        """Return this lineage with others; of two nodes of a name the first stands."""
        nodes: dict[str, Node] = {}
        for lineage in (self, *others):
            nodes = {**lineage.nodes, **nodes}
        return Lineage(
            nodes,
            self.edges.union(*(other.edges for other in others)),
            self.columns.union(*(other.columns for other in others)),
            self.unknown.union(*(other.unknown for other in others)),
        )

    def upstream(self, name: str, *, depth: int | None = None) -> dict[str, int]:
        """Return what a dataset is made of or looks into, by name, with how many steps away it is."""
        return _reached(name, self._above, depth)

    def downstream(self, name: str, *, depth: int | None = None) -> dict[str, int]:
        """Return what is made of a dataset or looks into it, by name, with how many steps away it is."""
        return _reached(name, self._below, depth)

    def column_upstream(self, name: str, column: str, *, depth: int | None = None) -> dict[tuple[str, str], int]:
        """Return the columns that reach a column, by dataset and name, with how many steps away each is.

        A column that decides which rows there are reaches every column of its dataset.
        """
        return _reached((name, column), self._columns_above, depth, also=lambda at: [at, (at[0], WHOLE)])

    def column_downstream(self, name: str, column: str, *, depth: int | None = None) -> dict[tuple[str, str], int]:
        """Return the columns that a column reaches; `(dataset, "*")` where it decides which rows there are."""

        def also(at: tuple[str, str]) -> list[tuple[str, str]]:
            if at[1] != WHOLE:
                return [at]
            return [(at[0], column) for column in self.nodes[at[0]].columns] if at[0] in self.nodes else []

        return _reached((name, column), self._columns_below, depth, also=also)

    @cached_property
    def _above(self) -> Mapping[str, set[str]]:
        return _following((edge.target, edge.source) for edge in self.edges)

    @cached_property
    def _below(self) -> Mapping[str, set[str]]:
        return _following((edge.source, edge.target) for edge in self.edges)

    @cached_property
    def _columns_above(self) -> Mapping[tuple[str, str], set[tuple[str, str]]]:
        return _following(
            ((edge.target, edge.target_column), (edge.source, edge.source_column)) for edge in self.columns
        )

    @cached_property
    def _columns_below(self) -> Mapping[tuple[str, str], set[tuple[str, str]]]:
        return _following(
            ((edge.source, edge.source_column), (edge.target, edge.target_column)) for edge in self.columns
        )

    def with_transformations(self) -> "Lineage":
        """Return the lineage with what makes each dataset as a node between it and what it is made of.

        Such a node has the code, the parameters and the run of the dataset, and is named `make DATASET`. References
        stay edges between datasets, and columns reach columns as before.
        """
        made = {edge.target for edge in self.edges if edge.how == "input" and edge.target in self.nodes}
        nodes = {
            f"make {name}": Node(
                name=f"make {name}", kind="transformation", owner=self.nodes[name].owner, code=self.nodes[name].code,
                version=self.nodes[name].version, parameters=self.nodes[name].parameters, run=self.nodes[name].run,
            )
            for name in made
        }  # fmt: skip
        edges = {Edge(f"make {name}", name) for name in made}
        for edge in self.edges:
            into = f"make {edge.target}" if edge.how == "input" and edge.target in made else edge.target
            edges.add(Edge(edge.source, into, edge.how))
        return Lineage({**self.nodes, **nodes}, frozenset(edges), self.columns, self.unknown)

    def part(self, names: Iterable[str]) -> "Lineage":
        """Return the lineage between the datasets of these names."""
        chosen_names = set(names)
        return Lineage(
            {name: node for name, node in self.nodes.items() if name in chosen_names},
            frozenset(edge for edge in self.edges if {edge.source, edge.target} <= chosen_names),
            frozenset(edge for edge in self.columns if {edge.source, edge.target} <= chosen_names),
            frozenset(unknown for unknown in self.unknown if unknown.name in chosen_names),
        )


At = TypeVar("At", bound=Hashable)


def _following(steps: Iterable[tuple[At, At]]) -> dict[At, set[At]]:
    following: dict[At, set[At]] = {}
    for origin, target in steps:
        following.setdefault(origin, set()).add(target)
    return following


def _reached(
    start: At,
    following: Mapping[At, set[At]],
    depth: int | None,
    *,
    also: Callable[[At], Iterable[At]] = lambda at: (at,),
) -> dict[At, int]:
    """Return what is reached from a start, breadth first, each at its least distance; a circle ends where it began."""
    distances: dict[At, int] = {}
    layer, distance = {start}, 0
    while layer and (depth is None or distance < depth):
        distance += 1
        origins = [origin for at in layer for origin in also(at)]
        reached = {target for origin in origins for target in following.get(origin, ())}
        layer = reached - distances.keys() - {start}
        distances.update(dict.fromkeys(sorted(layer, key=str), distance))
    return distances
