"""The files of the pages, as they lie in the package."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

FOLDER = Path(str(files("platform_assets.entrypoints.catalog"))) / "pages"

_VIEWER = ("vendor/cytoscape.min.js", "vendor/cytoscape-dagre.min.js", "lineage.js")


def viewer_scripts() -> Mapping[str, str]:
    """Return the scripts of the lineage viewer, in the order in which they run."""
    return {name: (FOLDER / name).read_text(encoding="utf-8") for name in _VIEWER}


def style() -> str:
    """Return the style of all pages."""
    return (FOLDER / "style.css").read_text(encoding="utf-8")
