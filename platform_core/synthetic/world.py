"""One small world: a table for every dataset, each referring to rows that are really there."""

from collections.abc import Mapping, Sequence

import polars as pl

from platform_core.contracts.catalog import Catalog
from platform_core.contracts.dataset import Dataset
from platform_core.contracts.ruleset import rules_of
from platform_core.rules import Balance, ReferenceRule
from platform_core.synthetic.errors import CannotGenerate
from platform_core.synthetic.synthesis import most_rows, synthesize

NO_COUNTS: Mapping[str, int] = {}
NO_TABLES: Mapping[str, pl.DataFrame] = {}


def world(
    catalog: Catalog,
    seed: int,
    *,
    rows: int,
    counts: Mapping[str, int] = NO_COUNTS,
    given: Mapping[str, pl.DataFrame] = NO_TABLES,
) -> dict[str, pl.DataFrame]:
    """Return a table of `rows` rows by the name of each dataset, fewer where its unique columns leave room for fewer.

    Args:
        catalog: The datasets.
        seed: The same makes the same rows.
        rows: Of each table.
        counts: Of the tables that have another number of rows.
        given: Tables that are there already.

    Datasets that refer to one another in a circle are made one after the other, where a reference may be null: in the
    first of them, and in rows that refer to rows of their own table, it is.

    Raises:
        CannotGenerate: With the dataset and the rule for which no rows were found, or the circle of references.
    """
    tables: dict[str, pl.DataFrame] = dict(given)
    while missing := [dataset for name, dataset in catalog.datasets.items() if name not in tables]:
        dataset, nulls = _next(missing, tables)
        references = {**lookups(dataset, tables), **nulls}
        count = most_rows(dataset, references, counts.get(dataset.name, rows), seed)
        tables[dataset.name] = synthesize(dataset, count, seed, references=references)
    return tables


def _next(missing: Sequence[Dataset], tables: Mapping[str, pl.DataFrame]) -> tuple[Dataset, dict[str, pl.DataFrame]]:
    """Return a dataset all of whose references are there.

    Else one whose others may be null, with empty tables for these.
    """
    for dataset in missing:
        if not _absent(dataset, tables):
            return dataset, {}
    for dataset in missing:
        absent = _absent(dataset, tables)
        if all(_may_be_null(dataset, rule) for rule in absent):
            return dataset, {rule.id: _no_rows(dataset, rule) for rule in absent}
    circle = _circle(missing, tables)
    rules = ", ".join(f"{dataset.name}: {rule.id}" for dataset, rule in circle)
    first = circle[0][0]
    raise CannotGenerate(
        first.name, f"references {' → '.join([first.name, *(rule.dataset for _, rule in circle)])}",
        f"each row needs a row that needs another one ({rules}).",
        "let one of these columns be null, or leave one of the references out.",
    )  # fmt: skip


def _circle(missing: Sequence[Dataset], tables: Mapping[str, pl.DataFrame]) -> list[tuple[Dataset, ReferenceRule]]:
    """Follow references that may not be null until a dataset comes again; each dataset here has one."""
    by_name = {dataset.name: dataset for dataset in missing}
    path: list[tuple[Dataset, ReferenceRule]] = []
    dataset = missing[0]
    while all(passed is not dataset for passed, _ in path):
        rule = next(rule for rule in _absent(dataset, tables) if not _may_be_null(dataset, rule))
        path.append((dataset, rule))
        if rule.dataset not in by_name:
            raise CannotGenerate(
                dataset.name, f"rule {rule.id!r}", f"looks into {rule.dataset!r}, which is not among the datasets.",
                f"generate it as well, or give its rows; there are {', '.join(by_name) or 'none'}.",
            )  # fmt: skip
        dataset = by_name[rule.dataset]
    return path[next(place for place, (passed, _) in enumerate(path) if passed is dataset) :]


def _absent(dataset: Dataset, tables: Mapping[str, pl.DataFrame]) -> list[ReferenceRule]:
    return [rule for rule in rules_of(dataset) if isinstance(rule, ReferenceRule) and rule.dataset not in tables]


def _may_be_null(dataset: Dataset, rule: ReferenceRule) -> bool:
    columns = [dataset.column(name) for name in rule.columns]
    return all(column is not None and column.nullable for column in columns)


def _no_rows(dataset: Dataset, rule: ReferenceRule) -> pl.DataFrame:
    columns = [dataset.column(name) for name in rule.columns]
    return pl.DataFrame(schema={column.name: column.dtype for column in columns if column is not None})


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


def sides(dataset: Dataset, tables: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """By the id of each rule on balance, what the other dataset adds up to; without its table it is left out."""
    return {
        rule.id: rule.side_of(tables[rule.dataset].lazy()).collect()
        for rule in rules_of(dataset)
        if isinstance(rule, Balance) and rule.dataset in tables
    }
