"""dbt models as assets beside the datasets they read: declared from a cached outline, built in one step."""

from platform_assets.factory.dbt.assets import build_dbt_assets

__all__ = ["build_dbt_assets"]
