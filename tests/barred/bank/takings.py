"""Takings land as files; those of a month must not be below zero together."""

from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Day,
    Delta,
    Field,
    Files,
    Quarantine,
    col,
    measure,
    monthly,
)  # fmt: skip


class Takings(DataFrameModel):
    """One row per line."""

    line: int = Field(gt=0)
    day: Day
    amount: float


takings = Dataset(
    "bank/takings",
    Takings,
    owner="team:bank",
    version="1.0.0",
    key=("line",),
    source=Files("takings*.csv"),
    partitions=monthly("2024-01", on="day"),
    store=Delta(mode="merge"),
    quarantine=Quarantine(),
    rules=[measure("sum_of_month", col("amount").sum(), at_least=0, severity="error")],
)
