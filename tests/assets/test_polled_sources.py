"""The sensor of databases: asks for a run when something changed, once, and says which source it could not ask."""

from datetime import UTC, datetime, timedelta

import pytest

from platform_assets.operations.polled_sources import PollCursor, poll_sources
from tests.assets.test_database_source import FIRST, shop  # noqa: F401 - a fixture

START = datetime(2024, 6, 1, tzinfo=UTC)


@pytest.fixture
def tick(shop):  # noqa: F811
    """Asks the sources so many seconds after the start; the cursor goes from tick to tick."""
    _, world = shop
    cursor = PollCursor.read(None, START)

    def ask(seconds):
        nonlocal cursor
        location = world.location
        datasets, now = [*location.catalog.datasets.values()], START + timedelta(seconds=seconds)
        arrivals, cursor, unreachable = poll_sources(location.lake, location.settings, datasets, cursor, now)
        cursor = PollCursor.read(cursor.write(), now)
        return [(arrival.unit.source, arrival.partitions) for arrival in arrivals], unreachable

    return ask


def test_a_change_is_asked_for_once_and_not_before_its_time(shop, tick):  # noqa: F811
    database, world = shop
    database.add(*FIRST)
    assert tick(0) == ([("shop/orders/1", ("2024-03", "2024-04"))], [])
    assert tick(31) == ([], [])
    database.add((3, "5", "2024-05-01 00:00:00", "", 1))
    assert tick(40) == ([], []), "30 seconds have not passed"
    assert [source for source, _ in tick(62)[0]] == ["shop/orders/1"]
    world.catch_up()
    assert tick(93) == ([], [])


def test_a_table_that_is_gone_is_named_and_asked_again(shop, tick):  # noqa: F811
    database, _ = shop
    database.run("alter table orders rename to old_orders")
    arrivals, (message,) = tick(0)
    assert arrivals == []
    assert "no such table: orders" in message
    database.run("alter table old_orders rename to orders")
    database.add(*FIRST)
    assert len(tick(31)[0]) == 1


def test_the_sensor_asks_for_a_run_that_takes_what_there_is_by_then(shop):  # noqa: F811
    database, world = shop
    database.add(*FIRST)
    import dagster as dg  # noqa: PLC0415

    sensor = world.location.defs.resolve_sensor_def("shop_sources")
    context = dg.build_sensor_context(
        instance=world.instance, repository_def=world.location.defs.get_repository_def(),
        resources={"lake": world.location.lake, "landing": world.location.landing},
    )  # fmt: skip
    (request,) = sensor(context).run_requests
    assert request.run_config == {"ops": {}}
    assert request.tags["dagster/asset_partition_range_start"] == "2024-03"
