"""`platform discover`: every table of a database becomes a declaration that loads, and that its own rows pass."""

import importlib
import json
import sqlite3
import sys
from contextlib import closing

from platform_assets.entrypoints.cli import main
from platform_core.contracts import Database, Dataset, catalog_of


def test_tables_become_modules_that_declare_their_types_key_and_cursor(tmp_path, monkeypatch, capsys):
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.execute("create table orders (id integer primary key, total real, updated_at timestamp, mail text)")
        connection.execute('create table "order lines" (order_id int, line int, primary key (order_id, line))')
        connection.execute("create table empty (id integer)")
        rows = [(n, n * 1.5, f"2024-03-{n % 28 + 1:02}T09:00:00Z", f"ada{n}@example.com") for n in range(1, 200)]
        connection.executemany("insert into orders values (?, ?, ?, ?)", rows)
        connection.executemany('insert into "order lines" values (?, ?)', [(n // 2, n % 2) for n in range(100)])
        connection.commit()
    monkeypatch.setenv("PLATFORM_DATABASE_SHOP", f"sqlite:///{tmp_path}/shop.db")
    monkeypatch.setenv("PLATFORM_STATE", str(tmp_path / "state"))
    out = tmp_path / "found_tables"
    assert main(["discover", "shop", "--owner", "team:shop", "--out", str(out), "--json"]) == 0
    tables = {table["table"]: table for table in json.loads(capsys.readouterr().out)}
    assert {name: (table["rows"], table["key"], table["cursor"]) for name, table in tables.items()} == {
        "orders": (199, ["id"], "updated_at"), "order lines": (100, ["order_id", "line"], None), "empty": (0, [], None),
    }  # fmt: skip
    assert "ada" not in tables["orders"]["code"]
    monkeypatch.syspath_prepend(str(tmp_path))
    modules = [importlib.import_module(f"found_tables.{path.stem}") for path in sorted(out.glob("*.py"))]
    datasets = [value for module in modules for value in vars(module).values() if isinstance(value, Dataset)]
    assert sorted(catalog_of(datasets).datasets) == ["shop/order_lines", "shop/orders"]
    orders = next(dataset for dataset in datasets if dataset.name == "shop/orders")
    assert orders.source == Database("shop", table="orders", cursor="updated_at", key=("id",))
    for module in modules:
        sys.modules.pop(module.__name__)


def test_a_database_without_a_setting_is_named(capsys):
    assert main(["discover", "nowhere"]) == 1
    assert "PLATFORM_DATABASE_NOWHERE" in capsys.readouterr().err
