"""Where a plan's columns come from: values of one column, rows of a pool, a product in which no two rows are alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np
import polars as pl

from platform_core.synthetic.pools import drawn
from platform_core.synthetic.values import Values

_LARGEST = 2_000_000
"""Rows of a product that are still listed; above, alike rows are so rare that drawing again is cheaper."""


@dataclass(frozen=True)
class Source:
    """Columns drawn together.

    Attributes:
        columns: Their names.
        draw: So many rows, drawn independently.
        every: All different rows, or None where there are too many to list.
    """

    columns: tuple[str, ...]
    draw: Callable[[np.random.Generator, int], pl.DataFrame]
    every: pl.DataFrame | None


def column_source(name: str, values: Values) -> Source:
    """One column by its values."""
    every = None if values.every is None else values.every.alias(name).to_frame()
    return Source((name,), lambda rng, rows: values.draw(rng, rows).alias(name).to_frame(), every)


def pool_source(pool: pl.DataFrame) -> Source:
    """Columns by rows of another dataset."""
    return Source(tuple(pool.columns), lambda rng, rows: drawn(pool, rng, rows), pool)


def size(sources: Sequence[Source], unique: tuple[str, ...]) -> int | None:
    """How many rows can differ in the unique columns; None where that is practically endless."""
    total = 1
    for source in sources:
        names = [name for name in unique if name in source.columns]
        if names and source.every is None:
            return None
        if names and source.every is not None:
            total *= source.every.select(names).n_unique()
    return total


@dataclass(frozen=True)
class Product:
    """Sources drawn without repetition: rows of all their combinations, no two alike in `unique`."""

    unique: tuple[str, ...]
    sources: tuple[Source, ...]

    @cached_property
    def _rows(self) -> pl.DataFrame:
        listed = [source.every for source in self.sources if source.every is not None]
        crossed = reduce(lambda left, right: left.join(right, how="cross"), listed)
        return crossed.unique(subset=self.unique, maintain_order=True)

    def draw(self, rng: np.random.Generator, rows: int, taken: pl.DataFrame) -> pl.DataFrame:
        """At most so many rows, none alike in `unique`, and none that is taken."""
        free = self._rows
        if taken.height:
            free = free.join(taken.select(self.unique), on=list(self.unique), how="anti", maintain_order="left")
        return free[rng.permutation(free.height)[:rows]]


def with_products(
    sources: Sequence[Source], uniques: Sequence[tuple[str, ...]], rows: int
) -> tuple[tuple[Source, ...], tuple[Product, ...]]:
    """The sources, and the products that replace those of them which would often repeat a unique value."""
    left, products = list(sources), []
    for unique in uniques:
        touched = [source for source in left if set(source.columns) & set(unique)]
        covered = {name for source in touched for name in source.columns}
        room = size(touched, unique)
        if room is None or not set(unique) <= covered or room > 8 * rows or _listed(touched) > _LARGEST:
            continue
        products.append(Product(unique, tuple(touched)))
        left = [source for source in left if source not in touched]
    return tuple(left), tuple(products)


def _listed(sources: Sequence[Source]) -> int:
    return int(np.prod([source.every.height for source in sources if source.every is not None], dtype=float))
