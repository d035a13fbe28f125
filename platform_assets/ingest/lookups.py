"""The table that a lookup of a stream looks into, as it was in a version: the key and the columns that are taken."""

import polars as pl

from platform_assets.ingest.stored import as_declared
from platform_assets.ingest.tables import table_spec
from platform_core.contracts import Dataset
from platform_core.contracts.folds import Lookup
from platform_core.errors import CoreError
from platform_resources.storage import Lake


class TableNotReady(CoreError):
    """A table that a stream looks into has never been materialised."""

    def __init__(self, dataset: str, table: str) -> None:
        self.dataset, self.table = dataset, table
        super().__init__(
            f"{dataset}: it looks into {table}, which has never been materialised. Fix: materialise {table} first."
        )


class LookupTable:
    """One table and its versions; those that upkeep removed can be looked into no more."""

    def __init__(self, lake: Lake, table: Dataset, dataset: str, source: Lookup) -> None:
        """Read nothing yet."""
        self._lake, self._table, self._dataset, self._source = lake, table, dataset, source

    def current(self) -> str:
        """Return the version of the table.

        Raises:
            TableNotReady: There is none yet.
        """
        spec = table_spec(self._table)
        version = self._lake.version(spec) if self._lake.exists(spec) else None
        if version is None:
            raise TableNotReady(self._dataset, self._table.name)
        return str(version)

    def load(self, version: str) -> pl.DataFrame:
        """Return the key and the columns that are taken, as they were in a version."""
        rows = self._lake.scan(table_spec(self._table), version=version)
        return as_declared(rows, self._table).select(self._source.looked_into).collect()
