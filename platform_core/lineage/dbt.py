"""Lineage that dbt's manifest tells: models, what they read, and the columns of their compiled SQL."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from platform_core.lineage.graph import ColumnEdge, Edge, Lineage, Node, Unknown
from platform_core.lineage.sql import Origins, UnreadableSql, column_origins

Trace = Callable[[str, Mapping[str, Sequence[str]]], Origins]
"""From SQL and the columns of the tables that it may read to where its columns come from; raises `UnreadableSql`."""


_PARAMETERS = ("materialized", "incremental_strategy", "unique_key")
"""What of a model's configuration decides the rows that it makes."""


def dbt_lineage(manifest: Mapping[str, Any], *, beside: Sequence[str] = (), trace: Trace = column_origins) -> Lineage:
    """Return the lineage of dbt's models and of the sources they read, from a manifest.

    Columns are traced where the manifest has the compiled SQL, which it has once dbt compiled or ran the models.

    Args:
        manifest: As dbt writes it.
        beside: Columns that every source has beside those it names.
        trace: Reads SQL; another than the default may remember what it read before.
    """
    models = {key: node for key, node in manifest["nodes"].items() if node["resource_type"] == "model"}
    names = {key: _dbt_name(node) for key, node in [*models.items(), *manifest["sources"].items()]}
    tables = {_relation(node): tuple(node["columns"]) for node in models.values()}
    tables |= {_relation(node): (*node["columns"], *beside) for node in manifest["sources"].values()}
    relations = {_relation(node): names[key] for key, node in [*models.items(), *manifest["sources"].items()]}
    nodes = {names[key]: _dbt_node(names[key], node) for key, node in models.items()}
    edges = frozenset(
        Edge(names[source], names[key])
        for key, node in models.items()
        for source in node["depends_on"]["nodes"]
        if source in names
    )
    lineage = Lineage(nodes, edges)
    return lineage.merged(*(_dbt_columns(names[key], node, tables, relations, trace) for key, node in models.items()))


def _dbt_name(node: Mapping[str, Any]) -> str:
    key: Sequence[str] = ((node["config"].get("meta") or {}).get("dagster") or {}).get("asset_key") or ()
    return "/".join(key or [node["schema"], node["name"]])


def _relation(node: Mapping[str, Any]) -> str:
    return str(node["relation_name"]).replace('"', "").replace("`", "")


def _dbt_node(name: str, node: Mapping[str, Any]) -> Node:
    meta = node["config"].get("meta") or {}
    return Node(
        name=name,
        kind="dbt",
        owner=next(iter((meta.get("dagster") or {}).get("owners", ())), ""),
        version=str((meta.get("lake") or {}).get("version", "")),
        tags=(*node["tags"], *(["mart"] if "lake" in meta else [])),
        columns=tuple(node["columns"]),
        code=str(node["original_file_path"]),
        parameters={name: str(node["config"][name]) for name in _PARAMETERS if node["config"].get(name)},
    )


def _dbt_columns(
    name: str,
    node: Mapping[str, Any],
    tables: Mapping[str, Sequence[str]],
    relations: Mapping[str, str],
    trace: Trace,
) -> Lineage:
    sql = node.get("compiled_code")
    if not sql:
        return Lineage({}, unknown=frozenset([Unknown(name, "dbt has not compiled it yet: run the models once")]))
    try:
        origins = trace(sql, tables)
    except UnreadableSql as error:
        return Lineage({}, unknown=frozenset([Unknown(name, f"its SQL has {error}")]))
    return Lineage(
        {},
        columns=frozenset(
            ColumnEdge(relations[table], own, name, column, how)
            for column, origin in origins.items()
            for table, own, how in origin
        ),
    )
