"""Orders, one product each, by month."""

from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Delta,
    Field,
    Generated,
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
    product_id: str = Field(references="commerce/products.product_id", description="What was ordered")
    quantity: int = Field(ge=1, le=20, unit="pieces", description="How many")
    unit_price_cents: int = Field(gt=0, le=50_000, unit="euro cents", description="Price of one on that day")
    total_cents: int = Field(gt=0, unit="euro cents", description="What was paid")
    status: str = Field(isin=["paid", "shipped", "returned"], description="How far the order is")
    ordered_at: UtcTimestamp = Field(description="When it was placed")
    shipped_at: UtcTimestamp = Field(nullable=True, description="When it left the warehouse; null before")


orders = Dataset(
    "commerce/orders",
    Orders,
    owner="team:commerce",
    version="1.0.0",
    tags=("core",),
    key=("order_id",),
    source=Generated(rows=1_200, seed=3),
    partitions=monthly("2024-01", on="ordered_at"),
    store=Delta(mode="merge"),
    rules=[
        expression(
            "total_is_price_times_quantity",
            col("total_cents") == col("unit_price_cents") * col("quantity"),
            label="what was paid is price times quantity",
        ),
        expression("shipped_after_ordered", "shipped_at >= ordered_at", label="nothing ships before it is ordered"),
        expression("paid_is_not_shipped", (col("status") != "paid") | col("shipped_at").is_null()),
        volume(at_least=10),
    ],
    quarantine=Quarantine(),
)
