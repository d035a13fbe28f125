"""Which datasets exist: every `Dataset` and `Transform` in the modules below a package, found by importing them.

Dagster is not imported here: declarations do not need it, and an asset written by hand has imported it already.
"""

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

from platform_core.contracts import Catalog, Dataset, Transform, catalog_of
from platform_core.errors import CoreError

if TYPE_CHECKING:
    import dagster as dg


class PackageNotFound(CoreError):
    """A root below which datasets were to be found, and that Python does not know."""

    def __init__(self, package: str, missing: str) -> None:
        self.package, self.missing = package, missing
        super().__init__(
            f"package {package!r}: Python finds no {missing!r}. Fix: correct the name, install the package, or start "
            "from the folder that holds it with PYTHONPATH=. set."
        )


def discover(package: str) -> Catalog:
    """The catalog of all datasets declared below the package.

    Raises:
        ContractError: With every problem of every declaration.
        PackageNotFound: There is no such package.
    """
    modules = list(_modules(package))
    datasets = {id(each): each for module in modules for each in vars(module).values() if isinstance(each, Dataset)}
    makers = {id(each): each for module in modules for each in vars(module).values() if isinstance(each, Transform)}
    return catalog_of(datasets.values(), makers.values())


def by_hand(package: str) -> "list[dg.AssetsDefinition]":
    """The Dagster assets and checks written by hand beside the declarations."""
    modules = list(_modules(package))
    if "dagster" not in sys.modules:
        return []
    from dagster import AssetsDefinition  # noqa: PLC0415 - it is loaded, so a module may hold such an asset

    assets = {
        id(each): each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, AssetsDefinition)  # checks too: AssetChecksDefinition is a subclass
    }
    return list(assets.values())


def _modules(package: str) -> Iterator[ModuleType]:
    root = _root(package)
    yield root
    for found in pkgutil.walk_packages(getattr(root, "__path__", []), f"{package}."):
        yield importlib.import_module(found.name)


def _root(package: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if package == missing or package.startswith(f"{missing}."):
            raise PackageNotFound(package, missing) from error
        raise  # it is there, and something that it imports is not
