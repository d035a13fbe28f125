"""A table of a SQLite database becomes a dataset: loads, changes, refused rows, and a load that dies."""

import sqlite3
from contextlib import closing

import dagster as dg
import pytest

from platform_assets.composition import build_location
from platform_resources.settings import Settings
from tests.world import World


class Database:
    def __init__(self, path):
        self.path = path
        self.run("create table orders (id integer primary key, amount text, at timestamp, note text, paid boolean)")

    def run(self, sql, *rows):
        with closing(sqlite3.connect(self.path)) as connection:
            connection.executemany(sql, rows) if rows else connection.execute(sql)
            connection.commit()

    def add(self, *rows):
        self.run("insert into orders values (?, ?, ?, ?, ?)", *rows)


@pytest.fixture
def shop(tmp_path):
    database = Database(tmp_path / "shop.db")
    settings = Settings.from_environment({
        "PLATFORM_STATE": str(tmp_path / "state"), "PLATFORM_DATABASE_SHOP": f"sqlite:///{database.path}",
    })  # fmt: skip
    location = build_location("tests.stored", settings)
    with dg.DagsterInstance.ephemeral() as instance:
        yield database, World(location, instance)


FIRST = [(1, "10.50", "2024-03-01 09:00:00", "a", 1), (2, "20.25", "2024-04-02 09:00:00", None, 0)]


def test_loads_bring_new_and_changed_rows_and_nothing_twice(shop):
    database, world = shop
    database.add(*FIRST)
    world.catch_up()
    assert world.rows("shop/orders")["amount"].cast(float).to_list() == [10.5, 20.25]
    assert world.catch_up() == []
    database.add((3, "5", "2024-05-01 00:00:00", "", 1))
    database.run("update orders set amount = '11', at = '2024-05-02 00:00:00' where id = 1")
    world.catch_up()
    assert sorted(world.rows("shop/orders").select("id", "amount").cast({"amount": float}).rows()) == [
        (1, 11.0), (2, 20.25), (3, 5.0),
    ]  # fmt: skip
    assert world.catch_up() == []


def test_a_row_that_breaks_a_rule_goes_to_quarantine_with_its_load(shop):
    database, world = shop
    database.add(*FIRST, (-1, "1", "2024-04-03 09:00:00", "bad", 1), (4, "cheap", "2024-04-04 09:00:00", "bad", 1))
    world.catch_up()
    assert world.rows("shop/orders")["id"].sort().to_list() == [1, 2]
    envelopes = world.store("shop/orders").envelopes()
    assert sorted(envelopes["rules"].to_list()) == [["id_gt"], ["types"]]
    assert set(envelopes["source"]) == {"shop/orders/1"}


def test_a_column_that_the_contract_does_not_know_stops_the_load_and_its_rows_come_with_the_next(shop):
    database, world = shop
    database.add(*FIRST)
    world.catch_up()
    database.run("alter table orders add column extra text")
    database.run("insert into orders values (3, '5', '2024-05-01 00:00:00', '', 1, 'x')")
    world.catch_up()
    assert world.rows("shop/orders")["id"].to_list() == [1, 2]
    database.run("alter table orders drop column extra")
    world.catch_up()
    assert world.rows("shop/orders")["id"].to_list() == [1, 2, 3]
