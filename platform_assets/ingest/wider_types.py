"""A stored column takes the wider type that its contract now declares: `evolution="add"`, without reading inputs again.

All values stay; only numbers with more room, decimals with more digits, finer instants, and days that become midnights
in UTC count as wider. The table is written anew in one commit, piece by piece; earlier versions stay as they were.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import polars as pl

from platform_assets.ingest.superseded import SupersededRows
from platform_assets.ingest.tables import superseded_spec, table_spec
from platform_core.contracts import Dataset
from platform_core.interchange.compatibility import is_wider
from platform_resources.storage import Lake, TableSpec


def widen_stored_types(lake: Lake, dataset: Dataset) -> Mapping[str, pl.DataType]:
    """Give stored columns their declared types where these are wider; return them by name, empty where there are none.

    Raises:
        PositionMoved: Another writer was first.
    """
    spec = table_spec(dataset)
    if spec.schema_evolution != "add":
        return {}
    superseded_rows = SupersededRows(lake, dataset)
    if dataset.source is not None and superseded_rows.exist():  # their ids are hashes of typed keys
        _widen(lake, superseded_spec(dataset), dataset, superseded_rows.with_ids)
    return _widen(lake, spec, dataset, lambda rows: rows)


def _widen(
    lake: Lake, spec: TableSpec, dataset: Dataset, finish: Callable[[pl.LazyFrame], pl.LazyFrame]
) -> dict[str, pl.DataType]:
    if not lake.exists(spec):
        return {}
    version = lake.version(spec)
    stored = lake.scan(spec)
    stored_types = stored.collect_schema()
    wider = {column.name: column.dtype for column in dataset.columns
             if column.name in stored_types and _is_wider(column.dtype, stored_types[column.name])}  # fmt: skip
    if wider:
        whole = replace(spec, mode="overwrite", schema_evolution="add", replaces=None)
        commit_metadata = {"widened": ", ".join(f"{name} to {dtype}" for name, dtype in wider.items())}
        lake.write(
            whole,
            finish(stored.with_columns(pl.col(name).cast(dtype) for name, dtype in wider.items())),
            expected_version=version,
            commit_metadata=commit_metadata,
        )
    return wider


def _is_wider(declared: pl.DataType, stored: pl.DataType) -> bool:
    if declared == stored or isinstance(declared, pl.String | pl.Enum | pl.Categorical):
        return False
    return is_wider(declared, stored)
