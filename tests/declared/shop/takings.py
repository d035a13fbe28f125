"""Takings by day, made in pandas."""

import pandas as pd

from platform_core.contracts import DataFrameModel, Dataset, Day, Delta, Field, col, measure, monthly


class Takings(DataFrameModel):
    """One row per day and sku."""

    day: Day
    sku: str = Field(isin=["apple", "pear"])
    total: float = Field(ge=0)


takings = Dataset(
    "shop/takings",
    Takings,
    owner="team:shop",
    version="1.0.0",
    key=("day", "sku"),
    partitions=monthly("2024-01", on="day"),
    store=Delta(mode="overwrite"),
    rules=[measure("total_of_all", col("total").sum(), at_least=10, over="table")],
)


@takings.transform
def build(sales: pd.DataFrame) -> pd.DataFrame:
    """The sum of prices by day and sku."""
    day = sales["at"].dt.tz_convert("UTC").dt.date
    sums = sales.assign(day=day).groupby(["day", "sku"], as_index=False)["price"].sum()
    return sums.rename(columns={"price": "total"})
