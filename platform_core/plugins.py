"""What other installed packages add, found by entry points: generators, validators, measures of quality and likeness.

A group names the kind of thing, an entry point its name there. A declaration or a recipe uses it by that name; nothing
is imported before somebody asks.
"""

from collections.abc import Callable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from platform_core.errors import CoreError

GENERATORS = "dagster_asset_platform.generators"
"""From a NumPy generator, the number of the first row and a number of rows to a Polars series."""

VALIDATORS = "dagster_asset_platform.validators"
"""A class derived from a family of `platform_core.rules`, a kind of rule that lists of rules name by its `kind`."""

QUALITY_METRICS = "dagster_asset_platform.quality_metrics"
"""From the rows of one partition and the dataset's name to a number, or None where it has nothing to say of them."""

LIKENESS = "dagster_asset_platform.metrics"
"""From the rows learnt and the rows drawn to a number, for the page of `platform synth fit --report`."""


class PluginError(CoreError):
    """What an installed package offers cannot be loaded, or is not what its group asks for."""

    def __init__(self, group: str, name: str, reason: str, fix: str) -> None:
        self.group, self.name, self.reason = group, name, reason
        super().__init__(f"entry point {name!r} of {group}: {reason} Fix: {fix}")


@cache
def load_plugins(group: str) -> dict[str, Callable[..., Any]]:
    """Load what installed packages offer in a group, by its name there.

    Raises:
        PluginError: Two packages offer one name, or one cannot be imported.
    """
    offered: dict[str, EntryPoint] = {}
    for entry_point in entry_points(group=group):
        other = offered.get(entry_point.name)
        if other is not None and other.value != entry_point.value:
            raise PluginError(group, entry_point.name, f"is offered as {other.value} and as {entry_point.value}.",
                              "uninstall one of the packages.")  # fmt: skip
        offered[entry_point.name] = entry_point
    return {name: _loaded(group, point) for name, point in offered.items()}


def _loaded(group: str, entry_point: EntryPoint) -> Callable[..., Any]:
    try:
        loaded = entry_point.load()
    except (ImportError, AttributeError) as error:
        raise PluginError(group, entry_point.name, f"{entry_point.value} cannot be imported: {error}.",
                          "mend its package, or uninstall it.") from error  # fmt: skip
    if not callable(loaded):
        raise PluginError(group, entry_point.name, f"{entry_point.value} is no function and no class.", "name one.")
    return loaded  # type: ignore[no-any-return]  # callable, as tested above
