"""One small world: a table for every dataset, each referring to rows that are really there."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from platform_core.contracts.catalog import Catalog
from platform_core.contracts.dataset import Dataset
from platform_core.contracts.ruleset import rules_of
from platform_core.rules import ReferenceRule
from platform_core.synthetic.generate import generate
from platform_core.synthetic.plan import Wish, room
from platform_core.synthetic.windows import window_of


def world(catalog: Catalog, rng: np.random.Generator, *, rows: int) -> dict[str, pl.DataFrame]:
    """A table of `rows` rows by the name of each dataset, fewer where its unique columns leave room for fewer.

    Raises:
        CannotGenerate: With the dataset and the rule for which no rows were found.
    """
    tables: dict[str, pl.DataFrame] = {}
    while missing := [dataset for name, dataset in catalog.datasets.items() if name not in tables]:
        dataset = next(each for each in missing if _above(catalog, each) <= tables.keys())
        references = lookups(dataset, tables)
        wish = Wish(dataset, rules_of(dataset), references, window_of(dataset, rows, None), rows)
        most = room(wish, rng)
        tables[dataset.name] = generate(dataset, rows if most is None else min(rows, most), rng, references=references)
    return tables


def lookups(dataset: Dataset, tables: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """By the id of each reference rule, the values that are there, columns named as the rule's own.

    A rule whose table is not given is left out.
    """
    return {
        rule.id: tables[rule.dataset].select(
            pl.col(into).alias(own) for own, into in zip(rule.columns, rule.to, strict=True)
        )
        for rule in rules_of(dataset)
        if isinstance(rule, ReferenceRule) and rule.dataset in tables
    }


def _above(catalog: Catalog, dataset: Dataset) -> set[str]:
    return {rule.dataset for rule in catalog.references_of(dataset)} - {dataset.name}
