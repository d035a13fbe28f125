"""Where rows come from: the port, and an adapter for each kind of source, which `open_source` finds by its name."""

from platform_resources.readers import Malformed
from platform_resources.sources.base import (
    Batch,
    Cursor,
    SourceAdapter,
    SourceContext,
    TalliedSource,
    Tally,
    Unit,
    UnreadableUnit,
    digest,
    open_source,
)
from platform_resources.sources.landing import DeclaredFile, LandedFile, Landing

__all__ = [
    "Batch",
    "Cursor",
    "DeclaredFile",
    "LandedFile",
    "Landing",
    "Malformed",
    "SourceAdapter",
    "SourceContext",
    "TalliedSource",
    "Tally",
    "Unit",
    "UnreadableUnit",
    "digest",
    "open_source",
]
