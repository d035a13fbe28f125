"""Tables by recipe: columns drawn block by block, so that a table of any size is made in chunks."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from platform_core.synthetic.recipes.blocks import BLOCK, drawn, generator
from platform_core.synthetic.recipes.columns import ColumnRecipe, correlated

CHUNK = 32 * BLOCK
"""Rows of a chunk: some tens of megabytes."""


@dataclass(frozen=True, kw_only=True)
class TableRecipe:
    """A table: its columns, how many rows, and pairs of columns whose ranks go together, with the coefficient."""

    name: str
    columns: tuple[ColumnRecipe, ...]
    rows: int = 1000
    correlations: tuple[tuple[str, str, float], ...] = ()


def table_rows(recipe: TableRecipe, seed: int, *, start: int, rows: int) -> pl.DataFrame:
    """Make rows [start, start + rows); the same whatever else was asked for."""
    if not recipe.correlations:
        return _draw_table(recipe, seed, start, rows)
    pairs = {(first, second): coefficient for first, second, coefficient in recipe.correlations}
    blocks = [
        correlated(_draw_table(recipe, seed, block * BLOCK, BLOCK), pairs, generator(seed, recipe.name, "", block))
        for block in range(start // BLOCK, max(start, start + rows - 1) // BLOCK + 1)
    ]
    return pl.concat(blocks).slice(start % BLOCK, rows)


def table_chunks(recipe: TableRecipe, seed: int, rows: int | None = None) -> Iterator[pl.DataFrame]:
    """Yield the table in chunks, in order; at least one, so that an empty table has its columns."""
    wanted_rows = recipe.rows if rows is None else rows
    for start in range(0, max(wanted_rows, 1), CHUNK):
        yield table_rows(recipe, seed, start=start, rows=min(CHUNK, wanted_rows - start))


def _draw_table(recipe: TableRecipe, seed: int, start: int, rows: int) -> pl.DataFrame:
    return pl.DataFrame([
        drawn(column.draw, seed, recipe.name, column.chance, start=start, rows=rows).alias(column.name)
        for column in recipe.columns
    ])  # fmt: skip
