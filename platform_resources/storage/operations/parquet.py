"""Operations on plain Parquet: its files can be counted; what needs a log is lacking, as `capabilities` says."""

from collections.abc import Sequence
from urllib.parse import unquote

from platform_resources.storage.formats.parquet import ParquetFormat
from platform_resources.storage.operations.base import LiveFile, TableOperations


class ParquetOperations(TableOperations):
    """Parquet files without a log."""

    format_name = "parquet"

    def _live(self) -> tuple[str | None, Sequence[LiveFile]]:
        table = ParquetFormat(self.spec, self.location, self.settings)
        if not table.exists():
            raise self._not_found()
        live = [LiveFile(_partition(entry.name), entry.size_bytes, None) for entry in table.live()]
        return table.version(), live


def _partition(name: str) -> str | None:
    folder, _, _ = name.rpartition("/")
    return unquote(folder.partition("=")[2]) if folder else None
