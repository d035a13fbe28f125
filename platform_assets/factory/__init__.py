"""Contract to Dagster: assets, checks, quarantine. Logic about data lives in the core, the world in the resources."""

from platform_assets.factory.assets import asset_for
from platform_assets.factory.checks import checks_for
from platform_assets.factory.tables import asset_key, ingests_spec, quarantine_spec, table_spec

__all__ = ["asset_for", "asset_key", "checks_for", "ingests_spec", "quarantine_spec", "table_spec"]
