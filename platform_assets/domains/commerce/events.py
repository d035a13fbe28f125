"""What customers did in the shop, by month: in sessions, some told late, some told twice."""

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
)


class Events(DataFrameModel):
    """One row per thing a customer did."""

    event_id: str = Field(str_matches=r"^E[0-9]{15}$", description="Made by the browser")
    session_id: str = Field(str_matches=r"^S[0-9]{12}$", description="What was done without a long pause")
    kind: str = Field(isin=["page_view", "click", "purchase", "sign_up", "log_out"], description="What was done")
    customer_id: str = Field(references="commerce/customers.customer_id", description="Who")
    product_id: str = Field(nullable=True, references="commerce/products.product_id", description="The page's product")
    order_id: str = Field(nullable=True, references="commerce/orders.order_id", description="What a purchase became")
    occurred_at: UtcTimestamp = Field(description="When, by the browser's clock")
    received_at: UtcTimestamp = Field(description="When the shop heard of it")


events = Dataset(
    "commerce/events",
    Events,
    owner="team:commerce",
    version="2.0.0",
    key=("event_id",),
    newest="received_at",
    source=SHOP,
    partitions=monthly("2024-01", on="occurred_at"),
    store=Delta(mode="merge"),
    rules=[
        expression(
            "purchases_have_an_order",
            (col("kind") == "purchase") == col("order_id").is_not_null(),
            label="a purchase has an order, and nothing else has one",
        ),
        expression("received_after_occurred", "received_at >= occurred_at", label="nothing is told before it happens"),
    ],
    quarantine=Quarantine(),
)
