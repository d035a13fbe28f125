"""Which datasets exist: every `Dataset` and `Transform` in the modules below a package, found by importing them.

Dagster is not imported here: declarations do not need it, and an asset written by hand has imported it already.
"""

import importlib
import importlib.util
import pkgutil
import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from platform_core import contracts
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
    """Return the catalog of all datasets declared below the package.

    Raises:
        ContractError: With every problem of every declaration.
        PackageNotFound: There is no such package.
    """
    modules = _modules(package)
    makers = {id(value): value for module in modules for value in vars(module).values() if isinstance(value, Transform)}
    strays = list(_strays(package, modules))
    try:
        catalog = catalog_of(_datasets(modules), makers.values())
    except ContractError as error:
        raise ContractError([*strays, *error.problems]) from error
    if strays:
        raise ContractError(strays)
    _refuse_synthetic(catalog)
    return catalog


def _strays(package: str, modules: Iterable[ModuleType]) -> Iterator[Problem]:
    """Datasets of one domain that are declared in the folder of another, where nobody looks for them."""
    folders: dict[int, set[str]] = {}
    datasets: dict[int, Dataset] = {}
    for module in modules:
        inner = module.__name__.removeprefix(package).strip(".").split(".")
        for dataset in _datasets([module]):
            datasets[id(dataset)] = dataset
            folders.setdefault(id(dataset), set()).add(inner[0] if len(inner) > 1 else "")
    for key, dataset in datasets.items():
        known = folders[key]
        if isinstance(dataset.name, str) and known.isdisjoint({"", dataset.domain}):
            folder = min(known)
            yield Problem(
                dataset.name, f"name {dataset.name!r}", f"is of the domain {dataset.domain!r}, and declared in the "
                f"folder {folder!r}.", f"call it '{folder}/{dataset.title}', or declare it in {dataset.domain}/.",
            )  # fmt: skip


def _refuse_synthetic(catalog: Catalog) -> None:
    """Refuse sections about generated rows that cannot be meant; the generator is loaded where there are any."""
    sections = [dataset for dataset in catalog.datasets.values() if dataset.synthetic is not None]
    if not sections:
        return
    from platform_core.synthetic.refinements import refinement_of  # noqa: PLC0415 - see above

    problems: list[Problem] = []
    for dataset in sections:
        try:
            refinement_of(dataset)
        except ContractError as error:
            problems += error.problems
    if problems:
        raise ContractError(problems)


def glossary(package: str, catalog: Catalog) -> tuple[Term, ...]:
    """Return the terms declared below the package, by name.

    Raises:
        ContractError: A term is declared twice, or is linked to a column that is not there.
    """
    modules = _modules(package)
    terms = {id(value): value for module in modules for value in vars(module).values() if isinstance(value, Term)}
    return glossary_of(terms.values(), catalog.datasets)


def by_hand(package: str) -> "list[dg.AssetsDefinition]":
    """Return the Dagster assets and checks written by hand beside the declarations."""
    modules = _modules(package)
    if "dagster" not in sys.modules:
        return []
    from dagster import AssetsDefinition  # noqa: PLC0415 - it is loaded, so a module may hold such an asset

    assets = {
        id(var): var
        for module in modules
        for var in vars(module).values()
        if isinstance(var, AssetsDefinition)  # checks too: AssetChecksDefinition is a subclass
    }
    return list(assets.values())


def _datasets(modules: Iterable[ModuleType]) -> list[Dataset]:
    datasets = (value for module in modules for value in _values(module) if isinstance(value, Dataset))
    return list({id(dataset): dataset for dataset in datasets}.values())


def _values(module: ModuleType) -> Iterator[object]:
    """Yield what a module names, and what its mappings and lists hold, for families of datasets declared in one go."""
    for value in vars(module).values():
        yield value
        if isinstance(value, dict):
            yield from value.values()
        elif isinstance(value, list | tuple):
            yield from value


def _modules(package: str) -> list[ModuleType]:
    """Import the package and the modules below it; one that cannot be imported hides no other's problems.

    Raises:
        ContractError: A module cannot be imported; with the problems of the datasets in the others.
        PackageNotFound: There is no such package.
    """
    modules = [_root(package)]
    paths = getattr(modules[0], "__path__", [])
    broken = [_folder_problem(package, folder) for path in paths for folder in _unmarked_folders(Path(path))]
    for module_info in pkgutil.walk_packages(paths, f"{package}.", onerror=lambda _: None):
        try:
            modules.append(importlib.import_module(module_info.name))
        except Exception as error:  # noqa: BLE001 - whatever a module raises is a problem of that module
            broken.append(_import_problem(module_info.name, error))
    if broken:
        declared = [problem for dataset in _datasets(modules) for problem in problems_in(dataset)]
        raise ContractError([*broken, *declared])
    return modules


def _unmarked_folders(root: Path) -> Iterator[Path]:
    """Yield the folders with modules that Python passes over, for they are no packages."""
    for folder in sorted(root.iterdir()):
        if not folder.is_dir() or folder.name.startswith((".", "__")):
            continue
        if (folder / "__init__.py").exists() and folder.name.isidentifier():
            yield from _unmarked_folders(folder)
        elif any(folder.glob("*.py")):
            yield folder


def _folder_problem(package: str, folder: Path) -> Problem:
    fix = f"put an empty {folder / '__init__.py'} there."
    if not folder.name.isidentifier():
        fix = f"call it {re.sub(r'[^0-9A-Za-z_]', '_', folder.name)!r}, with an __init__.py in it."
    return Problem(package, str(folder), "this folder holds modules, but is no package, so that none is found.", fix)


def _import_problem(name: str, error: Exception) -> Problem:
    """Return the problem of a module that raises as it is imported, with the last line of it that ran."""
    spec = importlib.util.find_spec(name)
    file = spec.origin if spec is not None and spec.origin else name
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    line = error.lineno if isinstance(error, SyntaxError) else next(reversed(lines), None)
    place = f"{file}, line {line}" if line else file
    return Problem(name, place, f"cannot be imported: {type(error).__name__}: {error}.", _fix_of(error))


def _fix_of(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return "correct the name, or install the package that has it."
    unknown = re.match(r"(\w+)\.__init__\(\) got an unexpected keyword argument", str(error))
    record = getattr(contracts, unknown.group(1), None) if unknown else None
    if record is not None and is_dataclass(record):
        return f"use some of {', '.join(field.name for field in fields(record) if field.init)}."
    return "correct that line."


def _root(package: str) -> ModuleType:
    """Import the package itself.

    Raises:
        ContractError: It raises as it is imported.
        PackageNotFound: There is none.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if package == missing or package.startswith(f"{missing}."):
            raise PackageNotFound(package, missing) from error
        raise ContractError([_import_problem(package, error)]) from error  # it is there, what it imports is not
    except Exception as error:
        raise ContractError([_import_problem(package, error)]) from error
