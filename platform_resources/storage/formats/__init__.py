"""The table formats; a new one is a file here, a line below, and its name in `table.Format`."""

from platform_resources.storage.formats.base import TableFormat
from platform_resources.storage.formats.delta import DeltaFormat
from platform_resources.storage.formats.iceberg import IcebergFormat
from platform_resources.storage.formats.parquet import ParquetFormat
from platform_resources.storage.table import Format

FORMATS: dict[Format, type[TableFormat]] = {
    "delta": DeltaFormat,
    "iceberg": IcebergFormat,
    "parquet": ParquetFormat,  # type: ignore[type-abstract]  # it has no methods for what it says it lacks
}
