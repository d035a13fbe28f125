"""A table's rows as the contract declares them now, whichever version of it wrote them.

A column that a minor version added is null in the rows from before; an enumeration is kept as text.
"""

from collections.abc import Sequence

import polars as pl

from platform_core.contracts import Dataset


def as_declared(frame: pl.LazyFrame, dataset: Dataset, *, beside: Sequence[str] = ()) -> pl.LazyFrame:
    """Return the contract's columns in its order and types, then the platform's own named in `beside`."""
    schema = frame.collect_schema()
    columns = [
        (pl.col(column.name) if column.name in schema else pl.lit(None)).cast(column.dtype).alias(column.name)
        for column in dataset.columns
    ]
    return frame.select(*columns, *beside)
