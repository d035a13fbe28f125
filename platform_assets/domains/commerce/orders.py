"""Orders, by month; what was ordered are their lines."""

from platform_assets.domains.commerce.world import SHOP
from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Delta,
    Field,
    Quarantine,
    UtcTimestamp,
    col,
    expression,
    monthly,
    volume,
)


class Orders(DataFrameModel):
    """One row per order."""

    order_id: str = Field(str_matches=r"^O[0-9]{8}$", description="The order's number")
    customer_id: str = Field(references="commerce/customers.customer_id", description="Who ordered")
    status: str = Field(isin=["paid", "shipped", "returned"], description="How far the order is")
    ordered_at: UtcTimestamp = Field(description="When it was placed")
    shipped_at: UtcTimestamp = Field(nullable=True, description="When it left the warehouse; null before")
    total_cents: int = Field(gt=0, le=10_000_000, unit="euro cents", description="What its lines cost together")


orders = Dataset(
    "commerce/orders",
    Orders,
    owner="team:commerce",
    version="2.0.0",
    tags=("core",),
    key=("order_id",),
    source=SHOP,
    partitions=monthly("2024-01", on="ordered_at"),
    store=Delta(mode="merge"),
    rules=[
        expression("shipped_after_ordered", "shipped_at >= ordered_at", label="nothing ships before it is ordered"),
        expression(
            "shipped_once_it_left",
            (col("status") == "paid") == col("shipped_at").is_null(),
            label="an order that is paid waits, any other one has left",
        ),
        volume(at_least=1),
    ],
    quarantine=Quarantine(),
)
