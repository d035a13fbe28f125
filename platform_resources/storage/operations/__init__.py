"""History, statistics and upkeep of tables; a format's operations are a file here and a line below."""

from collections.abc import Callable

from platform_resources.settings import Settings
from platform_resources.storage.operations.base import LiveFile, TableOperations
from platform_resources.storage.operations.delta import DeltaOperations
from platform_resources.storage.operations.iceberg import IcebergOperations
from platform_resources.storage.operations.parquet import ParquetOperations
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
from platform_resources.storage.table import Format, TableSpec

OPERATIONS: dict[Format, Callable[[TableSpec, str, Settings], TableOperations]] = {
    "delta": DeltaOperations,
    "iceberg": IcebergOperations,
    "parquet": ParquetOperations,
}

__all__ = [
    "DEFAULT_KEEP", "MINIMUM_KEEP", "OPERATIONS", "SMALL_BYTES", "TARGET_BYTES", "ZORDER", "LiveFile",
    "OperationResult", "PartitionStatistics", "TableOperations", "TableStatistics", "TableVersion",
]  # fmt: skip
