"""The lineage of a code location: what is declared, its dbt models as they were last compiled, and other assets."""

import json
from pathlib import Path

from platform_assets.ingest.tables import PROVENANCE
from platform_assets.location import OPERATION, CodeLocation
from platform_core.lineage import Edge, Lineage, Node
from platform_core.lineage.dbt import dbt_lineage
from platform_core.lineage.declared import lineage_of
from platform_resources.settings import Settings

BESIDE = (*PROVENANCE, "_partition")
"""Columns that the platform adds to every table."""


def location_lineage(location: CodeLocation) -> Lineage:
    """Return the lineage of everything in a code location."""
    declared = lineage_of(location.catalog)
    models = (
        dbt_lineage(manifest, beside=BESIDE) if (manifest := _compiled_manifest(location.settings)) else Lineage({})
    )
    return declared.merged(models, _assets(location))


def _assets(location: CodeLocation) -> Lineage:
    """Return the nodes and edges that Dagster's graph has: assets by hand, and models that were never compiled."""
    graph = location.defs.resolve_asset_graph()
    nodes, edges = {}, set()
    for key in graph.materializable_asset_keys:
        found = graph.get(key)
        name = key.to_user_string()
        if OPERATION in found.tags or name in location.catalog.datasets:
            continue
        owner = next(iter(found.owners), "")
        kind = "dbt" if "dbt" in found.kinds else "asset"
        nodes[name] = Node(name=name, kind=kind, owner=owner, tags=tuple(found.tags))  # type: ignore[arg-type]  # one of two
        edges |= {Edge(parent.to_user_string(), name) for parent in found.parent_keys}
    return Lineage(nodes, frozenset(edges))


def _compiled_manifest(settings: Settings) -> dict[str, object] | None:
    """Return dbt's newest manifest with compiled SQL, or None before the models were ever compiled."""
    home = Path(settings.state) / "dbt" / settings.environment
    manifests = sorted(home.glob("*/target/manifest.json"), key=lambda path: path.stat().st_mtime)
    if not manifests:
        return None
    manifest: dict[str, object] = json.loads(manifests[-1].read_bytes())
    return manifest
