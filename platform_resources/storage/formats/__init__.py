"""The table formats; a new one is a file here and a line below."""

from collections.abc import Callable

from platform_resources.settings import Settings
from platform_resources.storage.formats.base import TableFormat
from platform_resources.storage.formats.delta import DeltaFormat
from platform_resources.storage.formats.iceberg import IcebergFormat
from platform_resources.storage.formats.parquet import ParquetFormat
from platform_resources.storage.table import Format, TableSpec

FORMATS: dict[Format, Callable[[TableSpec, str, Settings], TableFormat]] = {
    "delta": DeltaFormat,
    "iceberg": IcebergFormat,
    "parquet": ParquetFormat,
}
