"""Valid rows that a newer input overtook, kept beside the table with the place they came from.

They make a key belong to the table: when the newer input gives a key up, the row below it stands again, though
its file may have left the landing folder long ago.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from platform_assets.ingest.stored import as_declared
from platform_assets.ingest.tables import HASH, INGEST, INGESTED_AT, SOURCE, SUPERSEDED_ID, superseded_spec, table_spec
from platform_core.contracts import Dataset
from platform_core.ingest import row_hash
from platform_resources.storage import Lake


@dataclass(frozen=True)
class SupersededRows:
    """The superseded rows of one dataset."""

    lake: Lake
    dataset: Dataset

    def exist(self) -> bool:
        """Tell whether any were ever kept."""
        return self.lake.exists(superseded_spec(self.dataset))

    def under(self, keys: pl.DataFrame, *, besides: Sequence[str]) -> pl.DataFrame:
        """Read the rows with one of the keys, except those of some sources, as they would stand in the table."""
        dataset = self.dataset
        rows = as_declared(self._scan(), dataset, beside=[SOURCE, INGEST, INGESTED_AT])
        others = rows.filter(~pl.col(SOURCE).is_in(list(besides)))
        superseded_rows = others.join(keys.lazy(), on=list(dataset.key), how="semi").with_columns(
            row_hash([column.name for column in dataset.columns]).alias(HASH)
        )
        return (
            superseded_rows.with_columns(dataset.partitions.key()) if dataset.partitions else superseded_rows
        ).collect()

    def ids_of(self, sources: Sequence[str]) -> list[str]:
        """List the ids of all rows of some sources."""
        rows = self._scan(partitions=sources).select(SUPERSEDED_ID).collect()
        return rows.to_series().to_list()

    def also_standing(self) -> pl.Series:
        """List the ids of rows that stand in the table as well: a run that died before it took them away left them."""
        place = [SOURCE, *self.dataset.key]
        table = as_declared(self.lake.scan(table_spec(self.dataset)), self.dataset, beside=[SOURCE]).select(place)
        return self.identify(self._scan().select(place).join(table, on=place, how="semi").collect())

    def identify(self, rows: pl.DataFrame) -> pl.Series:
        """Compute the ids under which rows are kept, from their sources and keys: 128 bits, as text."""
        return rows.select(self._id()).to_series()

    def with_ids(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Give kept rows the ids that follow from their sources and keys as they are typed now."""
        return rows.with_columns(self._id().alias(SUPERSEDED_ID))

    def _id(self) -> pl.Expr:
        place = pl.struct(SOURCE, *self.dataset.key)
        return pl.concat_str(place.hash(seed=1).cast(pl.String), pl.lit("-"), place.hash(seed=2).cast(pl.String))

    def keep(self, rows: pl.DataFrame, *, transaction: tuple[str, int]) -> None:
        """Add rows, once a transaction; those that are there change only where they differ."""
        if rows.is_empty():
            return
        names = [column.name for column in self.dataset.columns]
        kept_rows = rows.select(*names, SOURCE, INGEST, INGESTED_AT).with_columns(
            self.identify(rows).alias(SUPERSEDED_ID)
        )
        self.lake.write(superseded_spec(self.dataset), kept_rows, transaction=transaction)

    def remove(self, ids: Sequence[str]) -> None:
        """Remove rows that stand in the table again, or that their file does not have any more."""
        if ids:
            self.lake.delete(superseded_spec(self.dataset), SUPERSEDED_ID, ids)

    def _scan(self, partitions: Sequence[str] | None = None) -> pl.LazyFrame:
        return self.lake.scan(superseded_spec(self.dataset), partitions=partitions)
