"""Tickets, read from the support desk's own database as they are opened and changed."""

from platform_core.contracts import (
    Database,
    DataFrameModel,
    Dataset,
    Delta,
    Field,
    Quarantine,
    UtcTimestamp,
    compare,
)


class Tickets(DataFrameModel):
    """One row per ticket, as it stands now."""

    ticket_id: int = Field(gt=0, description="The desk's number")
    channel: str = Field(isin=["mail", "chat", "phone"], description="How it came in")
    priority: int = Field(ge=1, le=4, description="1 is the most urgent")
    status: str = Field(isin=["open", "waiting", "closed"], description="Where it stands")
    opened_at: UtcTimestamp = Field(description="When it came in")
    closed_at: UtcTimestamp = Field(nullable=True, description="When it was closed; null before")
    updated_at: UtcTimestamp = Field(description="When anything of it was changed last")


tickets = Dataset(
    "support/tickets",
    Tickets,
    owner="team:support",
    version="1.0.0",
    key=("ticket_id",),
    source=Database("support", table="tickets", cursor="updated_at", key=("ticket_id",), zone="UTC"),
    store=Delta(mode="merge"),
    rules=[compare("closed_at", ">=", "opened_at")],
    quarantine=Quarantine(),
)
