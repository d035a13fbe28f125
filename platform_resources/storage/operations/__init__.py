"""History, statistics and upkeep of tables: what every format is asked for, and what it answers."""

from platform_resources.storage.operations.interface import TableOperations
from platform_resources.storage.operations.layout import LiveFile
from platform_resources.storage.operations.records import (
    DEFAULT_KEEP,
    MINIMUM_KEEP,
    SMALL_BYTES,
    TARGET_BYTES,
    ZORDER,
    OperationResult,
    PartitionStatistics,
    TableStatistics,
    TableVersion,
)

__all__ = [
    "DEFAULT_KEEP", "MINIMUM_KEEP", "SMALL_BYTES", "TARGET_BYTES", "ZORDER", "LiveFile", "OperationResult",
    "PartitionStatistics", "TableOperations", "TableStatistics", "TableVersion",
]  # fmt: skip
