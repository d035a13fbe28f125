"""Inputs that are wider than the partitions of a run: what a transform makes of the rest is left to the rest's runs."""

from collections.abc import Iterable, Sequence

import polars as pl
from polars.exceptions import PolarsError

from platform_core.contracts import Dataset
from platform_core.quality.conform import read_as

_GRAINS = ("hourly", "daily", "monthly")


def is_wider(above: Iterable[Dataset], dataset: Dataset) -> bool:
    """Whether an input holds more than a run of the dataset is about: no partitions, or longer ones."""
    if dataset.partitions is None:
        return False
    mine = _GRAINS.index(dataset.partitions.grain)
    return any(each.partitions is None or _GRAINS.index(each.partitions.grain) > mine for each in above)


def of_run(raw: pl.DataFrame, dataset: Dataset, partitions: Sequence[str] | None) -> pl.DataFrame:
    """The rows of the run's partitions, and those that are of none because their day or instant cannot be read."""
    if dataset.partitions is None or partitions is None or dataset.partitions.on not in raw.columns:
        return raw
    wanted = next(column.dtype for column in dataset.columns if column.name == dataset.partitions.on)
    try:
        read = raw.select(read_as(dataset.partitions.on, raw.schema[dataset.partitions.on], wanted))
    except PolarsError:  # a type that cannot be read at all, which the verdict says
        return raw
    key = read.select(dataset.partitions.key()).to_series()
    return raw.filter(key.is_null() | key.is_in(list(partitions)))
