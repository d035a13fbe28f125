"""What loading definitions costs: N datasets of ours beside N equally rich Dagster assets written by hand.

Each side is a package of N modules, compiled beforehand. Timed is what a code server does: import the modules, build
the definitions, index the repository and its asset graph. Dagster, Polars, Pandera and our own packages are imported
before the clock starts, for both sides; the first table says what that costs.
"""

import compileall
import importlib
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness import Case, Facts, Steps, main
from packages import IMPLIED_RULES, OWN_RULES, write_bare, write_by_hand, write_declared, write_lean

if TYPE_CHECKING:
    import dagster as dg

SIZES = (10, 100, 1000)
ALL_RULES = (*IMPLIED_RULES, *OWN_RULES)


def prepare(folder: Path) -> None:
    """Writes every package below the folder and compiles it."""
    for size in SIZES:
        write_declared(folder / f"declared_{size}", size)
        write_lean(folder / f"lean_{size}", size)
        write_by_hand(folder / f"specs_{size}", size, rules=OWN_RULES)
        write_by_hand(folder / f"more_specs_{size}", size, rules=ALL_RULES)
        write_by_hand(folder / f"separate_{size}", size, rules=OWN_RULES, separate=True)
        write_bare(folder / f"bare_{size}", size)
    compileall.compile_dir(folder, quiet=2)


def ours(package: str) -> Steps:
    """The case that loads datasets of ours."""

    def steps(folder: Path) -> Iterator[Facts | None]:
        _ready(folder)
        from platform_assets.composition import build_definitions
        from platform_resources.settings import Settings

        settings = Settings.from_environment()
        yield None
        yield _indexed(build_definitions(package, settings))

    return steps


def by_hand(package: str) -> Steps:
    """The case that loads a package of assets written by hand, by Dagster's own loaders."""

    def steps(folder: Path) -> Iterator[Facts | None]:
        _ready(folder)
        import dagster as dg

        importlib.import_module("platform_assets.definitions")  # the same modules in memory as ours has

        yield None
        root = importlib.import_module(package)
        yield _indexed(
            dg.Definitions(
                assets=dg.load_assets_from_package_module(root),
                asset_checks=dg.load_asset_checks_from_package_module(root),
                resources={"lake": object(), "landing": object()},
                executor=dg.in_process_executor,
            )
        )

    return steps


def importing(module: str) -> Steps:
    """The case that only imports a module."""

    def steps(folder: Path) -> Iterator[Facts | None]:
        _ready(folder)
        yield None
        importlib.import_module(module)
        yield {"modules": len(sys.modules)}

    return steps


def _ready(folder: Path) -> None:
    sys.path.insert(0, str(folder))
    os.environ["PLATFORM_STATE"] = str(folder / "state")
    warnings.simplefilter("ignore")


def _indexed(defs: "dg.Definitions") -> Facts:
    """The repository in numbers, once it is indexed as a code server does it."""
    repository = defs.get_repository_def()
    repository.load_all_definitions()
    graph = repository.asset_graph
    return {"assets": len(graph.get_all_asset_keys()), "checks": len(graph.asset_check_keys)}


def _cases(size: int) -> Iterator[Case]:
    table = f"Loading {size:,} datasets"
    five, twelve = f"{size}: by hand, 5 check_specs", f"{size}: by hand, 12 check_specs"
    yield Case(f"{size}: ours, 5 rules of their own and 7 implied", ours(f"declared_{size}"), (five, twelve), table)
    yield Case(f"{size}: ours, 5 checks in all", ours(f"lean_{size}"), (five,), table)
    yield Case(five, by_hand(f"specs_{size}"), (), table)
    yield Case(twelve, by_hand(f"more_specs_{size}"), (five,), table)
    yield Case(f"{size}: by hand, 5 separate checks", by_hand(f"separate_{size}"), (five,), table)
    yield Case(f"{size}: bare, 5 check_specs", by_hand(f"bare_{size}"), (five,), table)


def cases() -> list[Case]:
    """Imports first, then every size."""
    modules = ("dagster", "polars", "pandera.polars", "platform_core.contracts", "platform_assets.definitions")
    imports = [Case(f"import {name}", importing(name), ("import dagster",), "Importing") for name in modules]
    return [*imports, *(case for size in SIZES for case in _cases(size))]


if __name__ == "__main__":
    main(cases(), prepare=prepare)
