"""The whole asset graph as text: a change of it shows in review. `make snapshot` accepts the graph as it is now."""

import os
from pathlib import Path

import dagster as dg
import pytest

SNAPSHOT = Path(__file__).parent / "asset_graph.txt"


@pytest.fixture
def defs(tmp_path, monkeypatch):
    """The definitions of this code location, over a state folder of their own."""
    monkeypatch.setenv("PLATFORM_STATE", str(tmp_path))
    from platform_assets.definitions import defs as built  # noqa: PLC0415 - importing it builds the graph

    return built


def test_the_asset_graph_is_the_one_accepted(defs):
    now = "\n\n".join([*_assets(defs), *_automation(defs)]) + "\n"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(now)
    assert now.splitlines() == SNAPSHOT.read_text().splitlines(), "If this is meant: make snapshot, and commit."


def _assets(defs):
    graph = defs.resolve_asset_graph()
    for key in sorted(graph.get_all_asset_keys(), key=str):
        node = graph.get(key)
        facts = {
            "group": node.group_name,
            "owners": ", ".join(sorted(node.owners)),
            "kinds": ", ".join(sorted(node.kinds)),
            "version": node.code_version,
            "partitions": _partitions(node.partitions_def),
            "freshness": node.freshness_policy and type(node.freshness_policy).__name__,
            "automation": node.automation_condition and node.automation_condition.get_label(),
            "pools": ", ".join(sorted(node.pools or [])),
            "from": _wrapped(parent.to_user_string() for parent in node.parent_keys),
            "checks": _wrapped(check.name for check in node.check_keys),
        }
        yield "\n".join([key.to_user_string(), *(_line(name, str(fact)) for name, fact in facts.items() if fact)])


def _line(name, fact):
    return f"    {name}:{fact}" if fact.startswith("\n") else f"    {name}: {fact}"


def _automation(defs):
    repository = defs.get_repository_def()
    for each in sorted([*repository.sensor_defs, *repository.schedule_defs], key=lambda one: one.name):
        yield f"{type(each).__name__} {each.name}"


def _partitions(definition):
    if not isinstance(definition, dg.TimeWindowPartitionsDefinition):
        return definition and type(definition).__name__
    return f"{definition.schedule_type.value.lower()} from {definition.start:{definition.fmt}} on"


def _wrapped(names):
    """One name a line, so that a diff shows what came and went."""
    return "".join(f"\n        {name}" for name in sorted(names))
