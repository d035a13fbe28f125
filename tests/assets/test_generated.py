"""Generated datasets come by partition, and again the same."""

from pathlib import Path

from tests.world import world


def test_each_month_is_its_own_input_and_leaves_the_others_alone(tmp_path: Path) -> None:
    with world(tmp_path, "platform_assets.domains.commerce") as made:
        assert made.materialise("commerce/customers").success
        assert made.materialise("commerce/products").success
        assert made.materialise("commerce/orders", partitions=["2025-01", "2025-02"]).success
        both = made.rows("commerce/orders")
        assert made.materialise("commerce/orders", partitions=["2025-02"]).success
        assert made.rows("commerce/orders").equals(both)
        assert made.store("commerce/orders").ingests()["source"].to_list() == ["generated/2025-01", "generated/2025-02"]
        assert made.balance("commerce/orders") == (both.height, both.height)


def test_a_month_that_the_generator_never_fills_does_not_warn(tmp_path: Path) -> None:
    with world(tmp_path, "platform_assets.domains.commerce") as made:
        made.materialise("commerce/customers", "commerce/products")
        assert made.materialise("commerce/orders", partitions=["2025-01", "2026-03"]).success
        assert (made.rows("commerce/orders").is_empty(), made.red("commerce/orders")) == (False, set())


def test_tables_of_a_world_agree_and_events_told_twice_stand_once(tmp_path: Path) -> None:
    with world(tmp_path, "platform_assets.domains", dbt=Path("dbt")) as made:
        assert made.materialise("commerce/customers", "commerce/products").success
        assert made.materialise("commerce/orders", partitions=["2025-11"]).success
        assert made.materialise("commerce/events", partitions=["2025-11"]).success
        events, orders = made.rows("commerce/events"), made.rows("commerce/orders")
        came, counted = made.balance("commerce/events")
        assert came == counted > events.height, "an event that was told twice is superseded, not lost"
        assert made.store("commerce/events").envelopes().is_empty()
        assert set(events["order_id"].drop_nulls()) == set(orders["order_id"])
