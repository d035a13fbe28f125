"""Chance by name: each column has, for each block of rows, a generator of its own.

A value follows from the seed, the names of its table and column, and the number of its row. More rows, other chunks
or one more column therefore never change a value that was there before. The words are hashed by BLAKE2b, and the
generator is Philox, whose stream NumPy keeps over machines.
"""

import hashlib
from collections.abc import Callable

import numpy as np
import polars as pl

BLOCK = 8192
"""Rows of a block. A generator costs some 20 microseconds, a ten-thousandth of a second at most for its rows."""

Draw = Callable[[np.random.Generator, int, int], pl.Series]
"""From a generator, the number of the first row and a number of rows to values."""


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Make the generator of a name below a seed; the same for the same words, on any machine."""
    words = "\0".join([str(seed), *map(str, names)]).encode()
    key = np.frombuffer(hashlib.blake2b(words, digest_size=16).digest(), dtype="<u8")
    return np.random.Generator(np.random.Philox(key=key))


def drawn(draw: Draw, seed: int, table: str, column: str, *, start: int, rows: int) -> pl.Series:
    """Draw the values of rows [start, start + rows) of a column.

    Whole blocks are drawn and cut, so that where a chunk begins changes nothing.
    """
    first, last = start // BLOCK, max(start, start + rows - 1) // BLOCK
    blocks = [draw(generator(seed, table, column, block), block * BLOCK, BLOCK) for block in range(first, last + 1)]
    joined = pl.concat(blocks) if len(blocks) > 1 else blocks[0]
    return joined.slice(start - first * BLOCK, rows).alias(column)
