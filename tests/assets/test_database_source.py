"""A table of a SQLite database becomes a dataset: loads, changes, refused rows, and a load that dies."""

import sqlite3
from contextlib import closing

import dagster as dg
import polars as pl
import pytest

from platform_assets.composition import build_location
from platform_assets.ingest import ingest
from platform_assets.ingest.inputs import adapter_for, take_inputs
from platform_assets.operations.reconcile import reconcile, report_receipt
from platform_resources.settings import Settings
from platform_resources.storage import Lake
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


def waiting(world):
    envelopes = world.store("shop/orders").envelopes()
    return sorted(zip(envelopes["source"], envelopes["payload"].str.json_path_match("$.id"), envelopes["decision"],
                      strict=True))  # fmt: skip


LATEST = "2024-04-03 09:00:00"


def test_a_refused_row_at_the_highest_cursor_value_is_set_aside_once_whatever_loads_follow(shop):
    database, world = shop
    database.add(*FIRST, (-1, "1", LATEST, "bad", 1), (-2, "1", None, "no cursor", 1))
    world.catch_up()
    for number in range(3, 6):
        database.add((number, "5", LATEST, "", 1))
        world.catch_up()
        assert waiting(world) == [("shop/orders/1", "-1", "open"), ("shop/orders/1", "-2", "open")]
        came, accounted = world.balance("shop/orders")
        assert came == accounted


def test_an_envelope_goes_when_a_later_load_brings_its_key_in_another_version(shop):
    database, world = shop
    database.add(*FIRST, (3, "-1", LATEST, "below zero", 1), (4, "-2", LATEST, "below zero", 1))
    world.catch_up()
    database.run("update orders set amount = '7', at = '2024-05-01 00:00:00' where id = 3")
    database.run("update orders set amount = '-9', at = '2024-05-01 00:00:00' where id = 4")
    world.catch_up()
    assert waiting(world) == [("shop/orders/2", "4", "open")]
    assert world.rows("shop/orders")["id"].to_list() == [1, 2, 3]
    assert world.store("shop/orders").ingests().select("rows", "valid", "quarantined", "superseded").rows() == [
        (4, 2, 0, 2), (2, 1, 1, 0),
    ]  # fmt: skip


def test_a_fix_or_a_discard_holds_for_the_row_when_it_is_read_again(shop):
    database, world = shop
    database.add(*FIRST, (3, "-1", LATEST, "x", 1), (4, "-2", LATEST, "x", 1))
    world.catch_up()
    store = world.store("shop/orders")
    ids = dict(zip(store.envelopes()["payload"].str.json_path_match("$.id"), store.envelopes()["quarantine_id"],
                   strict=True))  # fmt: skip
    fix = store.envelopes(ids=[ids["3"]])["payload"][0].replace('"-1"', '"8"')
    store.fix(ids["3"], fix)
    store.decide([ids["4"]], "discarded")
    world.materialise("shop/orders", partitions=["2024-04"], tags={"platform/replay": "all"})
    database.add((5, "5", LATEST, "", 1))
    world.catch_up()
    assert waiting(world) == [("shop/orders/1", "3", "replayed"), ("shop/orders/1", "4", "discarded")]
    assert sorted(world.rows("shop/orders").select("id", pl.col("amount").cast(float)).rows())[2:] == [
        (3, 8.0), (5, 5.0),
    ]  # fmt: skip
    came, accounted = world.balance("shop/orders")
    assert came == accounted


def test_the_receipt_of_a_load_accounts_for_every_row_and_value(shop):
    database, world = shop
    database.add(*FIRST, (-1, "1", LATEST, "bad", 1), (4, "cheap", LATEST, "bad", 1), (5, "2", LATEST, "ü", None))
    world.catch_up()
    told = world.checks("shop/orders")["receipt"]
    assert told.passed, told.description
    assert "the source has 5 rows; 3 of them are in the table and 2 in quarantine" in told.description
    assert told.metadata["columns_compared"].value == "id, note, paid"
    database.add((6, "3", LATEST, "c", 1))
    world.catch_up()
    told = world.checks("shop/orders")["receipt"]
    assert told.passed, told.description
    assert "4 rows; 2 of them are in the table and 2 in quarantine" in told.description


@pytest.mark.parametrize(("loss", "words"), [
    (lambda rows: rows.filter(pl.col("id") != 2), "the source has 2 rows; 1 of them are in the table and 0"),
    (lambda rows: rows.with_columns(note=pl.lit("b")), "note (1 values at the source, 2 in the lake)"),
    (lambda rows: rows.with_columns(paid=True), "paid (its numbers come to 1 at the source, 2 in the lake)"),
])  # fmt: skip
def test_the_receipt_is_red_where_a_row_or_a_value_is_lost_on_the_way_to_the_table(shop, monkeypatch, loss, words):
    database, world = shop
    database.add(*FIRST)
    write = Lake.write

    def lossy(lake, spec, rows, **options):
        return write(lake, spec, loss(rows) if spec.path == "shop/orders/v1" else rows, **options)

    monkeypatch.setattr(Lake, "write", lossy)
    world.catch_up()
    told = world.checks("shop/orders")["receipt"]
    assert not told.passed
    assert words in told.description
    monkeypatch.undo()
    database.add((7, "3", "2024-06-01 00:00:00", "c", 1))
    world.catch_up()
    assert words in world.checks("shop/orders")["receipt"].description, "a later load does not make up for it"
    database.run("update orders set at = '2024-06-02 00:00:00'")
    world.catch_up()
    report_receipt(world.instance, "shop/orders", reconcile(world.location, "shop/orders", sweep=True, most_share=1))
    report_receipt(world.instance, "shop/orders", reconcile(world.location, "shop/orders", sweep=False))
    assert world.checks("shop/orders")["receipt"].passed


@pytest.mark.parametrize(("sql", "words"), [
    ("alter table orders add column extra text", "column 'extra' was added (text)"),
    ("alter table orders drop column note", "column 'note' was dropped"),
    ("alter table orders rename column note to remark", "column 'note' is gone, and 'remark' of the same type is new"),
])  # fmt: skip
def test_what_the_database_changed_of_its_columns_is_named_by_a_check(shop, sql, words):
    database, world = shop
    database.add(*FIRST)
    world.catch_up()
    assert world.checks("shop/orders")["source_schema"].passed
    database.run(sql)
    world.catch_up()
    told = world.checks("shop/orders")["source_schema"]
    assert not told.passed
    assert words in told.description


def test_a_load_too_large_for_memory_is_judged_in_batches_and_accounted_for_all_the_same(shop, monkeypatch):
    database, world = shop
    database.run("drop table orders")
    database.run("create table orders (id integer, amount text, at timestamp, note text, paid boolean)")
    rows = [(number, "1.00", f"2024-03-{number % 28 + 1:02} 09:00:00", "x" * 20, 1) for number in range(1, 2001)]
    database.add(*rows, (5, "2.00", "2024-06-01 09:00:00", "a second row of key 5", 1), (-1, "1", LATEST, "bad", 1))
    monkeypatch.setattr(ingest, "SHARE", 1 << 15)  # a load of more than 32 KiB is large
    adapter = adapter_for(world.dataset("shop/orders"), world.location.settings)
    large = ingest.large_bytes(world.location.lake, world.dataset("shop/orders"))
    store = world.store("shop/orders")
    (given,) = take_inputs(adapter, store, again=False, names=[], partitions=None, large_bytes=large)
    assert given.batches is not None, "it is not held in memory"
    world.catch_up()
    assert world.rows("shop/orders").height == 2000
    assert sorted(waiting(world)) == [("shop/orders/1", "-1", "open"), ("shop/orders/1", "5", "open")]
    told = world.checks("shop/orders")["receipt"]
    assert told.passed, told.description
    assert "2,002 rows; 2,000 of them are in the table and 2 in quarantine" in told.description
