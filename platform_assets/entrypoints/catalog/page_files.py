"""The files of the pages, as they lie in the package."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from platform_assets.location import CodeLocation
from platform_assets.operations.catalog import PlatformCatalog
from platform_assets.operations.errors import UnknownName
from platform_core.lineage.picture import picture_page

FOLDER = Path(str(files("platform_assets.entrypoints.catalog"))) / "pages"

_VIEWER = ("vendor/cytoscape.min.js", "vendor/cytoscape-dagre.min.js", "lineage.js")


def viewer_scripts() -> Mapping[str, str]:
    """Return the scripts of the lineage viewer, in the order in which they run."""
    return {name: (FOLDER / name).read_text(encoding="utf-8") for name in _VIEWER}


def write_page(location: CodeLocation, path: Path, focus: str | None = None) -> Path:
    """Write the lineage as one page that opens from disk, and return where it lies.

    Raises:
        UnknownName: There is no dataset of the name in focus.
    """
    drawn = PlatformCatalog(location).whole_lineage()
    names = [node["name"] for node in drawn["nodes"]]
    if focus is not None and focus not in names:
        raise UnknownName("dataset", focus, names)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lineage_page(drawn, focus), encoding="utf-8")
    return path.absolute()


def lineage_page(drawn: Mapping[str, Any], focus: str | None) -> str:
    """Return a picture as one page that needs nothing else."""
    return picture_page({**drawn, "focus": focus}, scripts=viewer_scripts(), style=style())


def style() -> str:
    """Return the style of all pages."""
    return (FOLDER / "style.css").read_text(encoding="utf-8")
