"""What each shop is to sell: an asset written by hand, with the checks of a contract."""

import dagster as dg
import polars as pl

from platform_assets.factory import checks_for
from platform_core.contracts import DataFrameModel, Field


class Targets(DataFrameModel):
    """One row per shop."""

    shop: str = Field(unique=True)
    target_cents: int = Field(gt=0, unit="euro cents")


@dg.asset(key=["shop", "targets"], group_name="shop")
def targets() -> pl.DataFrame:
    """What each shop is to sell this year."""
    return pl.DataFrame({"shop": ["harbour", "market"], "target_cents": [900_000, -1]})


target_checks = checks_for(Targets, asset=["shop", "targets"])
