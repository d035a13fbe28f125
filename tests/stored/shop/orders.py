"""Orders, as the shop's database has them."""

from decimal import Decimal
from typing import Annotated

import polars as pl

from platform_core.contracts import Database, DataFrameModel, Dataset, Delta, Field, Quarantine, UtcTimestamp, monthly


class Orders(DataFrameModel):
    """One row per order."""

    id: int = Field(gt=0)
    amount: Annotated[pl.Decimal, 12, 2] = Field(ge=Decimal(0))
    at: UtcTimestamp
    note: str = Field(nullable=True)
    paid: bool = Field(nullable=True)


orders = Dataset(
    "shop/orders",
    Orders,
    owner="team:shop",
    version="1.0.0",
    key=("id",),
    source=Database("shop", table="orders", cursor="at", key=("id",), zone="UTC"),
    partitions=monthly("2024-01", on="at"),
    store=Delta(mode="merge"),
    quarantine=Quarantine(),
)
