"""Operations on plain Parquet: its files can be counted; everything else needs a log, and is refused with the fix."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NoReturn
from urllib.parse import unquote

from platform_resources.errors import UnsupportedOperation
from platform_resources.storage.formats.parquet import ParquetFormat
from platform_resources.storage.operations.base import LiveFile, Packing, TableOperations
from platform_resources.storage.operations.records import DEFAULT_KEEP, TARGET_BYTES


class ParquetOperations(TableOperations):
    """Parquet files without a log."""

    def history(self, limit: int | None = None) -> NoReturn:  # noqa: ARG002 - the family's signature
        """Raises UnsupportedOperation."""
        self._refuse("keeps no earlier versions")

    def compact(
        self,
        *,
        partitions: Sequence[str] | None = None,  # noqa: ARG002
        target_bytes: int = TARGET_BYTES,  # noqa: ARG002
        dry_run: bool = False,  # noqa: ARG002
        pack: Packing | None = None,  # noqa: ARG002
    ) -> NoReturn:
        """Raises UnsupportedOperation: a reader could see rows twice, or not at all."""
        self._refuse("cannot replace many files in one step")

    def zorder(
        self,
        columns: Sequence[str],  # noqa: ARG002
        *,
        partitions: Sequence[str] | None = None,  # noqa: ARG002
        dry_run: bool = False,  # noqa: ARG002
    ) -> NoReturn:
        """Raises UnsupportedOperation."""
        self._refuse("cannot replace many files in one step")

    def vacuum(self, *, keep: timedelta = DEFAULT_KEEP, dry_run: bool = True) -> NoReturn:  # noqa: ARG002
        """Raises UnsupportedOperation."""
        self._refuse("has no log that says which files are needed")

    def expire(self, *, keep: timedelta = DEFAULT_KEEP, dry_run: bool = True) -> NoReturn:  # noqa: ARG002
        """Raises UnsupportedOperation."""
        self._refuse("keeps no earlier versions")

    def restore(
        self,
        version: str | int | None = None,  # noqa: ARG002
        *,
        at: datetime | None = None,  # noqa: ARG002
        dry_run: bool = True,  # noqa: ARG002
    ) -> NoReturn:
        """Raises UnsupportedOperation."""
        self._refuse("keeps no earlier versions")

    def _live(self) -> tuple[str | None, Sequence[LiveFile]]:
        table = ParquetFormat(self.spec, self.location, self.settings)
        if not table.exists():
            raise self._not_found()
        live = [LiveFile(_partition(each.name), each.size_bytes, None) for each in table.live()]
        return table.version(), live

    def _refuse(self, why: str) -> NoReturn:
        raise UnsupportedOperation(
            self.spec.path, f"plain Parquet {why}", fix="declare store=Delta(...) or store=Iceberg(...)"
        )


def _partition(name: str) -> str | None:
    folder, _, _ = name.rpartition("/")
    return unquote(folder.partition("=")[2]) if folder else None
