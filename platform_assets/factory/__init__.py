"""Contract to Dagster: assets, checks, quarantine. Logic about data lives in the core, the world in the resources."""

from platform_assets.factory.asset_keys import asset_key
from platform_assets.factory.assets import asset_for
from platform_assets.factory.checks import checks_for

__all__ = ["asset_for", "asset_key", "checks_for"]
