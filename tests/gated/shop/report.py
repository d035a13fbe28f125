"""An asset by hand that reads a mart."""

import dagster as dg
import polars as pl


@dg.asset(key_prefix="shop", ins={"mart": dg.AssetIn(["shop", "after"])})
def report(mart: pl.DataFrame) -> pl.DataFrame:
    """Count the mart's rows."""
    return mart.select(pl.len().alias("rows"))
