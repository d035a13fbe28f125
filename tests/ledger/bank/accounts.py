"""Accounts as the database has them, in Delta and in Iceberg."""

from decimal import Decimal
from typing import Annotated

import polars as pl

from platform_core.contracts import Changes, DataFrameModel, Dataset, Delta, Field, Iceberg, Quarantine, UtcTimestamp


class Accounts(DataFrameModel):
    """One row per account."""

    id: int = Field(gt=0)
    owner: str = Field(nullable=True)
    balance: Annotated[pl.Decimal, 12, 2] = Field(nullable=True, ge=Decimal(-1000))
    at: UtcTimestamp = Field(nullable=True)


def _accounts(name: str, store: Delta | Iceberg) -> Dataset:
    return Dataset(
        f"bank/{name}",
        Accounts,
        owner="team:bank",
        version="1.0.0",
        key=("id",),
        source=Changes(f"bank.{name}"),
        store=store,
        quarantine=Quarantine(),
    )


accounts = _accounts("accounts", Delta(mode="merge"))
iceberg_accounts = _accounts("iceberg_accounts", Iceberg(mode="merge"))
