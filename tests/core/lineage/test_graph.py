"""What lies above and below, how far away, and what a change touches."""

import json
from xml.etree import ElementTree as ET

import networkx as nx
import pytest

from platform_assets.discovery import discover
from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Delta,
    Field,
    Quarantine,
    ToDatabase,
    Topic,
    ToTopic,
    UtcTimestamp,
    catalog_of,
)
from platform_core.lineage import ColumnEdge, Edge, Lineage, Node, Unknown, impact_of
from platform_core.lineage.coverage import coverage_of, critical_path
from platform_core.lineage.declared import lineage_of
from platform_core.lineage.picture import picture
from platform_core.lineage.render import dot, graphml, impact_markdown, markdown, node_link, plain_impact


class Price(DataFrameModel):
    """One row a product."""

    sku: str = Field()
    price: float = Field()
    at: UtcTimestamp = Field()


CHAIN = Lineage(
    {name: Node(name=name, kind="dataset", owner="team:a", columns=("x", "y")) for name in ("a", "b", "c", "d")},
    frozenset([Edge("a", "b"), Edge("b", "c"), Edge("c", "d"), Edge("d", "b"), Edge("a", "c", "reference")]),
    frozenset([
        ColumnEdge("a", "x", "b", "x"), ColumnEdge("b", "x", "c", "*", "filter"), ColumnEdge("c", "y", "d", "y"),
        ColumnEdge("a", "y", "b", "y"),
    ]),
)  # fmt: skip


def test_a_circle_ends_and_each_dataset_stands_at_its_least_distance() -> None:
    assert CHAIN.downstream("a") == {"b": 1, "c": 1, "d": 2}
    assert CHAIN.downstream("a", depth=1) == {"b": 1, "c": 1}
    assert CHAIN.upstream("c") == {"a": 1, "b": 1, "d": 2}


def test_a_column_that_decides_on_rows_reaches_every_column_below() -> None:
    assert CHAIN.column_downstream("a", "x") == {("b", "x"): 1, ("c", "*"): 2, ("d", "y"): 3}
    assert CHAIN.column_downstream("a", "y") == {("b", "y"): 1}
    assert CHAIN.column_upstream("d", "y") == {("c", "y"): 1, ("b", "x"): 2, ("a", "x"): 3}


def test_impact_of_a_column_counts_only_what_it_reaches_or_may_reach() -> None:
    assert set(impact_of(CHAIN, "a", "y").datasets) == {"b"}
    unsure = Lineage(CHAIN.nodes, CHAIN.edges, CHAIN.columns, frozenset([Unknown("c", "a pivot")]))
    touched = impact_of(unsure, "a", "y")
    assert set(touched.datasets) == {"b", "c", "d"}
    assert touched.unknown == {"c": "a pivot"}
    assert touched.owners == {"team:a": 3}


def test_severity_follows_what_is_reached() -> None:
    assert impact_of(CHAIN, "nothing").severity == "none"
    assert impact_of(CHAIN, "a", "y").severity == "low"
    assert impact_of(CHAIN, "a").severity == "medium"
    promised = {**CHAIN.nodes, "b": Node(name="b", kind="dataset", promises=("fresh within 24 h",))}
    assert impact_of(Lineage(promised, CHAIN.edges), "a").severity == "high"


@pytest.fixture(scope="module")
def declared() -> Lineage:
    return lineage_of(discover("platform_assets.domains"))


def test_declared_datasets_have_sources_inputs_references_and_columns(declared: Lineage) -> None:
    assert Edge("flights/flights", "flights/daily_delays") in declared.edges
    assert Edge("flights/airlines", "flights/flights", "reference") in declared.edges
    assert Edge("files:flights/flights-*.parquet", "flights/flights") in declared.edges
    delays = {edge for edge in declared.columns if edge.target == "flights/daily_delays" and edge.how == "value"}
    assert ColumnEdge("flights/weather", "precip", "flights/daily_delays", "total_precip") in delays
    assert ("flights/flights", "dep_delay") in declared.column_upstream("flights/daily_delays", "delayed_share")
    unknown = {each.name: each.reason for each in declared.unknown}
    assert "not LazyFrames" in unknown["commerce/daily_revenue"], "a pandas function has no plan"


def test_every_format_is_read_by_others(declared: Lineage) -> None:
    graph = nx.node_link_graph(json.loads(json.dumps(node_link(declared))), edges="links")
    assert set(graph) == set(declared.nodes)
    ET.fromstring(graphml(declared))  # noqa: S314 - it was written here
    assert nx.parse_graphml(graphml(declared)).number_of_edges() == len(declared.edges)
    assert dot(declared).count(" -> ") == len(declared.edges)
    assert "flights/daily_delays" in markdown(declared)
    touched = impact_of(declared, "flights/flights", "dep_delay")
    assert json.loads(json.dumps(plain_impact(touched)))["columns"]["flights/daily_delays"]
    assert "delayed_share" in impact_markdown(touched)


def test_the_critical_path_is_the_slowest_chain_and_coverage_counts_what_is_known() -> None:
    names = ("a", "b", "c", "d", "alone")
    nodes = {name: Node(name=name, kind="dataset", columns=("x",)) for name in names}
    edges = frozenset({Edge("a", "b"), Edge("a", "c"), Edge("b", "d"), Edge("c", "d"), Edge("d", "a", "reference")})
    graph = Lineage(nodes, edges, frozenset({ColumnEdge("a", "x", "b", "x"), ColumnEdge("a", "x", "c", "*")}))
    assert critical_path(graph, "d", {"a": 1, "b": 2, "c": 5, "d": 1}) == [("a", 1), ("c", 5), ("d", 1)]
    counted = coverage_of(graph)
    assert (counted.columns, counted.columns_known, counted.orphans) == (5, 1, ["alone"])


def test_what_is_published_is_an_end_of_the_graph_and_matters() -> None:
    far = ToDatabase("shop", table="prices", columns=("price",))
    prices = Dataset("shop/prices", Price, owner="team:shop", version="1.0.0", source=Topic("asks", event_time="at"),
                     store=Delta(mode="append"), key=("sku",), quarantine=Quarantine(),
                     publish=[far, ToTopic("told")])  # fmt: skip
    heard = Dataset("shop/heard", Price, owner="team:ears", version="1.0.0", source=Topic("told", event_time="at"),
                    store=Delta(mode="append"), key=("sku",))  # fmt: skip
    lineage = lineage_of(catalog_of([prices, heard]))
    impact = impact_of(lineage, "shop/prices", "price")
    assert (impact.exports, impact.severity) == (["database:shop/prices", "topic:told"], "high")
    assert lineage.nodes["database:shop/prices"].columns == ("sku", "price")
    assert "shop/heard" in lineage.downstream("shop/prices")
    assert lineage.upstream("quarantine:shop/prices") == {"topic:shop/prices": 1}
    assert "quarantine:shop/prices" not in {node["name"] for node in picture(lineage, {})["nodes"]}


def test_what_makes_a_dataset_can_be_a_node_with_code_parameters_and_run() -> None:
    taken = Node(name="a", kind="source")
    made = Node(name="b", kind="dataset", code="shop:b", parameters={"size": "1 h"}, run="r")
    steps = Lineage(
        {"a": taken, "b": made}, frozenset([Edge("a", "b"), Edge("b", "b", "reference")])
    ).with_transformations()
    step = steps.nodes["make b"]
    assert (step.kind, step.code, step.parameters, step.run) == ("transformation", "shop:b", {"size": "1 h"}, "r")
    assert steps.edges == {Edge("a", "make b"), Edge("make b", "b"), Edge("b", "b", "reference")}
