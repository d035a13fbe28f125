"""What such a company writes: one line."""

from platform_assets.composition import build_definitions

defs = build_definitions("tests.declared")
