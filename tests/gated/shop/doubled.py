"""Twice the ledger, in Polars."""

import polars as pl

from platform_core.contracts import DataFrameModel, Dataset, Delta


class Doubled(DataFrameModel):
    """One row per line."""

    line: int
    amount: float


doubled = Dataset(
    "shop/doubled", Doubled, owner="team:shop", version="1.0.0", key=("line",), store=Delta(mode="overwrite")
)


@doubled.transform
def build(ledger: pl.LazyFrame) -> pl.LazyFrame:
    """Twice each amount."""
    return ledger.select("line", pl.col("amount") * 2)
