"""Ledger lines land as files; one bad row writes nothing."""

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Files


class Ledger(DataFrameModel):
    """One row per line."""

    line: int = Field(gt=0)
    amount: float


ledger = Dataset(
    "shop/ledger",
    Ledger,
    owner="team:shop",
    version="1.0.0",
    key=("line",),
    source=Files("ledger*.csv"),
    store=Delta(mode="merge"),
)
