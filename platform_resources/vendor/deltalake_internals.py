"""What is used of delta-rs beyond its public face: the storage options that a table was opened with."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deltalake import DeltaTable


def storage_options_of(table: "DeltaTable") -> Mapping[str, str]:
    """Return the options that a table was opened with, where Polars looks for them too; none on disk."""
    return table._storage_options or {}  # noqa: SLF001 - no public name for it
