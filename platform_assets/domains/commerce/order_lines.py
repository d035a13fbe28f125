"""What was ordered: the lines of orders."""

from platform_assets.domains.commerce.world import SHOP
from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Quarantine, balance, col, expression, unique


class OrderLines(DataFrameModel):
    """One row per product of an order."""

    order_id: str = Field(references="commerce/orders.order_id", description="The order")
    line_number: int = Field(ge=1, le=99, description="Its place in the order, from 1")
    product_id: str = Field(references="commerce/products.product_id", description="What was ordered")
    quantity: int = Field(ge=1, le=20, unit="pieces", description="How many")
    unit_price_cents: int = Field(gt=0, le=50_000, unit="euro cents", description="Price of one on that day")
    line_cents: int = Field(gt=0, unit="euro cents", description="What the line costs")


order_lines = Dataset(
    "commerce/order_lines",
    OrderLines,
    owner="team:commerce",
    version="1.0.1",
    tags=("core",),
    key=("order_id", "line_number"),
    source=SHOP,
    store=Delta(mode="merge"),
    rules=[
        expression(
            "line_is_price_times_quantity",
            col("line_cents") == col("unit_price_cents") * col("quantity"),
            label="a line costs price times quantity",
        ),
        unique("order_id", "product_id"),
        balance(
            "lines_make_the_total",
            "commerce/orders",
            by=["order_id"],
            own=col("line_cents").sum(),
            theirs=col("total_cents").sum(),
            label="an order costs what its lines cost together",
        ),
    ],
    quarantine=Quarantine(),
)
