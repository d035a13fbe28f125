"""Real rows for a test: tables or files of another place, masked on the way in, and what is taken where they lack."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import polars as pl

from platform_assets.ingest import table_spec
from platform_assets.operations.errors import RequestError
from platform_core.contracts import Catalog, Dataset
from platform_resources.errors import ResourceError
from platform_resources.settings import Settings
from platform_resources.storage.formats import FORMATS
from platform_resources.storage.table import TableSpec

Selection = Literal["latest", "version", "sample"]
FALLBACKS = ("synthetic", "fail")


@dataclass
class StoredRows:
    """Where real rows lie, and which of them are taken.

    Attributes:
        place: A folder or s3:// prefix in which tables lie as in a lake's environment, `domain/dataset/v1`; several,
            in the order in which they are tried.
        settings: How S3 is reached.
        select: The latest version; `version` for the one of `version`; `sample` for `rows` of them by chance.
        version: Of every table, with `version`.
        rows: At most, with `sample`.
        seed: Of the chance.
        fallback: `synthetic` rows, or `fail`, where a table is in none of the places.
        notes: What was taken from where, by dataset; filled by `tables`.
    """

    place: Sequence[str]
    settings: Settings
    select: Selection = "latest"
    version: str | None = None
    rows: int = 1000
    seed: int = 0
    fallback: str = "synthetic"
    notes: dict[str, str] = field(default_factory=dict)

    def tables(self, catalog: Catalog, generated: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
        """Read a table for each dataset that has one; personal data is replaced by generated values, null stays null.

        Raises:
            RequestError: A table is in none of the places, and the fallback is to fail.
        """
        found: dict[str, pl.DataFrame] = {}
        for name, dataset in catalog.datasets.items():
            rows = self._read(dataset)
            if rows is not None:
                found[name] = _masked(rows, dataset, generated[name])
            elif self.fallback == "fail":
                raise RequestError(f"{name}: {self.notes[name]}. Fix: correct --data, or allow --fallback synthetic.")
        return found

    def _read(self, dataset: Dataset) -> pl.DataFrame | None:
        reasons = []
        for place in self.place:
            try:
                rows = self._rows_at(dataset, place.rstrip("/"))
            except ResourceError as error:
                reasons.append(str(error).partition(". Fix:")[0])
                continue
            self.notes[dataset.name] = f"{rows.height:,} rows of {place}"
            return rows
        self.notes[dataset.name] = f"no rows: {'; '.join(reasons)}"
        return None

    def _rows_at(self, dataset: Dataset, place: str) -> pl.DataFrame:
        declared = table_spec(dataset)
        spec = TableSpec(path=declared.path, format=declared.format, partition_column=declared.partition_column)
        table = FORMATS[spec.format](spec, f"{place}/{spec.path}", replace(self.settings, branch=None))
        names = [column.name for column in dataset.columns]
        version = self.version if self.select == "version" else None
        if version is not None:
            table.refuse_lacking("history")
        with table.telling():
            frame = table.scan(partitions=None, columns=None, version=version)
            rows = frame.select([name for name in names if name in frame.collect_schema().names()]).collect()
        if self.select == "sample" and rows.height > self.rows:
            rows = rows.sample(self.rows, seed=self.seed)
        return rows


def _masked(rows: pl.DataFrame, dataset: Dataset, generated: pl.DataFrame) -> pl.DataFrame:
    """Put generated values in the place of personal data: equal values become equal ones, where there are enough."""
    personal = [column.name for column in dataset.columns if column.pii is not None and column.name in rows.columns]
    for name in personal:
        values = rows[name].drop_nulls().unique(maintain_order=True)
        stand_ins = generated[name].drop_nulls().unique(maintain_order=True)
        if stand_ins.is_empty():
            rows = rows.with_columns(pl.lit(None, rows.schema[name]).alias(name))
            continue
        places = pl.int_range(values.len(), eager=True) % stand_ins.len()
        pairs = pl.DataFrame({name: values, "\0new": stand_ins.gather(places)})
        joined = rows.select(name).join(pairs, on=name, how="left", maintain_order="left")
        rows = rows.with_columns(joined["\0new"].alias(name))
    return rows
