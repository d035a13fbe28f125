"""What every reader hands on: a schema, and the rows in frames, again as often as they are asked for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import polars as pl

Frames = Callable[[], Iterator[pl.DataFrame]]
Conform = Callable[[pl.DataFrame], tuple[pl.DataFrame, pl.DataFrame]]
"""Rows as they came, in; the same rows typed, and of each cell whether it could not be read, out."""


@dataclass(frozen=True)
class Rows:
    """The rows of a source.

    Attributes:
        schema: Of every frame.
        frames: Begins to read, from the first row, in order.
        query: The DuckDB statement that says the same, where there is one.
        total: How many rows there are, where that is known before.
        count: Counts them by another way than the one that reads them, where there is one.
    """

    schema: pl.Schema
    frames: Frames
    query: str | None = None
    total: int | None = None
    count: Callable[[], int] | None = None
