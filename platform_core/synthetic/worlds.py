"""Worlds: tables that agree with one another, made together, which datasets take as their rows by their titles."""

from collections.abc import Callable, Iterator, Mapping

import polars as pl

from platform_core.contracts.catalog import Catalog
from platform_core.contracts.dataset import Dataset
from platform_core.synthetic import commerce
from platform_core.synthetic.errors import CannotGenerate

Tables = Callable[[float, int, str], Iterator[pl.DataFrame]]

_WORLDS: Mapping[str, tuple[tuple[str, ...], Tables]] = {"commerce": (commerce.TABLES, commerce.shop)}
"""By name the tables and what makes them, from a scale, a seed and a table's name."""


def world_rows(dataset: Dataset, *, scale: float | None = None, seed: int | None = None) -> pl.DataFrame:
    """Make the rows of a dataset whose source is a table of a world.

    Args:
        dataset: The dataset.
        scale: Another one than the declared.
        seed: Another one than the declared.

    Raises:
        CannotGenerate: The world has no such table, or the contract has a column that the table lacks.
    """
    source = dataset.source.of_world if dataset.source is not None else None
    if source is None or source.world is None:
        raise TypeError(f"{dataset.name} is no table of a world")
    tables, make = _WORLDS[source.world]
    if dataset.title not in tables:
        raise CannotGenerate(
            dataset.name, f"world {source.world!r}", f"has no table {dataset.title!r}.",
            f"name the dataset after one of {', '.join(tables)}, or take world= out.",
        )  # fmt: skip
    parts = make(source.scale if scale is None else scale, source.seed if seed is None else seed, dataset.title)
    rows = pl.concat(parts)
    lacking = [column.name for column in dataset.columns if column.name not in rows.columns]
    if lacking:
        raise CannotGenerate(
            dataset.name, f"columns {', '.join(lacking)}", f"are not in the table of the world {source.world!r}.",
            f"declare those of {', '.join(rows.columns)}.",
        )  # fmt: skip
    return rows.select(column.name for column in dataset.columns)


def world_tables(catalog: Catalog, *, rows: int, seed: int) -> dict[str, pl.DataFrame]:
    """Make the tables of all datasets that are of a world, with so many customers.

    None are made where one of them has a section or recipe of its own, by which its rows come from its contract: the
    others then refer to those.
    """
    of_worlds = {name: dataset for name, dataset in catalog.datasets.items()
                 if dataset.source is not None and dataset.source.of_world is not None}  # fmt: skip
    if any(dataset.synthetic is not None for dataset in of_worlds.values()):
        return {}
    scale = rows / commerce.CUSTOMERS
    return {name: world_rows(dataset, scale=scale, seed=seed) for name, dataset in of_worlds.items()}
