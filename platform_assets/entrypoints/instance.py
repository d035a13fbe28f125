"""Dagster's instance as the doors see it: DAGSTER_HOME where it is set, else a folder below the platform's state."""

import os
import shutil
from pathlib import Path

import dagster as dg

from platform_resources.settings import Settings


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance whose history the UI shows."""
    if not os.environ.get("DAGSTER_HOME"):
        os.environ["DAGSTER_HOME"] = str(_home(Path(settings.state) / "dagster"))
    Path(os.environ["DAGSTER_HOME"]).mkdir(parents=True, exist_ok=True)
    return dg.DagsterInstance.get()


def _home(folder: Path) -> Path:
    """The folder, with the project's `dagster.yaml` in it, as `make demo` would have put it there."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "dagster.yaml").exists() and Path("dagster.yaml").exists():
        shutil.copyfile("dagster.yaml", folder / "dagster.yaml")
    return folder
