"""Rows that tell two transforms apart: generated ones, gathered into groups, with the numbers that the code names.

Rows that are drawn one by one hardly ever share a day, and hardly ever have the very number at which a comparison
turns. So dates and texts are taken over from a few rows, which makes groups of several, numbers become those that a
transform names, one more and one less, and some values become null. What breaks its contract by that is left out again.
"""

from collections.abc import Collection, Mapping

import numpy as np
import polars as pl

from platform_core.contracts import Catalog, Dataset, ReferenceRule, rules_of
from platform_core.errors import ShapeError
from platform_core.quality import conform, judge
from platform_core.rules import ValueRule
from platform_core.synthetic import lookups, world
from platform_core.synthetic.verdicts import latest

_GROUP, _LED, _APART = 12, 0.8, 0.5
"""Rows of a group; the share of rows that take a leader's values; of those, the share that take each from another."""

_FEW = 4
"""Rows for each row that they refer to by several columns."""

_NAMED, _COMPARED, _NULL = 0.12, 0.5, 0.08
"""The shares of numbers that become ones the code names anywhere, or beside the column; of values that become null."""

ANYWHERE = ""
"""The name that numbers stand under which the code names beside no column."""

Numbers = Mapping[str, Collection[float]]
"""Numbers that the code names, by the column that it compares with them."""


def designed_tables(catalog: Catalog, seed: int, *, rows: int, numbers: Numbers) -> dict[str, pl.DataFrame]:
    """Generate a table for each dataset, whose rows pass its contract and agree with those of the others.

    Raises:
        CannotGenerate: For a contract no rows were found.
    """
    tables, rng = world(catalog, seed, rows=rows), np.random.default_rng(seed)
    for name in list(tables):
        tables[name] = _designed(catalog[name], tables, rng, numbers)
    return tables


def _designed(
    dataset: Dataset, tables: Mapping[str, pl.DataFrame], rng: np.random.Generator, numbers: Numbers
) -> pl.DataFrame:
    drawn = tables[dataset.name]
    if drawn.is_empty():
        return drawn
    gathered = _referring(_gathered(drawn, rng), dataset, tables, rng)
    candidates = pl.concat([_with_nulls(_with_numbers(gathered, dataset, rng, numbers), dataset, rng), gathered, drawn])
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
    """Let most rows take dates, texts and truths over from few leaders: from one, or each column from another one."""
    groups = max(1, rows.height // _GROUP)
    leaders, own = rng.integers(0, groups, rows.height), np.arange(rows.height)
    is_led, is_apart = rng.random(rows.height) < _LED, rng.random(rows.height) < _APART
    columns = []
    for name, kind in rows.schema.items():
        if not kind.is_numeric() and not kind.is_nested():
            places = np.where(is_apart, rng.integers(0, groups, rows.height), leaders)
            columns.append(rows.get_column(name).gather(np.where(is_led, places, own)))
    return rows.with_columns(columns)


def _referring(
    rows: pl.DataFrame, dataset: Dataset, tables: Mapping[str, pl.DataFrame], rng: np.random.Generator
) -> pl.DataFrame:
    """Let most rows refer by several columns together to a few rows that are there: a join has something to find."""
    for rule in rules_of(dataset):
        target = tables.get(rule.dataset) if isinstance(rule, ReferenceRule) and len(rule.columns) > 1 else None
        if target is None or target.is_empty() or not isinstance(rule, ReferenceRule):
            continue
        places = rng.integers(0, min(target.height, max(1, rows.height // _FEW)), rows.height)
        chosen = pl.Series(rng.random(rows.height) < _LED)
        rows = rows.with_columns(
            pl.when(chosen).then(target.get_column(to).gather(places)).otherwise(pl.col(own)).alias(own)
            for own, to in zip(rule.columns, rule.to, strict=True)
        )
    return rows


def _with_numbers(rows: pl.DataFrame, dataset: Dataset, rng: np.random.Generator, numbers: Numbers) -> pl.DataFrame:
    columns = []
    for name, kind in rows.schema.items():
        if not kind.is_numeric():
            continue
        share = _COMPARED if name in numbers else _NAMED
        named = [nearby for number in sorted(numbers.get(name, numbers.get(ANYWHERE, ())))
                 for nearby in (number, number + 1, number - 1)]  # fmt: skip
        if kind.is_integer():
            named = [int(number) for number in named if number == int(number)]
        own_rules = [rule for rule in rules_of(dataset) if isinstance(rule, ValueRule) and rule.columns == (name,)]
        named = [number for number in named if all(rule.accepts(number) for rule in own_rules)]
        if named:
            drawn = pl.Series(rng.choice(named, rows.height)).cast(kind, strict=False)
            chosen = pl.Series(rng.random(rows.height) < share)
            columns.append(pl.when(chosen & pl.col(name).is_not_null()).then(drawn).otherwise(pl.col(name)).alias(name))
    return rows.with_columns(columns)


def _with_nulls(rows: pl.DataFrame, dataset: Dataset, rng: np.random.Generator) -> pl.DataFrame:
    """Let some values be null in every column that may have nulls: a branch of the code for them is taken, too."""
    may_be_null = [column.name for column in dataset.columns if column.nullable and column.name not in dataset.key]
    return rows.with_columns(
        pl.when(pl.Series(rng.random(rows.height) >= _NULL)).then(pl.col(name)).alias(name) for name in may_be_null
    )
