"""What visitors did on the shop's pages, by month."""

from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Delta,
    Field,
    Generated,
    Quarantine,
    UtcTimestamp,
    col,
    complete,
    expression,
    monthly,
)


class Events(DataFrameModel):
    """One row per thing a visitor did."""

    event_id: str = Field(str_matches=r"^[0-9a-f]{16}$", description="Made by the browser")
    kind: str = Field(isin=["view", "search", "basket", "checkout"], description="What was done")
    customer_id: str = Field(
        nullable=True, references="commerce/customers.customer_id", coverage=0.95, description="Who, where signed in"
    )
    product_id: str = Field(nullable=True, references="commerce/products.product_id", description="The page's product")
    ip_address: str = Field(pii="ip_address", description="From where")
    duration_ms: int = Field(ge=0, le=3_600_000, unit="milliseconds", description="Time on the page")
    occurred_at: UtcTimestamp = Field(description="When")


events = Dataset(
    "commerce/events",
    Events,
    owner="team:commerce",
    version="1.0.0",
    key=("event_id",),
    source=Generated(rows=3_000, seed=4),
    partitions=monthly("2024-01", on="occurred_at"),
    store=Delta(mode="merge"),
    rules=[
        complete("customer_id", at_least=0.50),
        expression(
            "search_has_no_product",
            (col("kind") != "search") | col("product_id").is_null(),
            label="a search is on no product's page",
        ),
    ],
    quarantine=Quarantine(),
)
