"""What commerce means by its words."""

from platform_core.contracts import Term

revenue = Term(
    "Revenue",
    "What customers paid for orders that were not returned, in euro cents.",
    columns=("commerce/daily_revenue.revenue_cents", "commerce/orders.total_cents"),
    owner="team:commerce",
    synonyms=("turnover", "sales"),
)

customer = Term(
    "Customer",
    "A person or company that has an account, whether it ever ordered or not.",
    columns=("commerce/customers.customer_id", "commerce/orders.customer_id"),
    owner="team:commerce",
)
