"""Receipts, as the tills send them."""

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Files


class Receipts(DataFrameModel):
    """One row per receipt."""

    receipt: int = Field(gt=0, description="Its number")
    total_cents: int = Field(ge=0, unit="euro cents", description="What was paid")


receipts = Dataset(
    "shop/receipts",
    Receipts,
    owner="team:shop",
    version="1.0.0",
    key=("receipt",),
    source=Files("receipts-*.csv"),
    store=Delta(mode="merge"),
)
