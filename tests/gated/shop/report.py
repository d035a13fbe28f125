"""Assets by hand that read a mart: loaded, only depended on, and by a graph of two steps."""

from collections.abc import Iterator

import dagster as dg
import polars as pl


@dg.asset(key_prefix="shop", ins={"mart": dg.AssetIn(["shop", "after"])})
def report(mart: pl.DataFrame) -> pl.DataFrame:
    """Count the mart's rows."""
    return mart.select(pl.len().alias("rows"))


@dg.asset(key_prefix="shop", deps=[dg.AssetKey(["shop", "after"])])
async def letter() -> None:
    """Depend on the mart, and load it by other means."""


@dg.multi_asset(
    specs=[dg.AssetSpec(["shop", "posted"], deps=[["shop", "after"]]), dg.AssetSpec(["shop", "filed"])], can_subset=True
)
def mail(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    """Make what the run selects, of which one thing depends on the mart."""
    for key in context.selected_asset_keys:
        yield dg.MaterializeResult(key)


@dg.op
def counted(mart: pl.DataFrame) -> int:
    """Count rows."""
    return mart.height


@dg.graph_asset(key_prefix="shop", ins={"mart": dg.AssetIn(["shop", "after"])})
def summary(mart: pl.DataFrame) -> int:
    """Count the mart's rows in a step of a graph."""
    return counted(mart)
