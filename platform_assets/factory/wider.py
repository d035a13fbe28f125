"""What a transform makes of inputs that are wider than the partitions of a run is left to the runs of the rest."""

from collections.abc import Sequence

import polars as pl
from polars.exceptions import PolarsError

from platform_core.contracts import Dataset
from platform_core.quality.conform import read_as


def of_run(raw: pl.DataFrame, dataset: Dataset, partitions: Sequence[str] | None) -> pl.DataFrame:
    """Return the rows of the run's partitions.

    And those that are of none because their day or instant cannot be read.
    """
    if dataset.partitions is None or partitions is None or not set(dataset.partitions.columns) <= set(raw.columns):
        return raw
    types = {column.name: column.dtype for column in dataset.columns}
    try:
        read = raw.select(read_as(name, raw.schema[name], types[name]) for name in dataset.partitions.columns)
    except PolarsError:  # a type that cannot be read at all, which the verdict says
        return raw
    key = read.select(dataset.partitions.key()).to_series()
    return raw.filter(key.is_null() | key.is_in(list(partitions)))
