"""What was paid for orders, and what was given back."""

from platform_assets.domains.commerce.world import SHOP
from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Delta,
    Field,
    Quarantine,
    UtcTimestamp,
    balance,
    col,
    expression,
)


class Payments(DataFrameModel):
    """One row per attempt to charge or to refund an order."""

    payment_id: str = Field(str_matches=r"^Y[0-9]{9}$", description="The payment's number")
    order_id: str = Field(references="commerce/orders.order_id", description="For which order")
    kind: str = Field(isin=["charge", "refund"], description="Which way the money went")
    method: str = Field(isin=["card", "wallet", "transfer"], description="How it was paid")
    state: str = Field(isin=["failed", "settled"], description="Whether it went through")
    amount_cents: int = Field(ge=-10_000_000, le=10_000_000, unit="euro cents", description="Below zero: given back")
    paid_at: UtcTimestamp = Field(description="When")


payments = Dataset(
    "commerce/payments",
    Payments,
    owner="team:commerce",
    version="1.0.1",
    tags=("core",),
    key=("payment_id",),
    source=SHOP,
    store=Delta(mode="merge"),
    rules=[
        expression(
            "refunds_are_below_zero",
            (col("kind") == "refund") == (col("amount_cents") < 0),
            label="what is given back is below zero, what is charged is not",
        ),
        expression("amount_is_not_zero", "amount_cents <> 0", label="a payment moves money"),
        balance(
            "charges_settle_orders",
            "commerce/orders",
            by=["order_id"],
            own=col("amount_cents").filter(col("kind") == "charge", col("state") == "settled").sum(),
            theirs=col("total_cents").sum(),
            label="what was charged for an order is what it costs",
        ),
        balance(
            "refunds_are_of_returns",
            "commerce/orders",
            by=["order_id"],
            own=-col("amount_cents").filter(col("kind") == "refund", col("state") == "settled").sum(),
            theirs=col("total_cents").filter(col("status") == "returned").sum(),
            label="what was given back is what returned orders cost",
        ),
    ],
    quarantine=Quarantine(),
)
