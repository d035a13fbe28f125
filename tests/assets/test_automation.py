"""What starts by itself: derived datasets follow their inputs, schedules tick, failed runs are told."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from tests.world import World, sales, world


def requested(shop: World, cursor: object = None) -> tuple[set[tuple[str, str | None]], object]:
    """The assets and partitions that conditions ask for now, and the cursor after it."""
    result = dg.evaluate_automation_conditions(shop.location.defs, instance=shop.instance, cursor=cursor)
    asked = {
        (subset.key.to_user_string(), partition)
        for each in result.results
        for subset in [each.true_subset]
        for partition in (subset.expensively_compute_partition_keys() if subset.is_partitioned else {None})
        if not subset.is_empty
    }
    return asked, result.cursor


def test_a_derived_month_follows_its_input_though_other_months_are_missing(shop: World) -> None:
    nothing, cursor = requested(shop)
    shop.land("shop/sales-a.parquet", sales((1, "apple", 1.0), (2, "pear", 2.0), month=3))
    assert shop.materialise("shop/sales", partitions=["2024-03"]).success
    asked, cursor = requested(shop, cursor)
    again, _ = requested(shop, cursor)
    assert (nothing, asked) == (set(), {("shop/takings", "2024-03")})
    assert again == set()


def test_nothing_follows_when_the_derived_month_was_made_in_the_same_run(shop: World) -> None:
    _, cursor = requested(shop)
    shop.land("shop/sales-a.parquet", sales((1, "apple", 1.0), (2, "pear", 2.0)))
    shop.catch_up()
    assert requested(shop, cursor)[0] == set()


def test_every_dataset_with_a_cron_line_has_a_schedule(tmp_path: Path) -> None:
    with world(tmp_path, "platform_assets.domains.commerce") as made:
        schedule = made.location.defs.resolve_schedule_def("commerce_customers_schedule")
        context = dg.build_schedule_context(made.instance, datetime(2024, 5, 1, 6, tzinfo=UTC))
        tick = schedule.evaluate_tick(context)
        assert (schedule.cron_schedule, len(tick.run_requests)) == ("0 6 * * *", 1)


@pytest.mark.parametrize("variable", ["PLATFORM_LAEK", "PLATFORM_ENVIRONMENT"])
def test_a_setting_that_cannot_be_is_refused_by_name(tmp_path: Path, variable: str) -> None:
    with pytest.raises(Exception, match=variable), world(tmp_path, **{variable: "nonsense"}):
        pass
