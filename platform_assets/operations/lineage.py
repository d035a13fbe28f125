"""The lineage of a code location: what is declared, its dbt models as they were last compiled, and other assets."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from platform_assets.ingest.tables import PROVENANCE
from platform_assets.location import OPERATION, CodeLocation
from platform_assets.operations.history import InstanceHistory
from platform_assets.operations.instance import open_instance
from platform_assets.operations.observed_lineage import observed_lineage
from platform_assets.operations.traced_sql import TracedSql
from platform_assets.operations.undeclared import described_columns, own_tags
from platform_core.lineage import Edge, Lineage, Node
from platform_core.lineage.dbt import dbt_lineage
from platform_core.lineage.declared import lineage_of
from platform_resources.settings import Settings

MADE = frozenset({"dataset", "dbt", "asset", "detector"})
"""The kinds of nodes that runs make."""

_COPIES = 5
"""So many copies of a dbt project are looked into for compiled SQL."""

BESIDE = (*PROVENANCE, "_partition")
"""Columns that the platform adds to every table."""


def location_lineage(location: CodeLocation) -> Lineage:
    """Return the lineage of everything in a code location."""
    declared = lineage_of(location.catalog)
    manifest = compiled_manifest(location.settings)
    trace = TracedSql(Path(location.settings.state) / "lineage" / location.settings.environment / "sql.json")
    models = dbt_lineage(manifest, beside=BESIDE, trace=trace) if manifest else Lineage({})
    trace.save()
    return observed_lineage(location, declared.merged(models, _assets(location)))


def lineage_files(settings: Settings) -> list[Path]:
    """List the files that lineage is read from beside the code, in order: dbt's manifests and what was observed."""
    state = Path(settings.state)
    manifests = (state / "dbt" / settings.environment).glob("*/target/manifest.json")
    observed = (state / "lineage" / settings.environment).glob("*__*.json")
    return sorted([*manifests, *observed])


def last_durations(location: CodeLocation, lineage: Lineage) -> dict[str, float]:
    """Return the seconds that the step of each dataset took when it was last made; one never made is left out."""
    seconds: dict[str, float] = {}
    with open_instance(location.settings) as instance:
        records = InstanceHistory(instance).materialisations(
            [name for name, node in lineage.nodes.items() if node.kind in MADE]
        )
        steps: dict[str, dict[str, float]] = {}
        for name, record in records.items():
            if record.run_id not in steps:
                steps[record.run_id] = {
                    step_stat.step_key: step_stat.end_time - step_stat.start_time
                    for step_stat in instance.get_run_step_stats(record.run_id)
                    if step_stat.start_time is not None and step_stat.end_time is not None
                }
            own = steps[record.run_id].get(name.replace("/", "__"))
            if own is not None:
                seconds[name] = own
    return seconds


def with_runs(location: CodeLocation, lineage: Lineage) -> Lineage:
    """Return the lineage with the run that made each dataset last."""
    with open_instance(location.settings) as instance:
        records = InstanceHistory(instance).materialisations(
            [name for name, node in lineage.nodes.items() if node.kind in MADE]
        )
    runs = {name: record.run_id for name, record in records.items() if record.run_id}
    nodes = {name: replace(node, run=runs.get(name, "")) for name, node in lineage.nodes.items()}
    return replace(lineage, nodes=nodes)


def _assets(location: CodeLocation) -> Lineage:
    """Return the nodes and edges that Dagster's graph has: assets by hand, and models that were never compiled."""
    graph = location.defs.resolve_asset_graph()
    nodes, edges = {}, set()
    for key in graph.materializable_asset_keys:
        asset_node = graph.get(key)
        name = key.to_user_string()
        if OPERATION in asset_node.tags or name in location.catalog.datasets:
            continue
        owner = next(iter(asset_node.owners), "")
        kind = "dbt" if "dbt" in asset_node.kinds else "asset"
        columns = tuple(column.name for column in described_columns(asset_node))
        nodes[name] = Node(name=name, kind=kind, owner=owner, tags=own_tags(asset_node), columns=columns)  # type: ignore[arg-type]  # one of two
        edges |= {Edge(parent.to_user_string(), name) for parent in asset_node.parent_keys}
    return Lineage(nodes, frozenset(edges))


def compiled_manifest(settings: Settings) -> dict[str, Any] | None:
    """Return dbt's newest manifest, with the SQL that each model was last compiled to; None where there is no project.

    A project that was parsed anew has no compiled SQL before its next run. That of an earlier copy stands in for it
    where neither the model nor any macro has changed since.
    """
    home = Path(settings.state) / "dbt" / settings.environment
    paths = sorted(home.glob("*/target/manifest.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    if not paths:
        return None
    newest, *earlier = (json.loads(path.read_bytes()) for path in paths[:_COPIES])
    macros = _macros(newest)
    for manifest in earlier:
        if _macros(manifest) == macros:
            _compile_from(newest["nodes"], manifest["nodes"])
    return cast("dict[str, Any]", newest)


def _macros(manifest: dict[str, Any]) -> dict[str, str]:
    return {key: macro["macro_sql"] for key, macro in manifest["macros"].items()}


def _compile_from(nodes: dict[str, Any], earlier: dict[str, Any]) -> None:
    """Give models their compiled SQL from an earlier manifest where their own text is the same."""
    for key, node in nodes.items():
        former = earlier.get(key)
        if former and not node.get("compiled_code") and former.get("checksum") == node.get("checksum"):
            node["compiled_code"] = former.get("compiled_code")
