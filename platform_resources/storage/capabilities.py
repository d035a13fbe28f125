"""What each table format cannot do, as data: the doors refuse by it, so that no format has methods that only refuse."""

from collections.abc import Mapping
from typing import Literal

from platform_resources.errors import UnsupportedOperation
from platform_resources.storage.table import Format, TableSpec

Operation = Literal["update", "history", "compact", "zorder", "vacuum", "expire", "restore"]

_MANY_FILES = "cannot replace many files in one step"
_NO_VERSIONS = "keeps no earlier versions"
LACKING: Mapping[Format, Mapping[Operation, str]] = {
    "delta": {},
    "iceberg": {},
    "parquet": {
        "update": "cannot change rows in one step",
        "history": _NO_VERSIONS,
        "compact": _MANY_FILES,
        "zorder": _MANY_FILES,
        "vacuum": "has no log that says which files are needed",
        "expire": _NO_VERSIONS,
        "restore": _NO_VERSIONS,
    },
}
"""For each format the operations that it lacks, and why."""


def require(spec: TableSpec, operation: str) -> None:
    """Refuse an operation that the table's format lacks; raises UnsupportedOperation."""
    why = {str(name): reason for name, reason in LACKING[spec.format].items()}.get(operation)
    if why is not None:
        raise UnsupportedOperation(
            spec.path, f"plain {spec.format.capitalize()} {why}", fix="declare store=Delta(...) or store=Iceberg(...)"
        )
