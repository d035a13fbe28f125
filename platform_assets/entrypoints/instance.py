"""Dagster's instance as the doors see it: DAGSTER_HOME where it is set, else a folder below the platform's state."""

import os
from pathlib import Path

import dagster as dg

from platform_resources.settings import Settings


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance whose history the UI shows."""
    home = Path(os.environ.get("DAGSTER_HOME") or Path(settings.state) / "dagster")
    home.mkdir(parents=True, exist_ok=True)
    os.environ["DAGSTER_HOME"] = str(home)
    return dg.DagsterInstance.get()
