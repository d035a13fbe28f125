"""The code location of this package."""

from platform_assets.composition import build_definitions

defs = build_definitions("tests.journeys.written_s3.uploads")
