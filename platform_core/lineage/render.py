"""The graph in the formats that other programs read: node-link JSON, GraphML, DOT, Markdown, and as a picture."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Literal

from platform_core.lineage.graph import Lineage
from platform_core.lineage.impact import Impact

Format = Literal["json", "graphml", "dot", "markdown"]


def node_link(lineage: Lineage) -> dict[str, Any]:
    """Return the graph as node-link JSON, which networkx and d3 read; columns are listed beside."""
    return {
        "directed": True,
        "multigraph": False,
        "nodes": [
            {"id": node.name, "kind": node.kind, "owner": node.owner, "version": node.version,
             "tags": list(node.tags), "columns": list(node.columns), "promises": list(node.promises),
             "code": node.code, "parameters": dict(node.parameters), "run": node.run}
            for node in _sorted(lineage)
        ],
        "links": [{"source": edge.source, "target": edge.target, "how": edge.how} for edge in sorted(lineage.edges)],
        "column_links": [
            {"source": edge.source, "source_column": edge.source_column, "target": edge.target,
             "target_column": edge.target_column, "how": edge.how, "sure": edge.sure}
            for edge in sorted(lineage.columns)
        ],
        "unknown": [{"name": unknown.name, "reason": unknown.reason} for unknown in sorted(lineage.unknown)],
    }  # fmt: skip


def graphml(lineage: Lineage) -> str:
    """Return the graph of datasets as GraphML."""
    attributes = ("kind", "owner", "version", "code", "run")
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">']
    lines += [f'<key id="{name}" for="node" attr.name="{name}" attr.type="string"/>' for name in attributes]
    lines += ['<key id="how" for="edge" attr.name="how" attr.type="string"/>', '<graph edgedefault="directed">']
    for node in _sorted(lineage):
        data = "".join(f'<data key="{name}">{escape(str(getattr(node, name)))}</data>' for name in attributes)
        lines.append(f'<node id="{escape(node.name, quote=True)}">{data}</node>')
    for edge in sorted(lineage.edges):
        ends = f'source="{escape(edge.source, quote=True)}" target="{escape(edge.target, quote=True)}"'
        lines.append(f'<edge {ends}><data key="how">{edge.how}</data></edge>')
    return "\n".join([*lines, "</graph></graphml>", ""])


_SHAPES = {"dataset": "box", "source": "cylinder", "dbt": "component", "asset": "note", "export": "cds",
           "quarantine": "folder", "detector": "hexagon", "transformation": "ellipse"}  # fmt: skip


def dot(lineage: Lineage) -> str:
    """Return the graph of datasets for Graphviz; references are dashed."""
    lines = ["digraph lineage {", "  rankdir=LR;"]
    lines += [f"  {_quoted(node.name)} [shape={_SHAPES[node.kind]}];" for node in _sorted(lineage)]
    for edge in sorted(lineage.edges):
        style = " [style=dashed]" if edge.how == "reference" else ""
        lines.append(f"  {_quoted(edge.source)} -> {_quoted(edge.target)}{style};")
    return "\n".join([*lines, "}", ""])


def markdown(lineage: Lineage) -> str:
    """Return the graph as a Mermaid picture with a table of columns, for a page or a pull request."""
    ids = {node.name: f"n{place}" for place, node in enumerate(_sorted(lineage))}
    lines = ["```mermaid", "flowchart LR"]
    lines += [f'  {ids[name]}["{_mermaid(name)}"]' for name in ids]
    for edge in sorted(lineage.edges):
        if edge.source in ids and edge.target in ids:
            lines.append(f"  {ids[edge.source]} {'-.->' if edge.how == 'reference' else '-->'} {ids[edge.target]}")
    lines.append("```")
    if lineage.columns:
        lines += ["", "| from | to | how |", "|---|---|---|"]
        lines += [
            f"| {_cell(f'{edge.source}.{edge.source_column}')} | {_cell(f'{edge.target}.{edge.target_column}')} "
            f"| {edge.how} |"
            for edge in sorted(lineage.columns)
        ]
    lines += [f"\nUnknown: {_cell(unknown.name)}: {_cell(unknown.reason)}" for unknown in sorted(lineage.unknown)]
    return "\n".join([*lines, ""])


def impact_markdown(impact: Impact) -> str:
    """Return what a change touches as Markdown."""
    return "\n".join([*_impact_lines(impact), ""])


def _impact_lines(impact: Impact) -> Iterator[str]:
    of = impact.name if impact.column is None else f"{impact.name}.{impact.column}"
    yield f"## Impact of {_cell(of)}: {impact.severity}"
    yield ""
    yield f"{impact.words()} below, of {len(impact.owners)} owners; {len(impact.marts)} marts."
    yield ""
    if impact.datasets:
        yield "| dataset | steps | columns | promised |"
        yield "|---|---|---|---|"
    for name, distance in impact.datasets.items():
        columns = ", ".join(impact.columns.get(name, ())) or impact.unknown.get(name, "")
        yield f"| {_cell(name)} | {distance} | {_cell(columns)} | {_cell(', '.join(impact.promises.get(name, ())))} |"
    if impact.owners:
        yield ""
    yield from (f"- {_cell(owner)}: {count}" for owner, count in impact.owners.items())


def plain_impact(impact: Impact) -> Mapping[str, Any]:
    """Return what a change touches as values that JSON has."""
    return {
        "name": impact.name,
        "column": impact.column,
        "severity": impact.severity,
        "datasets": dict(impact.datasets),
        "columns": {name: list(columns) for name, columns in impact.columns.items()},
        "owners": dict(impact.owners),
        "marts": list(impact.marts),
        "exports": list(impact.exports),
        "promises": {name: list(promises) for name, promises in impact.promises.items()},
        "unknown": dict(impact.unknown),
    }


def _sorted(lineage: Lineage) -> list[Any]:
    return [lineage.nodes[name] for name in sorted(lineage.nodes)]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _mermaid(text: str) -> str:
    return escape(text, quote=True).replace("[", "&#91;").replace("]", "&#93;")


def _cell(text: str) -> str:
    return escape(text).replace("|", "\\|").replace("*", "\\*")
