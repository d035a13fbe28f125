"""Sales land as files; bad rows go to quarantine."""

from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Delta,
    Field,
    Files,
    Quarantine,
    UtcTimestamp,
    monthly,
    volume,
)  # fmt: skip


class Sales(DataFrameModel):
    """One row per sale."""

    sale: int = Field(gt=0)
    sku: str = Field(isin=["apple", "pear"])
    price: float = Field(nullable=True, ge=0)
    buyer: str = Field(nullable=True, pii="email")
    at: UtcTimestamp


sales = Dataset(
    "shop/sales",
    Sales,
    owner="team:shop",
    version="1.0.0",
    key=("sale", "at"),
    source=Files("sales-*"),
    partitions=monthly("2024-01", on="at"),
    store=Delta(mode="merge"),
    rules=[volume(at_least=2)],
    quarantine=Quarantine(awaits_future=True),
)
