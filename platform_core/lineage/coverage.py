"""How much of the lineage is known, what hangs in the air, and the chain that takes longest."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from platform_core.lineage.graph import WHOLE, Lineage


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Counts over a lineage.

    Attributes:
        kinds: How many nodes there are of each kind.
        edges: Between datasets.
        column_edges: Between columns.
        columns: Of all that is made here, sources left out.
        columns_known: Those of them that have an origin, or stand in a dataset of which all rows have one.
        unknown: Why columns of a dataset are not known.
        orphans: What is made of nothing and read by nobody.
        unread: What nobody reads, and is no mart.
    """

    kinds: Mapping[str, int]
    edges: int
    column_edges: int
    columns: int
    columns_known: int
    unknown: Mapping[str, str]
    orphans: Sequence[str]
    unread: Sequence[str]


def coverage_of(lineage: Lineage) -> Coverage:
    """Count what is known."""
    built_nodes = [node for node in lineage.nodes.values() if node.kind in ("dataset", "dbt", "asset")]
    reached = {(edge.target, edge.target_column) for edge in lineage.columns if edge.target_column != WHOLE}
    origins, targets = ({edge.source for edge in lineage.edges}, {edge.target for edge in lineage.edges})
    return Coverage(
        kinds=dict(Counter(node.kind for node in lineage.nodes.values())),
        edges=len(lineage.edges),
        column_edges=len(lineage.columns),
        columns=sum(len(node.columns) for node in built_nodes),
        columns_known=sum((node.name, column) in reached for node in built_nodes for column in node.columns),
        unknown={unknown.name: unknown.reason for unknown in sorted(lineage.unknown)},
        orphans=sorted(node.name for node in built_nodes if node.name not in origins | targets),
        unread=sorted(node.name for node in built_nodes if node.name not in origins and not node.is_mart),
    )


def critical_path(lineage: Lineage, name: str, seconds: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return the chain of datasets up to one that takes longest, the first to run first, with the seconds of each.

    References count as inputs: what is looked into must be there before. A dataset of unknown duration counts zero;
    a circle is cut where it closes.
    """
    above: dict[str, list[str]] = {}
    for edge in lineage.edges:
        above.setdefault(edge.target, []).append(edge.source)
    best: dict[str, tuple[float, tuple[str, ...]]] = {}
    waiting = [(name, False)]
    entered: set[str] = set()
    while waiting:
        at, is_ready = waiting.pop()
        if is_ready:
            chains = [best[parent] for parent in sorted(above.get(at, ())) if parent in best]
            total, chain = max(chains, key=lambda pair: pair[0], default=(0.0, ()))
            best[at] = (total + seconds.get(at, 0.0), (*chain, at))
        elif at not in entered:
            entered.add(at)
            waiting.append((at, True))
            waiting += [(parent, False) for parent in above.get(at, ())]
    return [(step, seconds.get(step, 0.0)) for step in best[name][1]]
