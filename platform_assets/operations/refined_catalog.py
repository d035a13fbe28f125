"""A catalog whose generated rows a recipe refines: its tables that bear the name of a dataset speak of that dataset."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from platform_assets.operations.errors import RequestError
from platform_core.contracts import Catalog
from platform_core.errors import ContractError, Problem
from platform_core.synthetic.refinements import merged, refinement_of

_SHAPE = "write synthetic_data: {tabular: {name: domain/dataset, num_rows: 1000, schema: [...]}}."


def read_document(path: Path) -> Any:
    """Read a recipe's YAML.

    Raises:
        RequestError: The file cannot be read, or is no YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequestError(
            f"{path}: cannot be read ({error.strerror}). Fix: name a YAML file with --recipe."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RequestError(f"{path}: is no YAML in UTF-8: {error}. Fix: correct it.") from error


def seed_of(document: Any) -> int:
    """Return the seed that a recipe asks for; 0 where it says none."""
    top = document.get("synthetic_data", document) if isinstance(document, Mapping) else {}
    seed = top.get("seed", 0) if isinstance(top, Mapping) else 0
    return seed if isinstance(seed, int) else 0


def refine_catalog(
    catalog: Catalog, document: Any, *, source: str, used: Collection[str] | None = None
) -> tuple[Catalog, dict[str, int]]:
    """Put a recipe over the catalog; return it, and how many rows of which dataset the recipe asks for.

    Args:
        catalog: What is declared.
        document: What the recipe says.
        source: What messages call the recipe.
        used: The datasets that a recipe may speak of; None for all.

    Raises:
        ContractError: With every word that cannot be meant.
    """
    top = document.get("synthetic_data", document) if isinstance(document, Mapping) else None
    listed = top.get("tabular") if isinstance(top, Mapping) else None
    parts = listed if isinstance(listed, list) else [listed]
    if not isinstance(top, Mapping) or not all(isinstance(part, Mapping) for part in parts):
        raise ContractError([Problem(source, "synthetic_data", "has no tabular part.", _SHAPE)])
    available = sorted(catalog.datasets if used is None else used)
    datasets, counts, problems = dict(catalog.datasets), dict[str, int](), list[Problem]()
    for word in sorted(set(top) - {"tabular", "seed"}):
        problems.append(Problem(source, repr(word), "is no part of a dataset.", "leave DATASETS out to make it."))
    for part in parts:
        name = str(part.get("name"))
        if name not in available:
            problems.append(Problem(source, f"tabular: {name!r}", "is no dataset that is made.",
                                    f"name one of {', '.join(available)}."))  # fmt: skip
            continue
        section = {word: value for word, value in part.items() if word not in {"name", "num_rows"}}
        rows = part.get("num_rows")
        if rows is not None and (not isinstance(rows, int) or isinstance(rows, bool) or rows < 0):
            problems.append(Problem(source, f"{name}: num_rows {rows!r}", "is no count.", "give 0 or more."))
        elif rows is not None:
            counts[name] = rows
        unknown = sorted(set(section) - {"schema", "correlations"})
        problems += [Problem(source, f"{name}: {word!r}", "is no word of a dataset's recipe.",
                             "use name, num_rows, schema, correlations.") for word in unknown]  # fmt: skip
        datasets[name] = replace(datasets[name], synthetic=merged(datasets[name].synthetic, section))
        try:
            refinement_of(datasets[name])
        except ContractError as error:
            problems += error.problems
    if problems:
        raise ContractError(problems)
    return Catalog(datasets, catalog.transforms), counts
