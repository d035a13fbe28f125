"""A table compared with its database: what is missing, gone or different; and a sweep of what is gone."""

import pytest
from deltalake import DeltaTable

from platform_assets.ingest import table_spec
from platform_assets.operations.errors import RequestError
from platform_assets.operations.reconcile import reconcile, reload
from tests.assets.test_database_source import FIRST, shop  # noqa: F401 - a fixture


@pytest.fixture
def loaded(shop):  # noqa: F811
    database, world = shop
    database.add(*FIRST, *((number, "1.00", "2024-04-03 09:00:00", "x", 1) for number in range(10, 40)))
    database.add((-1, "1", "2024-04-03 09:00:00", "refused", 1))
    world.catch_up()
    return database, world


def compare(world, **words):
    return reconcile(world.location, "shop/orders", **{"sweep": False, **words})


def test_a_table_that_is_right_holds_and_what_waits_is_told_apart(loaded):
    _, world = loaded
    result = compare(world)
    assert (result.holds, result.source_rows, result.table_rows, result.waiting) == (True, 33, 32, 1)


def test_a_value_that_changed_behind_the_cursor_is_found_by_its_column(loaded):
    database, world = loaded
    database.run("update orders set note = 'y' where id = 12")
    result = compare(world)
    assert (result.holds, result.differing, result.missing, result.gone) == (False, {"note": 1}, 0, 0)
    database.run("update orders set note = case id when 12 then 'x' else note end")
    database.run("update orders set amount = case id when 1 then '20.25' when 2 then '10.50' else amount end")
    assert set(compare(world).differing) == {"amount"}, "values that change places are seen"


def test_rows_that_are_gone_are_swept_away_and_the_books_still_balance(loaded):
    database, world = loaded
    database.run("delete from orders where id in (10, 11)")
    database.add((50, "1", "2024-01-01 00:00:00", "behind the cursor", 1))
    result = compare(world, sweep=True)
    assert (result.gone, result.swept, result.missing, result.holds) == (2, 2, 1, False)
    assert not {10, 11} & set(world.rows("shop/orders")["id"])
    came, accounted = world.balance("shop/orders")
    assert came == accounted
    database.run("delete from orders where id = 50")
    assert compare(world).holds
    assert world.catch_up() is not None
    assert compare(world).holds


def test_rows_that_the_table_lost_come_again_with_a_load_of_everything(loaded):
    _, world = loaded
    location = world.location
    DeltaTable(location.lake.location(table_spec(world.dataset("shop/orders")))).delete("id in (10, 11)")
    assert (compare(world).missing, compare(world).holds) == (2, False)
    world.catch_up()
    assert compare(world).missing == 2, "no later load brings them"
    reload(location, "shop/orders")
    world.catch_up()
    assert compare(world).holds
    came, accounted = world.balance("shop/orders")
    assert came == accounted


def test_a_name_that_is_no_dataset_is_answered_by_those_that_are_near(loaded):
    with pytest.raises(RequestError, match="perhaps shop/orders"):
        reconcile(loaded[1].location, "shop/order", sweep=False)


def test_an_emptied_database_sweeps_nothing_away(loaded):
    database, world = loaded
    database.run("delete from orders")
    with pytest.raises(RequestError, match="more than 10% is not swept"):
        compare(world, sweep=True)
    assert world.rows("shop/orders").height == 32
