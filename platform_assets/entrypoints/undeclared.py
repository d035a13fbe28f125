"""Assets made without a declaration, such as dbt models: the graph says what they are, the history the rest."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetNode

from platform_assets.entrypoints.dataset_facts import ColumnFacts, Freshness, Line, Page, RuleFacts
from platform_assets.entrypoints.history import last_materialisation, with_verdicts
from platform_assets.location import CodeLocation
from platform_assets.operations.overview import DatasetState

_KIND = "dagster/kind/"


def undeclared_line(location: CodeLocation, state: DatasetState) -> Line:
    """The line of an asset in the list of all; it has no version, no quarantine and no limit to its age."""
    node = _node(location, state.name)
    filled = None if state.materialised_at is None else datetime.fromtimestamp(state.materialised_at, UTC)
    kinds = sorted(tag.removeprefix(_KIND) for tag in node.tags if tag.startswith(_KIND))
    return Line(
        name=state.name,
        domain=node.key.path[0],
        owner=", ".join(node.owners),
        version=None,
        source="dbt" if "dbt" in kinds else "by hand",
        format=next((kind for kind in kinds if kind != "dbt"), None),
        mode=None,
        partitions=None if node.partitions_def is None else node.partitions_def.__class__.__name__,
        rule_count=len(node.check_keys),
        rows=state.rows,
        materialised_at=filled,
        checks=state.verdicts,
        quarantine_open=None,
        freshness=Freshness(state="not_applicable", within_seconds=None, due_at=None),
        location=state.location,
    )


def undeclared_page(location: CodeLocation, state: DatasetState, instance: dg.DagsterInstance) -> Page:
    """All that is known of an asset."""
    node = _node(location, state.name)
    return Page(
        dataset=undeclared_line(location, state),
        description=node.description or "",
        tags=tuple(name for name in node.tags if not name.startswith(("dagster/", "domain"))),
        key=(),
        reads=tuple(sorted(key.to_user_string() for key in node.parent_keys)),
        columns=tuple(_columns(node)),
        rules=with_verdicts(_rules(location, node), node.key, instance),
        last_materialisation=last_materialisation(node.key, instance),
        quarantine=None,
        retention=None,
        inputs=(),
    )


def _node(location: CodeLocation, name: str) -> AssetNode:
    return location.defs.resolve_asset_graph().get(dg.AssetKey.from_user_string(name))


def _columns(node: AssetNode) -> Iterator[ColumnFacts]:
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


def _rules(location: CodeLocation, node: AssetNode) -> Iterator[RuleFacts]:
    graph = location.defs.resolve_asset_graph()
    for key in sorted(node.check_keys, key=lambda each: each.name):
        spec = graph.get_check_spec(key)
        yield RuleFacts(
            id=spec.name,
            label=spec.description or spec.name.replace("_", " "),
            columns=(),
            severity=str(spec.metadata.get("severity", "error")),
            dimension=None,
        )
