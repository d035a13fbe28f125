"""A code location as the doors hold it: what is declared, where it lies, and the definitions built from both."""

from dataclasses import dataclass

import dagster as dg

from platform_core.contracts import Catalog
from platform_resources.settings import Settings
from platform_resources.sources import Landing
from platform_resources.storage import Lake

OPERATION = "platform/operation"
"""The tag of an asset that works on the platform itself: no dataset, so that listings and catching up pass it over."""


@dataclass(frozen=True)
class CodeLocation:
    """Declarations, settings, and Dagster's definitions of them."""

    catalog: Catalog
    settings: Settings
    defs: dg.Definitions

    @property
    def lake(self) -> Lake:
        """The tables."""
        return Lake(self.settings)

    @property
    def landing(self) -> Landing:
        """The landing folder."""
        return Landing(self.settings)
