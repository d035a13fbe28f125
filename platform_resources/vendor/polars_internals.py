"""What is used of Polars beyond its public face: the way its Iceberg scan finds columns, and how it prunes files."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl
from polars.io.scan_options.cast_options import ScanCastOptions

if TYPE_CHECKING:
    import pyarrow as pa


def scan_parquet_by_field_id(
    arrow: "pa.Schema", uris: Sequence[str], options: dict[str, Any] | None, *, include_file_paths: str | None = None
) -> pl.LazyFrame:
    """Return the rows of Parquet files, their columns found by field ids as `scan_iceberg` does.

    Args:
        arrow: the columns, each with its `PARQUET:field_id`.
        uris: the files.
        options: what Polars reads them with; None on disk.
        include_file_paths: the column that gets each row's file; None for none.
    """
    return pl.scan_parquet(
        list(uris),
        schema=pl.DataFrame(arrow.empty_table()).schema,
        glob=False,
        cast_options=ScanCastOptions._default_iceberg(),  # noqa: SLF001 - what scan_iceberg passes
        missing_columns="insert",
        extra_columns="ignore",
        hive_partitioning=False,
        storage_options=options,
        credential_provider=None,
        include_file_paths=include_file_paths,
        _column_mapping=("iceberg-column-mapping", arrow, None),
    )


def skip_batch_predicate(predicate: pl.Expr, schema: Mapping[str, pl.DataType]) -> pl.Expr | None:
    """Return what is true of a file of which no row passes, over `<column>_min`, `_max`, `_nc` and `len`.

    None is for a predicate that no statistics can decide.
    """
    skip: pl.Expr | None = predicate._skip_batch_predicate(dict(schema))  # noqa: SLF001 - as Polars prunes by itself
    return skip
