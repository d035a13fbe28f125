"""Ledger lines land as files; their sum must not be below zero."""

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Files, Quarantine, col, measure


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
    quarantine=Quarantine(),
    rules=[measure("sum_of_all", col("amount").sum(), at_least=0, severity="error")],
)
