"""A code location as the doors hold it: what is declared, where it lies, and the definitions built from both.

Opening one costs nothing. The catalog is discovered when it is first read, and Dagster is imported only when the
definitions are, so that a command that lists datasets does not wait for a graph that it does not need.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.discovery import discover
from platform_core.contracts import Catalog
from platform_resources.settings import Settings
from platform_resources.sources import Landing
from platform_resources.storage import Lake

if TYPE_CHECKING:
    import dagster as dg

BRANCH = "platform/branch"
"""The tag of a run that works in a branch of data."""
OPERATION = "platform/operation"
"""The tag of an asset that works on the platform itself: no dataset, so that listings and catching up pass it over."""


@dataclass(frozen=True)
class CodeLocation:
    """Declarations, settings, and Dagster's definitions of them.

    Attributes:
        package: The root below which datasets are declared.
        settings: Where things lie.
        build: Makes the definitions, once, when they are first asked for.
        dbt: The folder of the dbt project over the datasets; None without one.
        declared: The catalog where it is another than what the package declares.
    """

    package: str
    settings: Settings
    build: "Callable[[CodeLocation], dg.Definitions]"
    dbt: Path | None = None
    declared: Catalog | None = None

    @cached_property
    def catalog(self) -> Catalog:
        """What is declared.

        Raises:
            ContractError: With every problem of every declaration.
            PackageNotFound: There is no such package.
        """
        return discover(self.package) if self.declared is None else self.declared

    @cached_property
    def defs(self) -> "dg.Definitions":
        """The whole graph."""
        return self.build(self)

    @cached_property
    def lake(self) -> Lake:
        """The tables, by one lake: its cache and the memory that it may take exist once a process."""
        return Lake(self.settings)

    @cached_property
    def landing(self) -> Landing:
        """The landing folder; the same for the runs of this process and for who looks what they have to do."""
        return Landing(self.settings)
