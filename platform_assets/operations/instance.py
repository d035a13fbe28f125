"""Dagster's instance as the platform opens it: DAGSTER_HOME where it is set, else a folder below the state."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from platform_resources.errors import SettingsError
from platform_resources.settings import Settings

if TYPE_CHECKING:
    import dagster as dg


_BRANCHES = "branches"
_STORAGE = {"storage", "run_storage", "event_log_storage", "schedule_storage", "local_artifact_storage"}
"""What a branch does not take from the environment's configuration: its history is one of its own, in SQLite."""


def dagster_home(settings: Settings) -> Path:
    """Name the folder of Dagster's instance; it need not be there. A branch of data has a history of its own."""
    home = Path(os.environ.get("DAGSTER_HOME") or Path(settings.state) / "dagster")
    if home.parent.name == _BRANCHES:  # of a branch, by `platform branch env`
        home = home.parent.parent
    return home if settings.branch is None else home / _BRANCHES / settings.branch


def open_instance(settings: Settings) -> "dg.DagsterInstance":
    """Open the instance whose history the UI shows; the caller closes it.

    Raises:
        SettingsError: The `dagster.yaml` of the instance names a module, or a database's driver, that is not installed.
    """
    from dagster import DagsterInstance  # noqa: PLC0415 - most commands need no instance

    home = dagster_home(settings)
    home.mkdir(parents=True, exist_ok=True)
    if settings.branch is not None:
        prepare_home_of_branch(home)
        return DagsterInstance.from_config(str(home))
    if not os.environ.get("DAGSTER_HOME"):
        _copy_configuration(home)
        os.environ["DAGSTER_HOME"] = str(home)
    try:
        return DagsterInstance.get()
    except ModuleNotFoundError as error:
        raise SettingsError(
            str(home / "dagster.yaml"), f"what it names needs the Python module {error.name!r}, which is not installed",
            fix="for a history in PostgreSQL, pip install 'dagster-asset-platform[postgres]', and begin its"
            " `postgres_url` with postgresql+psycopg2://",
        ) from error  # fmt: skip


def prepare_home_of_branch(home: Path) -> None:
    """Make the folder of a branch's instance, configured as the environment's: one writer a table, runs in a queue."""
    home.mkdir(parents=True, exist_ok=True)
    if (home / "dagster.yaml").exists():
        return
    import yaml  # noqa: PLC0415 - most commands need none

    declared = home.parent.parent / "dagster.yaml"
    environment = (yaml.safe_load(declared.read_text("utf-8")) or {}) if declared.exists() else {}
    own = {"telemetry": {"enabled": False}} | {word: said for word, said in environment.items() if word not in _STORAGE}
    (home / "dagster.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")


def _copy_configuration(home: Path) -> None:
    """Put the project's `dagster.yaml` into the folder, as `make demo` would have done."""
    if not (home / "dagster.yaml").exists() and Path("dagster.yaml").exists():
        shutil.copyfile("dagster.yaml", home / "dagster.yaml")
