"""Rows that tell two transforms apart: generated ones, gathered into groups, with the numbers that the code names.

Rows that are drawn one by one hardly ever share a day, and hardly ever have the very number at which a comparison
turns. So dates and texts are taken over from a few rows, which makes groups of several, and numbers become those that a
transform names, one more and one less. What breaks its contract by that is left out again.
"""

from collections.abc import Collection, Mapping

import numpy as np
import polars as pl

from platform_core.contracts import Catalog, Dataset
from platform_core.errors import ShapeError
from platform_core.quality import conform, judge
from platform_core.synthetic import lookups, world
from platform_core.synthetic.verdicts import latest

_GROUP, _LED, _NAMED = 12, 0.8, 0.12
"""Rows of a group; the share of rows that take a leader's values; the share of numbers that become named ones."""


def designed_tables(catalog: Catalog, seed: int, *, rows: int, numbers: Collection[float]) -> dict[str, pl.DataFrame]:
    """Generate a table for each dataset, whose rows pass its contract and agree with those of the others.

    Raises:
        CannotGenerate: For a contract no rows were found.
    """
    tables, rng = world(catalog, seed, rows=rows), np.random.default_rng(seed)
    for name in list(tables):
        tables[name] = _designed(catalog[name], tables, rng, sorted(numbers))
    return tables


def _designed(
    dataset: Dataset, tables: Mapping[str, pl.DataFrame], rng: np.random.Generator, numbers: list[float]
) -> pl.DataFrame:
    drawn = tables[dataset.name]
    if drawn.is_empty():
        return drawn
    gathered = _gathered(drawn, rng)
    candidates = pl.concat([_with_numbers(gathered, rng, numbers), gathered, drawn])
    if dataset.key:
        candidates = candidates.unique(list(dataset.key), keep="first", maintain_order=True)
    try:
        conformed = conform(candidates, dataset)
    except ShapeError:
        return drawn
    references, now = lookups(dataset, tables), latest(drawn, dataset)
    judged = judge(conformed.frame, dataset, references, unreadable=conformed.unreadable, now=now)
    return judged.valid.select(drawn.columns).head(drawn.height)


def _gathered(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Let most rows take dates, texts and truths over from one of a few leaders."""
    leaders = rng.integers(0, max(1, rows.height // _GROUP), rows.height)
    places = np.where(rng.random(rows.height) < _LED, leaders, np.arange(rows.height))
    led = [name for name, kind in rows.schema.items() if not kind.is_numeric() and not kind.is_nested()]
    return rows.with_columns(rows.get_column(name).gather(places) for name in led)


def _with_numbers(rows: pl.DataFrame, rng: np.random.Generator, numbers: list[float]) -> pl.DataFrame:
    columns = []
    for name, kind in rows.schema.items():
        named = [nearby for number in numbers for nearby in (number, number + 1, number - 1)]
        if kind.is_integer():
            named = [number for number in named if number == int(number)]
        if kind.is_numeric() and named:
            drawn = pl.Series(rng.choice(named, rows.height)).cast(kind, strict=False)
            chosen = pl.Series(rng.random(rows.height) < _NAMED)
            columns.append(pl.when(chosen & pl.col(name).is_not_null()).then(drawn).otherwise(pl.col(name)).alias(name))
    return rows.with_columns(columns)
