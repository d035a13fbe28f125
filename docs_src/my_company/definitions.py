"""The code location of my company."""

from platform_assets.composition import build_definitions
from platform_resources.settings import Settings

defs = build_definitions("my_company.domains", Settings.from_environment())
