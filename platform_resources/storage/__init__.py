"""Tables in the lake: say what a table is with TableSpec, read and write it with Lake."""

from platform_resources.storage.lake import Lake
from platform_resources.storage.table import Commit, TableSpec, Write

__all__ = ["Commit", "Lake", "TableSpec", "Write"]
