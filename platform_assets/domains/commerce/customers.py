"""Customers, with personal data of five classes."""

from platform_assets.domains.commerce.world import SHOP
from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Day,
    Delta,
    Field,
    Quarantine,
    UtcTimestamp,
    complete,
)


class Customers(DataFrameModel):
    """One row per customer account."""

    customer_id: str = Field(str_matches=r"^C[0-9]{6}$", description="The account's number")
    name: str = Field(pii="name", str_length={"min_value": 1, "max_value": 200}, description="Full name")
    email: str = Field(
        pii="email", unique=True, str_matches=r"^[^@\s]+@[^@\s]+\.[a-z]+$", description="Where receipts are sent"
    )
    phone: str = Field(pii="phone", nullable=True, description="Mobile phone")
    address: str = Field(pii="address", nullable=True, description="Where parcels are sent")
    birth_date: Day = Field(pii="birth_date", nullable=True, description="Day of birth")
    country: str = Field(isin=["DE", "ES", "FR", "IT", "NL", "PL"], description="Country of residence, ISO 3166")
    signed_up_at: UtcTimestamp = Field(description="When the account was opened")


customers = Dataset(
    "commerce/customers",
    Customers,
    owner="team:commerce",
    version="1.0.0",
    tags=("core", "personal"),
    key=("customer_id",),
    schedule="0 6 * * *",
    source=SHOP,
    store=Delta(mode="merge"),
    rules=[complete("phone", at_least=0.60)],
    quarantine=Quarantine(),
)
