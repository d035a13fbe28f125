"""The graph as the viewer draws it, and the page around it, which opens from disk without a network."""

import json
from collections.abc import Mapping
from typing import Any

from platform_core.lineage.graph import Lineage

States = Mapping[str, Mapping[str, Any]]


def picture(lineage: Lineage, states: States) -> dict[str, Any]:
    """Return nodes with what is known of their state, edges between them, and edges between columns.

    A quarantine is no node here: how many rows wait in it stands on its dataset.

    Args:
        lineage: What to draw.
        states: By name `state` (`green`, `red`, `unknown`), `freshness`, `quarantine`, `failed`, `warned`,
            `red_upstream`; a node without is drawn as outside of the platform.
    """
    lineage = lineage.part(name for name, node in lineage.nodes.items() if node.kind != "quarantine")
    outside = {"state": "outside", "freshness": "", "quarantine": 0, "failed": 0, "warned": 0, "red_upstream": []}
    return {
        "nodes": [
            {
                "name": node.name, "kind": node.kind, "owner": node.owner, "version": node.version,
                "columns": list(node.columns), "promises": list(node.promises), "code": node.code,
                **outside, **states.get(node.name, {}),
            }
            for node in sorted(lineage.nodes.values(), key=lambda node: node.name)
        ],
        "edges": [[edge.source, edge.target, edge.how] for edge in sorted(lineage.edges)],
        "columns": [
            [edge.source, edge.source_column, edge.target, edge.target_column, edge.how, edge.sure]
            for edge in sorted(lineage.columns)
        ],
        "unknown": {unknown.name: unknown.reason for unknown in sorted(lineage.unknown)},
    }  # fmt: skip


def picture_page(drawn: Mapping[str, Any], *, scripts: Mapping[str, str], style: str) -> str:
    """Return one HTML file that holds everything it needs.

    Args:
        drawn: By `picture`.
        scripts: By name, in the order in which they run.
        style: CSS.
    """
    data = json.dumps(drawn, default=str).replace("<", "\\u003c")
    safe = [text.replace("</script", "<\\/script") for text in scripts.values()]
    code = "\n".join(f"<script>{text}</script>" for text in safe)
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Lineage</title><style>{style}</style></head>
<body class="alone"><main id="lineage"></main>
<script type="application/json" id="drawn">{data}</script>
{code}
</body></html>
"""
