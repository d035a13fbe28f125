"""Rows of other datasets that references lead to: drawn from, so that foreign keys are found."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from platform_core.rules import ReferenceRule, ValueRule


def pools_of(
    rules: Sequence[ReferenceRule],
    references: Mapping[str, pl.DataFrame],
    value_rules: Sequence[ValueRule],
    broken: ValueRule | None,
) -> tuple[pl.DataFrame, ...]:
    """Frames whose rows satisfy the reference rules; rules that share a column are answered by one frame.

    Rows are left out that the rules on the columns' own values do not allow, or that do not break the broken one.
    Pools keep the order of the references: rows that are added at their end change nothing for rows drawn before.
    """
    pools: list[pl.DataFrame] = []
    for rule in rules:
        pool = _allowed(_each_once(references[rule.id], rule), value_rules, broken)
        apart = [other for other in pools if not set(other.columns) & set(pool.columns)]
        for other in (other for other in pools if set(other.columns) & set(pool.columns)):
            pool = other.join(pool, on=[name for name in pool.columns if name in other.columns], maintain_order="left")
        pools = [*apart, pool]
    return tuple(pools)


def _each_once(target_rows: pl.DataFrame, rule: ReferenceRule) -> pl.DataFrame:
    return target_rows.select(rule.columns).drop_nulls().unique(maintain_order=True)


def _allowed(pool: pl.DataFrame, rules: Sequence[ValueRule], broken: ValueRule | None) -> pl.DataFrame:
    conditions = [rule.holds() for rule in rules if rule.columns[0] in pool.columns]
    if broken is not None and broken.columns[0] in pool.columns:
        conditions.append(~broken.holds())
    return pool.filter(conditions) if conditions else pool


def is_found(frame: pl.DataFrame, rule: ReferenceRule, references: Mapping[str, pl.DataFrame]) -> pl.Series:
    """Return whether the row's values are all there and are found in the other dataset."""
    names = list(rule.columns)
    keys = references[rule.id].select(names).drop_nulls().unique().with_columns(pl.lit(value=True).alias("_found"))
    joined = frame.select(names).join(keys, on=names, how="left", maintain_order="left")
    return joined["_found"].fill_null(value=False)


def draw_rows(pool: pl.DataFrame, rng: np.random.Generator, rows: int, reach: int | None) -> pl.DataFrame:
    """Rows of a frame drawn with repetition, of the first `reach` rows only where that is named.

    Of keys of one column the first ones are drawn oftener, since a few have many followers: the first hundredth ten
    times as often as its share, the last half half as often. Keys of several columns, mostly places in time, are drawn
    evenly.
    """
    most = pool.height if reach is None else min(pool.height, reach)
    return pool[(rng.random(rows) ** (2 if pool.width == 1 else 1) * most).astype(np.int64)]
