"""What the asset graph says of an asset made without a declaration, such as a dbt model."""

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph, AssetNode

from platform_assets.location import CodeLocation
from platform_assets.operations.dataset_facts import ColumnFacts, RuleFacts


@dataclass(frozen=True, kw_only=True)
class AssetFacts:
    """What is known of an asset before it has run."""

    description: str
    tags: tuple[str, ...]
    reads: tuple[str, ...]
    columns: tuple[ColumnFacts, ...]
    rules: tuple[RuleFacts, ...]


def asset_facts(location: CodeLocation, name: str) -> AssetFacts:
    """Tell what the graph says of an asset."""
    graph = location.defs.resolve_asset_graph()
    node = graph.get(dg.AssetKey.from_user_string(name))
    return AssetFacts(
        description=node.description or "",
        tags=own_tags(node),
        reads=tuple(sorted(key.to_user_string() for key in node.parent_keys)),
        columns=tuple(described_columns(node)),
        rules=tuple(_rules(graph, node)),
    )


def own_tags(node: AssetNode) -> tuple[str, ...]:
    """Return the tags that people gave an asset, without those by which Dagster and the platform work."""
    return tuple(tag for tag in node.tags if not tag.startswith(("dagster/", "domain")))


def described_columns(node: AssetNode) -> Iterator[ColumnFacts]:
    """Yield the columns that an asset declares in its metadata."""
    schema = node.metadata.get("dagster/column_schema")
    for column in schema.columns if isinstance(schema, dg.TableSchema) else ():
        yield ColumnFacts(
            name=column.name,
            type=column.type,
            nullable=column.constraints.nullable,
            unit=column.tags.get("unit"),
            pii=column.tags.get("pii"),
            description=column.description or "",
        )


def _rules(graph: AssetGraph, node: AssetNode) -> Iterator[RuleFacts]:
    for key in sorted(node.check_keys, key=lambda check: check.name):
        spec = graph.get_check_spec(key)
        yield RuleFacts(
            id=spec.name,
            label=spec.description or spec.name.replace("_", " "),
            columns=(),
            severity=str(spec.metadata.get("severity", "error")),
            dimension=None,
        )
