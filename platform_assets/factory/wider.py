"""Inputs that are wider than the partitions of a run: what a transform makes of the rest is left to the rest's runs."""

from collections.abc import Iterable, Sequence

import polars as pl

from platform_core.contracts import Dataset

_GRAINS = ("hourly", "daily", "monthly")


def is_wider(above: Iterable[Dataset], dataset: Dataset) -> bool:
    """Whether an input holds more than a run of the dataset is about: no partitions, or longer ones."""
    if dataset.partitions is None:
        return False
    mine = _GRAINS.index(dataset.partitions.grain)
    return any(each.partitions is None or _GRAINS.index(each.partitions.grain) > mine for each in above)


def of_run(raw: pl.DataFrame, dataset: Dataset, partitions: Sequence[str] | None) -> pl.DataFrame:
    """The rows that are not of another partition of the dataset; those of no partition at all are judged with them."""
    if dataset.partitions is None or partitions is None:
        return raw
    day_or_instant = raw.schema.get(dataset.partitions.on)
    if not isinstance(day_or_instant, pl.Date | pl.Datetime):
        return raw
    instant = pl.col(dataset.partitions.on)
    if isinstance(day_or_instant, pl.Datetime) and day_or_instant.time_zone is not None:
        instant = instant.dt.convert_time_zone("UTC")
    key = instant.dt.strftime(dataset.partitions.format)
    elsewhere = (key >= dataset.partitions.start) & ~key.is_in(list(partitions))
    return raw.filter(elsewhere.not_().fill_null(value=True))
