"""What a command works on: the declared datasets, their lake, their Dagster history; and how it refuses a wrong name.

Nothing here runs at import; each part is made when a command first asks for it.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

import dagster as dg

from platform_assets.discovery import discover
from platform_assets.entrypoints.instance import open_instance
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.location import CodeLocation
from platform_core.contracts import Catalog, Dataset
from platform_resources.settings import Settings
from platform_resources.storage import Lake

PACKAGE = "platform_assets.domains"
_LISTED = 12
_NEAR = 4


class CommandError(Exception):
    """A command was asked for what cannot be; the message names the culprit and the fix."""


class UnknownName(CommandError):
    """A name that is not there; `name` is what was asked for, `available` what there is."""

    def __init__(self, kind: str, name: str, available: Iterable[str], *, where: str = "") -> None:
        self.name, self.available = name, tuple(sorted(available))
        super().__init__(f"{where}there is no {kind} {name!r}. Fix: {_offer(name, self.available)}.")


def _offer(name: str, available: Sequence[str]) -> str:
    holding = [each for each in available if name and name in each]
    near = list(dict.fromkeys([*get_close_matches(name, available, cutoff=0.6), *holding]))[:_NEAR]
    if near:
        return f"perhaps {' or '.join(near)}"
    listed = ", ".join(available[:_LISTED])
    more = f" and {len(available) - _LISTED} more" if len(available) > _LISTED else ""
    return f"use one of {listed}{more}" if available else "there is none yet"


@dataclass(frozen=True)
class Door:
    """A platform as a command holds it."""

    package: str = PACKAGE
    settings: Settings = field(default_factory=Settings.from_environment)

    @cached_property
    def catalog(self) -> Catalog:
        """What is declared."""
        return discover(self.package)

    @property
    def lake(self) -> Lake:
        """The tables."""
        return Lake(self.settings)

    @cached_property
    def location(self) -> CodeLocation:
        """The whole graph, for commands that start runs."""
        from platform_assets.composition import build_location  # noqa: PLC0415

        if self.package != PACKAGE:
            return build_location(self.package, self.settings)
        from platform_assets.definitions import DBT, location  # noqa: PLC0415 - importing builds the graph

        if self.settings == location.settings:
            return location
        return build_location(self.package, self.settings, dbt=DBT)

    def instance(self) -> AbstractContextManager[dg.DagsterInstance]:
        """Dagster's history, to be closed after use."""
        return open_instance(self.settings)

    def dataset(self, name: str) -> Dataset:
        """The dataset of that name.

        Raises:
            UnknownName: There is none; the error offers names that are near.
        """
        if name not in self.catalog.datasets:
            raise UnknownName("dataset", name, self.catalog.datasets)
        return self.catalog[name]

    def store(self, name: str) -> QuarantineStore:
        """The quarantine of a dataset.

        Raises:
            UnknownName: There is no such dataset.
            CommandError: The dataset declares no quarantine.
        """
        dataset = self.dataset(name)
        if dataset.quarantine is None:
            raise CommandError(
                f"{name}: has no quarantine: one bad row writes nothing, so none is set aside. "
                "Fix: declare quarantine=Quarantine() to set bad rows aside."
            )
        return QuarantineStore(self.lake, dataset)


def refuse_unknown_rows(door: Door, name: str) -> None:
    """Return when the name is a dataset, a file, a folder or an address.

    Raises:
        UnknownName: It is none of them.
    """
    if name not in door.catalog.datasets and "://" not in name and not Path(name).exists():
        raise UnknownName("dataset or file", name, door.catalog.datasets)
