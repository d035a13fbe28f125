"""Tables that differ only in name are declared in one go."""

import sys
from types import ModuleType

import pytest

from platform_assets.discovery import discover
from platform_core.contracts import Database, DataFrameModel, Dataset, Delta


class Orders(DataFrameModel):
    """One row per order."""

    id: int


def declared(name, source):
    words = {"owner": "team:shop", "version": "1.0.0", "key": ("id",), "store": Delta(mode="merge")}
    return Dataset(f"shop/{name}", Orders, source=source, **words)


def test_each_table_of_a_family_becomes_a_dataset(monkeypatch):
    module = ModuleType("family")
    sources = Database.tables("shop", "EU_Orders", "sales.US-Orders", cursor="updated_at", key=("id",))
    module.orders = {name: declared(name, source) for name, source in sources.items()}
    monkeypatch.setitem(sys.modules, "family", module)
    found = discover("family").datasets
    assert {name: dataset.source.table for name, dataset in found.items()} == {
        "shop/eu_orders": "EU_Orders", "shop/sales_us_orders": "sales.US-Orders",
    }  # fmt: skip


def test_names_that_come_to_the_same_are_refused():
    with pytest.raises(ValueError, match=r"both called 'orders'"):
        Database.tables("shop", "Orders", "orders")
