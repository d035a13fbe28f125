"""Rows of a contract that stay what they are: by seed, name and number of the row, however many are asked for.

`generate` draws a table as a whole, and another number of rows draws another one. Here rows are drawn in blocks, each
by a generator of its own for every column.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import polars as pl

from platform_core.contracts.dataset import Dataset
from platform_core.contracts.ruleset import rules_of
from platform_core.synthetic.draws import blocks_of
from platform_core.synthetic.errors import CannotGenerate
from platform_core.synthetic.generate import NO_REFERENCES
from platform_core.synthetic.plan import Streams, Wish, room
from platform_core.synthetic.recipes.blocks import generator
from platform_core.synthetic.windows import window_of

BLOCK = 1 << 16
"""Rows that are drawn together."""

MOST = 1_000_000
"""How many rows a table may have unless more are named."""


def synthesize(
    dataset: Dataset,
    rows: int,
    seed: int = 0,
    *,
    references: Mapping[str, pl.DataFrame] = NO_REFERENCES,
    most: int = MOST,
) -> pl.DataFrame:
    """Make so many rows that keep every rule on rows; `synthesize_batches` says what stays the same."""
    batches = synthesize_batches(dataset, rows, seed, references=references, most=most)
    return pl.concat([_empty(dataset), *batches])


def synthesize_batches(
    dataset: Dataset,
    rows: int,
    seed: int = 0,
    *,
    size: int = BLOCK,
    references: Mapping[str, pl.DataFrame] = NO_REFERENCES,
    most: int = MOST,
) -> Iterator[pl.DataFrame]:
    """Yield so many rows in batches; in memory are one block, and the values of unique columns.

    A row follows from the contract, the seed, the references, `most` and its number: more rows and batches of another
    size change none. A further column changes no other one, unless rows have to be drawn again for a rule on it.
    Rules on whole tables (numbers of rows, means, distributions) are not sought; shares of nulls and misses are kept
    from the first row of each block on.

    Args:
        dataset: The contract.
        rows: How many.
        seed: The same gives the same rows.
        size: Rows of a batch.
        references: For each reference rule, by its id, the values that are there, columns named as the rule's own.
        most: As how many rows the table is planned: so wide are ranges of keys, and so many partitions there are.
            It is less where unique columns leave room for fewer.

    Raises:
        CannotGenerate: More rows than `most` or than can differ, or a rule for which no rows were found.
    """
    rules = tuple(rule.stronger for rule in rules_of(dataset))
    wish = Wish(dataset, rules, references, window_of(dataset, most, None), most)

    def streams(*numbers: int) -> Streams:
        return lambda name: generator(seed, dataset.name, name, *numbers)

    space = room(wish, streams())
    planned = most if space is None else min(most, space)
    if rows > planned:
        fix = f"ask for {planned} rows or fewer" + (", or name most=." if planned == most else ".")
        raise CannotGenerate(dataset.name, "rows", f"{rows} are wanted, and {planned} planned.", fix)
    blocks = blocks_of(replace(wish, rows=planned), streams, size=BLOCK)
    yield from _cut(blocks, rows, size)


def _cut(blocks: Iterator[pl.DataFrame], rows: int, size: int) -> Iterator[pl.DataFrame]:
    """Cut blocks into batches of so many rows, up to a number of rows."""
    left, parts = rows, list[pl.DataFrame]()
    while left > 0:
        block = next(blocks).head(left)
        left -= block.height
        parts.append(block)
        while (there := sum(part.height for part in parts)) >= size or (there and not left):
            joined = pl.concat(parts)
            yield joined.head(size)
            parts = [joined.slice(size)]


def _empty(dataset: Dataset) -> pl.DataFrame:
    return pl.DataFrame(schema={column.name: column.dtype for column in dataset.columns})
