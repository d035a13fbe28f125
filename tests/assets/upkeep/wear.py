"""A shop whose tables were written to often, and runs of its upkeep."""

from datetime import timedelta
from typing import Any

import dagster as dg
import polars as pl

from platform_assets.ingest import table_spec
from platform_assets.operations.upkeep.asset import KEY, config
from platform_assets.operations.upkeep.tables import KeptTable, kept_tables
from tests.resources.storage.ages import age
from tests.world import World, sales

SALES = "shop/sales"
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def wear(shop: World, times: int = 9) -> None:
    """Gives the January of shop/sales a small file a time, and takes what was made from it up to date."""
    if not shop.location.lake.exists(table_spec(shop.dataset(SALES))):
        shop.land("shop/sales-a.parquet", sales((1, "apple", 5.0), (2, "pear", 9.0)))
        shop.catch_up()
    lake, spec = shop.location.lake, table_spec(shop.dataset(SALES))
    rows = lake.scan(spec).filter(pl.col("sale") <= 2).collect()
    known = lake.scan(spec).select(pl.col("sale").max()).collect().item()
    for each in range(times):
        lake.write(spec, rows.with_columns(pl.col("sale") + known + 2 * each))


def grow_old(shop: World, days: int) -> None:
    """Lets days pass for the table of shop/sales."""
    age(shop.location.lake, table_spec(shop.dataset(SALES)), timedelta(days=days))


def upkeep(shop: World, *, apply: bool, tables: tuple[str, ...] = (), **how: Any) -> dg.ExecuteInProcessResult:
    """A run of the upkeep asset."""
    job = shop.location.defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection={KEY})
    return job.execute_in_process(
        instance=how.pop("instance", shop.instance),
        run_config={**_QUIET, **config(apply=apply, tables=tables)},
        raise_on_error=False,
        **how,
    )


def told(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """What its materialisation says, as plain values."""
    (event,) = result.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def kept(shop: World) -> dict[str, KeptTable]:
    """The tables of the shop, by their paths."""
    assets = [each for each in shop.location.defs.assets or () if isinstance(each, dg.AssetsDefinition)]
    return {each.spec.path: each for each in kept_tables(shop.location.catalog, assets)}


def files(shop: World) -> int:
    """How many files shop/sales has."""
    return len(shop.location.lake.operations(table_spec(shop.dataset(SALES))).files())
