"""Trips, as the rental company sends them."""

from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Delta,
    Field,
    Files,
    Quarantine,
    UtcTimestamp,
    complete,
    monthly,
)


class Trips(DataFrameModel):
    """One row per trip on a rental bike."""

    trip: str = Field(str_matches=r"^T[0-9]{4}$", description="The trip's number")
    station: str = Field(isin=["harbour", "market", "park"], description="Where the bike was taken")
    started_at: UtcTimestamp = Field(description="When it was taken")
    minutes: int = Field(gt=0, le=1440, unit="minutes", description="How long it was away")
    rider: str = Field(nullable=True, pii="email", description="Who rode, where it is known")


trips = Dataset(
    "bikes/trips",
    Trips,
    owner="team:mobility",
    version="1.0.0",
    key=("trip",),
    source=Files("trips-*.csv"),
    partitions=monthly("2024-05", on="started_at"),
    store=Delta(mode="merge"),
    rules=[complete("rider", at_least=0.5)],
    quarantine=Quarantine(),
)
