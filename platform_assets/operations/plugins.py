"""Functions of other packages, found by entry points: generators of columns, and measures of drawn rows."""

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

GENERATORS = "dagster_asset_platform.generators"
"""From a NumPy generator, the number of the first row and a number of rows to a Polars series."""
METRICS = "dagster_asset_platform.metrics"
"""From the rows learnt and the rows drawn to a number, for the page of `platform synth fit --report`."""


def load_plugins(group: str) -> dict[str, Callable[..., Any]]:
    """Load every function that an installed package offers in a group, by its name there."""
    return {found.name: found.load() for found in entry_points(group=group)}
