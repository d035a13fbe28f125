"""Accounts as the database has them and had them, in Delta and in Iceberg."""

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


class AccountHistory(Accounts):
    """One row per version of an account."""

    valid_from: UtcTimestamp
    valid_to: UtcTimestamp = Field(nullable=True)
    is_current: bool


def _account_history(name: str, store: Delta | Iceberg) -> Dataset:
    return Dataset(
        f"bank/{name}",
        AccountHistory,
        owner="team:bank",
        version="1.0.0",
        key=("id", "valid_from"),
        source=Changes(f"bank.{name}", history=True),
        store=store,
        quarantine=Quarantine(),
    )


account_history = _account_history("account_history", Delta(mode="merge"))
iceberg_account_history = _account_history("iceberg_account_history", Iceberg(mode="merge"))


def _live_accounts(name: str, topic: str) -> Dataset:
    return Dataset(
        f"bank/{name}",
        Accounts,
        owner="team:bank",
        version="1.0.0",
        key=("id",),
        source=Changes(topic, database="live", extra_columns="ignore"),
        store=Delta(mode="merge"),
        quarantine=Quarantine(),
    )


postgresql_accounts = _live_accounts("postgresql_accounts", "live.public.accounts")
mariadb_accounts = _live_accounts("mariadb_accounts", "live.shop.accounts")
