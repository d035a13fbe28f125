"""Sales by country, which the application reads from its own database."""

import polars as pl

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, ToDatabase


class Sales(DataFrameModel):
    """One row per country."""

    country: str
    orders: int = Field(ge=1)
    amount: float = Field(ge=0, unit="EUR")


sales = Dataset(
    "shop/sales",
    Sales,
    owner="team:shop",
    version="1.0.0",
    key=("country",),
    store=Delta(mode="overwrite"),
    publish=[ToDatabase("shop", table="sales")],
)


@sales.transform
def build(orders: pl.LazyFrame) -> pl.LazyFrame:
    """Add the orders of each country up."""
    return orders.group_by("country").agg(orders=pl.len().cast(pl.Int64), amount=pl.col("amount").sum())
