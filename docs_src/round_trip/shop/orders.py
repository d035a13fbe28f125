"""Orders, as the shop's application has them."""

from platform_core.contracts import Database, DataFrameModel, Dataset, Delta, Field, Quarantine, UtcTimestamp


class Orders(DataFrameModel):
    """One row per order."""

    id: int = Field(gt=0)
    country: str = Field(isin=["DE", "FR", "IT"])
    amount: float = Field(ge=0, unit="EUR")
    updated_at: UtcTimestamp


orders = Dataset(
    "shop/orders",
    Orders,
    owner="team:shop",
    version="1.0.0",
    key=("id",),
    source=Database("shop", table="orders", cursor="updated_at", key=("id",), zone="UTC"),
    store=Delta(mode="merge"),
    quarantine=Quarantine(),
)
