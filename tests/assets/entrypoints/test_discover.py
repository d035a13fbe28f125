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
        connection.execute("create table visits (visit_id text primary key)")
        connection.execute("create table lines (line_id integer primary key)")
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
        "visits": (0, ["visit_id"], None), "lines": (0, ["line_id"], "line_id"),
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


def test_odd_tables_become_modules_that_are_found_load_and_are_not_overwritten(tmp_path, monkeypatch, capsys):
    with closing(sqlite3.connect(tmp_path / "odd.db")) as connection:
        connection.executescript("""
            create table "Größe" (Id integer primary key, "a b" int, "a-b" int, "validate" text, "q""d" text);
            create table "import" (name text, seen timestamp, updated_at timestamp);
            create table "表" (i int); create table "テ" (i int);
            insert into "Größe" values (1, 2, 3, 'ä', 'x');
            insert into "import" values ('a', '2024-01-01 00:00:00', '2024-01-01 00:00:00'), ('a', null, null);
            insert into "表" values (1); insert into "テ" values (1);""")
    monkeypatch.setenv("PLATFORM_DATABASE_ODD", f"sqlite:///{tmp_path}/odd.db")
    monkeypatch.setenv("PLATFORM_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    assert main(["discover", "odd", "--out", "odd_tables/odd"]) == 0
    (tmp_path / "odd_tables" / "__init__.py").touch()
    (tmp_path / "odd_tables" / "odd" / "t.py").write_text("# mine\n")
    assert main(["discover", "odd", "--out", "odd_tables/odd"]) == 0
    assert "t.py was there before" in capsys.readouterr().out
    assert (tmp_path / "odd_tables" / "odd" / "t.py").read_text() == "# mine\n"
    assert 'no zone of "seen", "updated_at"' in (tmp_path / "odd_tables" / "odd" / "t_import.py").read_text()
    assert main(["--package", "odd_tables", "catch-up"]) == 0
    assert main(["--package", "odd_tables", "datasets", "--json"]) == 0
    rows = {
        line["name"]: line["rows"] for line in json.loads(capsys.readouterr().out.rpartition("\n[")[2].join(["[", ""]))
    }
    assert rows == {"odd/grosse": 1, "odd/t_2": 1, "odd/t_import": 2}
