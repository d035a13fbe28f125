"""Takings come as files, and promise to be readable at once, which nothing can keep."""

from datetime import timedelta

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Files, Sla


class Takings(DataFrameModel):
    """One row per till and day."""

    till: int = Field(ge=0)
    amount: float


takings = Dataset(
    "till/takings", Takings, owner="team:till", version="1.0.0", key=("till",), source=Files("takings-*.csv"),
    store=Delta(mode="merge"),
    freshness=timedelta(hours=24), sla=Sla(availability=0.99, latency=timedelta(microseconds=1), throughput=10),
)  # fmt: skip
