"""The lineage of dbt's models bears the names that Dagster gives them, and knows columns that nobody documented."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from platform_core.lineage import Lineage
from platform_core.lineage.dbt import dbt_lineage

ORDERS = "source.shop.orders"
META = {"dagster": {"asset_key": ["sales", "best"], "owners": ["team:shop"]}}


def node(name: str, **parts: Any) -> dict[str, Any]:
    """A model or source as a manifest has it, in the schema that dbt makes of the configured one."""
    made = {"resource_type": "model", "name": name, "schema": "main_shop", "columns": {}, "tags": [],
            "relation_name": f'"db"."main_shop"."{name}"', "original_file_path": f"models/{name}.sql",
            "config": {"schema": "shop"}, "depends_on": {"nodes": []}}  # fmt: skip
    return {**made, **parts}


def lineage(models: Mapping[str, dict[str, Any]], columns: Sequence[str] = ("id", "Cents", "day")) -> Lineage:
    source = node("orders", resource_type="source", source_name="shop", columns=dict.fromkeys(columns), config={})
    return dbt_lineage({"nodes": dict(models), "sources": {ORDERS: source}})


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        ({"config": {"schema": "shop"}}, "shop/best"),
        ({"config": {"schema": None}}, "best"),
        ({"config": {"schema": "shop", "meta": META}}, "sales/best"),
        ({"config": {"schema": "shop"}, "version": 2, "alias": "best_v2"}, "best_v2"),
    ],
)
def test_a_model_is_the_asset_that_dagster_makes_of_it(parts: dict[str, Any], name: str) -> None:
    assert set(lineage({"model.best": node("best", **parts)}).nodes) == {name}


def test_columns_that_nobody_documented_are_traced_through_models_in_any_order() -> None:
    staged = node("staged", compiled_code='select id, "Cents" * 2 as "Twice" from db.main_shop.orders',
                  depends_on={"nodes": [ORDERS]})  # fmt: skip
    best = node("best", compiled_code="select * from db.main_shop.staged", columns={"twice": {}},
                depends_on={"nodes": ["model.staged"]})  # fmt: skip
    traced = lineage({"model.best": best, "model.staged": staged})
    assert traced.nodes["shop/staged"].columns == ("id", "Twice")
    assert traced.nodes["shop/best"].columns == ("twice", "id")
    assert set(traced.column_upstream("shop/best", "twice")) == {("shop/staged", "Twice"), ("shop/orders", "Cents")}
    assert not traced.unknown
