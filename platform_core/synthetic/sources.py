"""Where a plan's columns come from: values of one column, rows of a pool, a product in which no two rows are alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from platform_core.synthetic.numbering import Places, numbered, permuted
from platform_core.synthetic.pools import draw_rows
from platform_core.synthetic.values import Values

COUNTABLE = 1 << 62
"""More rows than this cannot be numbered; alike ones among them are so rare that drawing again is cheaper."""


@dataclass(frozen=True)
class Source:
    """Columns drawn together.

    Attributes:
        columns: Their names.
        draw: So many rows, drawn independently, from the row of a number on; of a pool, from its first rows, at most
            so many as `reach` says.
        counted: For some of the columns: how many rows differ in them, None where that is endless, and the rows at
            given places of these.
        serial: Whether rows that must differ are numbered upwards.
    """

    columns: tuple[str, ...]
    draw: Callable[[np.random.Generator, int, int, int | None], pl.DataFrame]
    counted: Callable[[tuple[str, ...]], tuple[int, Callable[[Places], pl.DataFrame]] | None]
    serial: bool = False


def column_source(name: str, values: Values) -> Source:
    """One column by its values."""

    def counted(_: tuple[str, ...]) -> tuple[int, Callable[[Places], pl.DataFrame]] | None:
        at = values.at
        return None if at is None else (values.count, lambda places: at(places).alias(name).to_frame())

    def draw(rng: np.random.Generator, rows: int, _: int, __: int | None) -> pl.DataFrame:
        return values.draw(rng, rows).alias(name).to_frame()

    return Source((name,), draw, counted, values.serial)


def pool_source(pool: pl.DataFrame) -> Source:
    """Columns by rows of another dataset."""

    def counted(names: tuple[str, ...]) -> tuple[int, Callable[[Places], pl.DataFrame]]:
        differing = pool.unique(subset=names, maintain_order=True, keep="first")
        return differing.height, lambda places: differing[places]

    return Source(tuple(pool.columns), lambda rng, rows, _, reach: draw_rows(pool, rng, rows, reach), counted)


def size(sources: Sequence[Source], unique: tuple[str, ...]) -> int | None:
    """How many rows can differ in the unique columns; None where that is practically endless."""
    total = 1
    for source in sources:
        names = tuple(name for name in unique if name in source.columns)
        if not names:
            continue
        counted = source.counted(names)
        if counted is None:
            return None
        total *= counted[0]
    return total if total < COUNTABLE else None


@dataclass(frozen=True)
class Product:
    """Sources drawn without repetition: rows of all their combinations, no two alike in `unique`.

    Combinations are numbered, and taken in an order that the key shuffles: no list of them is ever made, and where one
    is taken follows from how many were taken before. Serial sources go up instead, with gaps.

    Attributes:
        unique: The columns in which rows differ.
        sources: What is combined.
        count: The number of combinations.
        key: Decides the order.
    """

    unique: tuple[str, ...]
    sources: tuple[Source, ...]
    count: int
    key: int

    def draw(self, cursor: int, rows: int) -> pl.DataFrame:
        """At most so many rows from the cursor on; behind the last combination follows the first again."""
        order = np.arange(cursor, cursor + min(rows, self.count), dtype=np.uint64) % np.uint64(self.count)
        serial = len(self.sources) == 1 and self.sources[0].serial
        places = numbered(order, self.key) if serial else permuted(order, self.count, self.key)
        frames = []
        for source in self.sources:
            counted = source.counted(tuple(name for name in self.unique if name in source.columns))
            assert counted is not None  # noqa: S101 - for the type checker: `with_products` takes no other
            count, at = counted
            frames.append(at(places % count))
            places = places // count
        return pl.concat(frames, how="horizontal")


def with_products(
    sources: Sequence[Source], uniques: Sequence[tuple[str, ...]], key: Callable[[str], int]
) -> tuple[tuple[Source, ...], tuple[Product, ...]]:
    """Return the sources, and the products that replace those of them whose rows must differ and can be numbered."""
    remaining, products = list(sources), []
    for unique in uniques:
        touched = [source for source in remaining if set(source.columns) & set(unique)]
        covered = {name for source in touched for name in source.columns}
        count = size(touched, unique)
        if count is None or not touched or not set(unique) <= covered:
            continue
        products.append(Product(unique, tuple(touched), count, key(",".join(unique))))
        remaining = [source for source in remaining if source not in touched]
    return tuple(remaining), tuple(products)
