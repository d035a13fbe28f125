"""What each country's customers paid a day, computed with pandas."""

import pandas as pd

from platform_core.contracts import DataFrameModel, Dataset, Day, Field, balance, col, expression


class DailyRevenue(DataFrameModel):
    """One row per day and country with an order that was not returned."""

    day: Day = Field(description="Day of the order, UTC")
    country: str = Field(isin=["DE", "ES", "FR", "IT", "NL", "PL"], description="Country of the customer, ISO 3166")
    orders: int = Field(ge=1, description="Orders that were not returned")
    revenue_cents: int = Field(gt=0, unit="euro cents", description="What they paid together")


daily_revenue = Dataset(
    "commerce/daily_revenue",
    DailyRevenue,
    owner="team:commerce",
    version="1.0.1",
    tags=("mart",),
    key=("day", "country"),
    rules=[
        expression(
            "revenue_covers_orders", col("revenue_cents") >= col("orders"), label="every order pays at least a cent"
        ),
        balance(
            "revenue_is_what_orders_cost",
            "commerce/orders",
            by={"day": col("ordered_at").dt.date()},
            own=col("revenue_cents").sum(),
            theirs=col("total_cents").filter(col("status") != "returned").sum(),
            label="a day's revenue is what its orders cost",
        ),
        balance(
            "orders_counted_once",
            "commerce/orders",
            by={"day": col("ordered_at").dt.date()},
            own=col("orders").sum(),
            theirs=(col("status") != "returned").sum(),
            label="each order that was not returned counts once",
        ),
    ],
)


@daily_revenue.transform
def build(orders: pd.DataFrame, customers: pd.DataFrame) -> pd.DataFrame:
    """Revenue by day and country; returned orders do not count."""
    kept_orders = orders[orders["status"] != "returned"].merge(customers[["customer_id", "country"]], on="customer_id")
    by_day = kept_orders.assign(day=kept_orders["ordered_at"].dt.date).groupby(["day", "country"], as_index=False)
    return by_day.agg(orders=("order_id", "size"), revenue_cents=("total_cents", "sum"))
