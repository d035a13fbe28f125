"""The code location that a command works on: named, said by the project's pyproject.toml, or the platform's own."""

import importlib.util
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.location import CodeLocation
from platform_resources.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

PACKAGE = "platform_assets.domains"
"""The datasets that come with the platform."""


def open_location(package: str | None = None, *, project: Path | None = None) -> CodeLocation:
    """Open the code location of a package with the settings of the environment; no dataset is imported yet.

    Without a name it is `package` in the table `[tool.platform]` of a pyproject.toml in the project's folder, which is
    the current one unless given, or the platform's own. As for `dagster dev`, a package in that folder is found. Where
    the top-level package has a module `definitions`, the folder `dbt` beside the package is its dbt project.

    Raises:
        SettingsError: A setting is unknown or wrong.
    """
    folder = project or Path.cwd()
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    package = package or _package_of_project(folder / "pyproject.toml") or PACKAGE
    return CodeLocation(package, Settings.from_environment(), _definitions, _dbt_beside(package))


def _package_of_project(pyproject: Path) -> str | None:
    if not pyproject.exists():
        return None
    try:
        table = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return None  # the tools that need it say what is wrong with it
    package = table.get("tool", {}).get("platform", {}).get("package")
    return package if isinstance(package, str) else None


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
