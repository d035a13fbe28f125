"""Which datasets exist: every `Dataset` and `Transform` in the modules below a package, found by importing them."""

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import dagster as dg

from platform_core.contracts import Catalog, Dataset, Transform, catalog_of


def discover(package: str) -> Catalog:
    """The catalog of all datasets declared below the package.

    Raises:
        ContractError: With every problem of every declaration.
        ModuleNotFoundError: There is no such package.
    """
    modules = list(_modules(package))
    datasets = {id(each): each for module in modules for each in vars(module).values() if isinstance(each, Dataset)}
    makers = {id(each): each for module in modules for each in vars(module).values() if isinstance(each, Transform)}
    return catalog_of(datasets.values(), makers.values())


def by_hand(package: str) -> list[dg.AssetsDefinition]:
    """The Dagster assets and checks written by hand beside the declarations."""
    found = {
        id(each): each
        for module in _modules(package)
        for each in vars(module).values()
        if isinstance(each, dg.AssetsDefinition)  # checks too: AssetChecksDefinition is a subclass
    }
    return list(found.values())


def _modules(package: str) -> Iterator[ModuleType]:
    root = importlib.import_module(package)
    yield root
    for found in pkgutil.walk_packages(getattr(root, "__path__", []), f"{package}."):
        yield importlib.import_module(found.name)
