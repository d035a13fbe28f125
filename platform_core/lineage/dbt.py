"""Lineage that dbt's manifest tells: models, what they read, and the columns of their compiled SQL."""

from collections.abc import Callable, Mapping, Sequence
from graphlib import TopologicalSorter
from typing import Any

from platform_core.lineage.graph import WHOLE, ColumnEdge, Edge, Lineage, Node, Unknown
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
    relations = {**models, **manifest["sources"]}
    names = {key: _dbt_name(node) for key, node in relations.items()}
    named_relations = {_relation(node): names[key] for key, node in relations.items()}
    tables = {_relation(node): (*node["columns"], *beside) for node in manifest["sources"].values()}
    edges = frozenset(
        Edge(names[source], names[key])
        for key, node in models.items()
        for source in node["depends_on"]["nodes"]
        if source in names
    )
    parts = []
    for key in _in_order(models):
        node = models[key]
        part, columns = _dbt_columns(names[key], node, tables, named_relations, trace)
        tables[_relation(node)] = columns
        parts.append(part.merged(Lineage({names[key]: _dbt_node(names[key], node, columns)})))
    return Lineage({}, edges).merged(*parts)


def _in_order(models: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the models so that each comes behind those that it reads."""
    reads = {key: [name for name in node["depends_on"]["nodes"] if name in models] for key, node in models.items()}
    return list(TopologicalSorter(reads).static_order())


def _dbt_name(node: Mapping[str, Any]) -> str:
    """Return the asset that a model or source is in Dagster: by its own word, or as dagster-dbt names it."""
    key: Sequence[str] = ((node["config"].get("meta") or {}).get("dagster") or {}).get("asset_key") or ()
    if key:
        return "/".join(key)
    if node["resource_type"] == "source":
        return f"{node['source_name']}/{node['name']}"
    if node.get("version"):
        return str(node["alias"])
    schema = node["config"].get("schema")
    return f"{schema}/{node['name']}" if schema is not None else str(node["name"])


def _relation(node: Mapping[str, Any]) -> str:
    return str(node["relation_name"]).replace('"', "").replace("`", "")


def _dbt_node(name: str, node: Mapping[str, Any], columns: Sequence[str]) -> Node:
    meta = node["config"].get("meta") or {}
    return Node(
        name=name,
        kind="dbt",
        owner=next(iter((meta.get("dagster") or {}).get("owners", ())), ""),
        version=str((meta.get("lake") or {}).get("version", "")),
        tags=(*node["tags"], *(["mart"] if "lake" in meta else [])),
        columns=tuple(columns),
        code=str(node["original_file_path"]),
        parameters={name: str(node["config"][name]) for name in _PARAMETERS if node["config"].get(name)},
    )


def _dbt_columns(
    name: str,
    node: Mapping[str, Any],
    tables: Mapping[str, Sequence[str]],
    relations: Mapping[str, str],
    trace: Trace,
) -> tuple[Lineage, tuple[str, ...]]:
    """Return where the columns of a model come from, and which it has: those it documents, then others of its SQL."""
    documented = {column.lower(): column for column in node["columns"]}
    sql = node.get("compiled_code")
    if not sql:
        reason = "dbt has not compiled it yet: run the models once"
        return Lineage({}, unknown=frozenset([Unknown(name, reason)])), tuple(documented.values())
    try:
        origins = trace(sql, tables)
    except UnreadableSql as error:
        reason = f"its SQL has {error}"
        return Lineage({}, unknown=frozenset([Unknown(name, reason)])), tuple(documented.values())
    spelled = {column: documented.get(column.lower(), column) for column in origins}
    lineage = Lineage(
        {},
        columns=frozenset(
            ColumnEdge(relations[table], own, name, spelled[column], how)
            for column, origin in origins.items()
            for table, own, how in origin
        ),
    )
    undocumented = [column for column in spelled.values() if column != WHOLE and column.lower() not in documented]
    return lineage, (*documented.values(), *undocumented)
