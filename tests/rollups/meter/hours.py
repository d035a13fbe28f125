"""Hourly readings land as files, from the middle of a month on."""

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Files, Quarantine, UtcTimestamp, hourly


class Hours(DataFrameModel):
    """One row per reading."""

    at: UtcTimestamp
    used: float = Field(ge=0)


hours = Dataset(
    "meter/hours",
    Hours,
    owner="team:meter",
    version="1.0.0",
    key=("at",),
    source=Files("hours-*.csv"),
    partitions=hourly("2026-01-15-06:00", on="at"),
    store=Delta(mode="merge"),
    quarantine=Quarantine(),
)
