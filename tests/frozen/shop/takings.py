"""What each month took, made from an Iceberg table into another."""

import polars as pl

from platform_core.contracts import DataFrameModel, Dataset, Field, Iceberg


class Takings(DataFrameModel):
    """One row per kind of fruit."""

    sku: str
    euros: float = Field(ge=0)


takings = Dataset("shop/takings", Takings, owner="team:shop", version="1.0.0", key=("sku",), store=Iceberg())


@takings.transform
def build(sales: pl.LazyFrame) -> pl.LazyFrame:
    return sales.group_by("sku").agg(pl.col("price").sum().alias("euros"))
