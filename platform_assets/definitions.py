"""The reference code location: the datasets of `platform_assets.domains` and the dbt project over them."""

from pathlib import Path

from platform_assets.composition import build_location

DBT = Path(__file__).parents[1] / "dbt"
"""The dbt project beside the packages; without it the datasets that its models make are refused."""

location = build_location("platform_assets.domains", dbt=DBT)
defs = location.defs
