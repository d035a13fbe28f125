"""Which datasets exist: every `Dataset` and `Transform` in the modules below a package, found by importing them.

Dagster is not imported here: declarations do not need it, and an asset written by hand has imported it already.
"""

import importlib
import importlib.util
import pkgutil
import sys
import traceback
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

from platform_core.contracts import Catalog, Dataset, Term, Transform, catalog_of
from platform_core.contracts.glossary import glossary_of
from platform_core.contracts.problems import problems_in
from platform_core.errors import ContractError, CoreError, Problem

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
    broken: list[Problem] = []
    modules = list(_modules(package, broken))
    datasets = {id(each): each for module in modules for each in _values(module) if isinstance(each, Dataset)}
    makers = {id(each): each for module in modules for each in vars(module).values() if isinstance(each, Transform)}
    if not broken:
        return catalog_of(datasets.values(), makers.values())
    raise ContractError([*broken, *(each for dataset in datasets.values() for each in problems_in(dataset))])


def glossary(package: str, catalog: Catalog) -> tuple[Term, ...]:
    """Return the terms declared below the package, by name.

    Raises:
        ContractError: A term is declared twice, or is linked to a column that is not there.
    """
    terms = {id(each): each for module in _modules(package) for each in vars(module).values() if isinstance(each, Term)}
    return glossary_of(terms.values(), catalog.datasets)


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


def _values(module: ModuleType) -> Iterator[object]:
    """Yield what a module names, and what its mappings and lists hold, for families of datasets declared in one go."""
    for value in vars(module).values():
        yield value
        if isinstance(value, dict):
            yield from value.values()
        elif isinstance(value, list | tuple):
            yield from value


def _modules(package: str, broken: list[Problem] | None = None) -> Iterator[ModuleType]:
    """The modules below a package; one that cannot be imported is noted in `broken`, where that is given."""
    root = _root(package)
    yield root
    for found in pkgutil.walk_packages(getattr(root, "__path__", []), f"{package}.", onerror=lambda _: None):
        try:
            yield importlib.import_module(found.name)
        except Exception as error:
            if broken is None:
                raise
            broken.append(_import_problem(found.name, error))


def _import_problem(name: str, error: Exception) -> Problem:
    """The problem of a module that raises as it is imported, with the last line of it that ran."""
    spec = importlib.util.find_spec(name)
    file = spec.origin if spec is not None and spec.origin else name
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    line = error.lineno if isinstance(error, SyntaxError) else next(reversed(lines), None)
    place = f"{file}, line {line}" if line else file
    return Problem(name, place, f"cannot be imported: {type(error).__name__}: {error}.", "correct that line.")


def _root(package: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if package == missing or package.startswith(f"{missing}."):
            raise PackageNotFound(package, missing) from error
        raise  # it is there, and something that it imports is not
