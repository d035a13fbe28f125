"""What is stale is found by partition, and made in stretches that adjoin."""

import dagster as dg

from platform_assets.operations.catch_up import planned_runs, stale_runs
from tests.world import World, sales


def planned(shop: World) -> list[tuple[set[str], str | None, str | None]]:
    ends = [f"dagster/asset_partition_range_{end}" for end in ("start", "end")]
    return [
        ({key.to_user_string() for key in run.keys}, *(run.tags.get(end) for end in ends))
        for run in stale_runs(shop.location, shop.instance)
    ]


def test_a_month_that_was_made_again_stays_stale_below_until_it_is_made_there_too(shop: World) -> None:
    shop.land("shop/sales-a.parquet", sales((1, "apple", 1.0), month=3))
    shop.catch_up()
    assert shop.materialise("shop/sales", partitions=["2024-03"]).success
    shop.land("shop/sales-b.parquet", sales((2, "pear", 2.0), month=5))
    assert shop.materialise("shop/sales", "shop/takings", partitions=["2024-05"]).success
    assert planned(shop) == [({"shop/takings"}, "2024-03", "2024-03")]
    shop.catch_up()
    assert planned(shop) == []


def test_months_that_do_not_adjoin_are_made_alone(shop: World) -> None:
    shop.land("shop/sales-a.parquet", sales((1, "apple", 1.0), month=2))
    shop.land("shop/sales-b.parquet", sales((2, "pear", 2.0), month=7))
    both = {"shop/sales", "shop/takings"}
    assert planned(shop) == [(both, "2024-02", "2024-02"), (both, "2024-07", "2024-07")]
    shop.catch_up()
    assert planned(shop) == []
    assert shop.rows("shop/takings").height == 2


def test_a_file_over_two_months_is_taken_in_once(shop: World) -> None:
    shop.land("shop/sales-a.parquet", sales((1, "apple", 1.0), month=2).vstack(sales((2, "pear", 2.0), month=7)))
    assert planned(shop) == [({"shop/sales", "shop/takings"}, "2024-02", "2024-07")]


def test_what_one_step_makes_several_of_waits_for_all_that_may_go_before():
    """Each run with models starts dbt, which takes seconds."""
    months, days = dg.MonthlyPartitionsDefinition("2024-01-01"), dg.DailyPartitionsDefinition("2024-01-01")

    @dg.multi_asset(
        specs=[
            dg.AssetSpec("model_of_stations", deps=["stations"]),
            dg.AssetSpec("model_of_trips", deps=["trips", "model_of_stations"]),
            dg.AssetSpec("model_of_answers", deps=["answers"]),
        ],
        can_subset=True,
    )
    def models():
        pass

    parts = {"trips": months, "daily": days}
    above = {"stations": [], "trips": ["stations"], "daily": ["trips"], "answers": ["model_of_trips"]}
    assets = [
        dg.AssetsDefinition.from_op(
            dg.op(name=name, ins={dep: dg.In(dg.Nothing) for dep in deps})(lambda: None), partitions_def=parts.get(name)
        )
        for name, deps in above.items()
    ]
    graph = dg.Definitions(assets=[*assets, models]).resolve_asset_graph()
    stale = {key: {"2024-01-01"} if key.path[-1] in parts else set() for key in graph.materializable_asset_keys}
    assert [[key.to_user_string() for key in run.keys] for run in planned_runs(stale, [], graph)] == [
        ["stations", "trips"],
        ["daily", "model_of_stations", "model_of_trips", "answers", "model_of_answers"],
    ]
