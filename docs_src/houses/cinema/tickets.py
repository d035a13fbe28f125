"""Tickets, as the tills write them."""

from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Delta,
    Field,
    Files,
    Quarantine,
    UtcTimestamp,
    daily,
    references,
)


class Tickets(DataFrameModel):
    """One row per ticket."""

    house: str
    hall: int
    starts_at: UtcTimestamp = Field(description="Of the screening")
    seat: int = Field(ge=1)
    cents: int = Field(ge=0, unit="euro cents")


tickets = Dataset(
    "cinema/tickets",
    Tickets,
    owner="team:houses",
    version="1.0.0",
    key=("house", "hall", "starts_at", "seat"),
    source=Files("tickets-*.csv"),
    partitions=daily("2026-01-01", on="starts_at"),
    store=Delta(mode="merge"),
    rules=[references(("house", "hall", "starts_at"), "cinema/screenings")],
    quarantine=Quarantine(),
)
