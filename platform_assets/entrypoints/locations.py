"""The code location that a command works on, by the name of its package."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.entrypoints.options import PACKAGE
from platform_assets.location import CodeLocation
from platform_resources.settings import Settings

if TYPE_CHECKING:
    import dagster as dg


def open_location(package: str = PACKAGE) -> CodeLocation:
    """Open the code location of a package with the settings of the environment; nothing is read or imported yet.

    Where the top-level package has a module `definitions`, as `dagster dev` loads it, the folder `dbt` beside the
    package is its dbt project.

    Raises:
        SettingsError: A setting is unknown or wrong.
    """
    return CodeLocation(package, Settings.from_environment(), _definitions, _dbt_beside(package))


def _definitions(location: CodeLocation) -> "dg.Definitions":
    from platform_assets.composition import definitions_of  # noqa: PLC0415 - imports Dagster

    return definitions_of(location)


def _dbt_beside(package: str) -> Path | None:
    top = importlib.util.find_spec(package.partition(".")[0])
    if top is None or top.origin is None:
        return None
    folder = Path(top.origin).parent
    project = folder.parent / "dbt"
    is_project = (folder / "definitions.py").exists() and (project / "dbt_project.yml").exists()
    return project if is_project else None
