"""What a contract's `synthetic` section, or a recipe of the same name, says of its generated rows beyond the rules.

A section has the words of a recipe's table: `{"schema": [{"name": ..., "distribution": ...}], "correlations": [...]}`.
Types, keys and references stay the contract's, and so do its rules: a value that a section gives and a rule refuses is
drawn again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from typing import Any

import numpy as np
import polars as pl

from platform_core.contracts.columns import Column
from platform_core.contracts.dataset import Dataset
from platform_core.contracts.ruleset import rules_of
from platform_core.errors import ContractError, Problem
from platform_core.plugins import GENERATORS, load_plugins
from platform_core.rules import ReferenceRule, ValueRule
from platform_core.rules.intervals import everything, line_of
from platform_core.synthetic.people import people
from platform_core.synthetic.recipes.columns import MICROSECONDS, ColumnRecipe
from platform_core.synthetic.recipes.parsing import refined_table
from platform_core.synthetic.sources import Source
from platform_core.synthetic.values import NoValueError

_PROBE, _TRIES = 256, 64
_BOUNDED = {"uniform", "beta"}


@dataclass(frozen=True)
class Refinement:
    """What a section says, read.

    Attributes:
        columns: How the values of a column are made.
        nulls: The share of nulls, where it is said.
        correlations: Pairs of columns whose ranks go together, with the coefficient.
    """

    columns: Mapping[str, ColumnRecipe]
    nulls: Mapping[str, float]
    correlations: Mapping[tuple[str, str], float]


NOTHING = Refinement({}, {}, {})


def refinement_of(dataset: Dataset) -> Refinement:
    """Read the section of a dataset.

    Raises:
        ContractError: With every word of it that cannot be meant.
    """
    if dataset.synthetic is None:
        return NOTHING
    kinds = {column.name: _kind(column.dtype) for column in dataset.columns}
    generators = load_plugins(GENERATORS) if "generator" in str(dataset.synthetic) else {}
    table, problems = refined_table(dataset.synthetic, dataset.name, kinds, generators)
    columns = {recipe.name: recipe for recipe in table.columns}
    said_by_column = _said(dataset.synthetic)
    problems += _problems(dataset, columns, said_by_column, [name for pair in table.correlations for name in pair[:2]])
    if problems:
        raise ContractError(problems)
    nulls = {name: recipe.null_rate for name, recipe in columns.items() if "null_rate" in said_by_column[name]}
    drawn = {name: replace(recipe, null_rate=0.0) for name, recipe in columns.items() if said_by_column[name] - _BESIDE}
    return Refinement(drawn, nulls, {(first, second): value for first, second, value in table.correlations})


_BESIDE = {"name", "null_rate"}


def merged(declared: Mapping[str, Any] | None, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Put a recipe's table over a declared section: columns of one name are the recipe's."""
    schema = {str(column.get("name")): column for section in (declared or {}, given)
              for column in section.get("schema") or () if isinstance(column, Mapping)}  # fmt: skip
    correlations = given.get("correlations") or (declared or {}).get("correlations") or []
    return {"schema": list(schema.values()), "correlations": correlations}


def _said(section: Mapping[str, Any]) -> dict[str, set[str]]:
    columns = section.get("schema") or ()
    return {str(column.get("name")): set(column) for column in columns if isinstance(column, Mapping)}


def _problems(
    dataset: Dataset,
    columns: Mapping[str, ColumnRecipe],
    said_by_column: Mapping[str, set[str]],
    correlated: Sequence[str],
) -> Iterator[Problem]:
    rules = rules_of(dataset)
    references = {name: rule for rule in rules if isinstance(rule, ReferenceRule) for name in rule.columns}
    for name, recipe in columns.items():
        culprit, column = f"synthetic: column {name!r}", dataset.column(name)
        if column is None:
            continue  # told already
        if recipe.null_rate and not column.nullable:
            yield Problem(dataset.name, culprit, f"has a null_rate of {recipe.null_rate:g}, and may not be null.",
                          "leave null_rate out, or declare nullable=True.")  # fmt: skip
        if name in references and said_by_column[name] - _BESIDE:
            yield Problem(dataset.name, culprit, f"takes its values from {references[name].dataset}.",
                          "say null_rate alone, or refine the column that it refers to.")  # fmt: skip
    kept_apart = {*references, *dataset.key, *(column.name for column in dataset.columns if column.unique)}
    for name in dict.fromkeys(correlated):
        if name in kept_apart:
            yield Problem(dataset.name, f"synthetic: correlations: {name!r}", "is a key or refers to another dataset.",
                          "correlate columns of free values.")  # fmt: skip


def _kind(dtype: pl.DataType) -> str | None:
    """Return the type of a recipe's column for a contract's; None where a recipe has no such values."""
    if dtype.is_integer():
        return "integer"
    if dtype.is_float() or isinstance(dtype, pl.Decimal):
        return "float"
    if isinstance(dtype, pl.Datetime):
        return "timestamp"
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        return "string"
    return {pl.Boolean: "boolean", pl.Date: "date"}.get(type(dtype))


def refined_sources(
    dataset: Dataset,
    refinement: Refinement,
    rules: Mapping[str, Sequence[ValueRule]],
    window: tuple[datetime, datetime],
    chance: np.random.Generator,
) -> list[Source]:
    """Return the sources of the refined columns; all columns of a person are one.

    Args:
        dataset: The contract.
        refinement: Of the columns that are wanted.
        rules: By column, what holds.
        window: Where instants lie when neither rules nor section say so: closed, open.
        chance: For trying values.

    Raises:
        NoValueError: No value of a section passes the rules.
    """
    groups: dict[str, list[ColumnRecipe]] = {}
    for name, recipe in refinement.columns.items():
        group = f"a person of {recipe.countries}" if recipe.person is not None else name
        groups.setdefault(group, []).append(recipe)
    sources = []
    for recipes in groups.values():
        columns = [column for recipe in recipes if (column := dataset.column(recipe.name)) is not None]
        rules_held = [rule for recipe in recipes for rule in rules.get(recipe.name, ())]
        bounded = [_bounded(recipe, column, rules.get(recipe.name, ()), window)
                   for recipe, column in zip(recipes, columns, strict=True)]  # fmt: skip
        sources.append(_source(bounded, columns, rules_held, chance))
    return sources


def _bounded(
    recipe: ColumnRecipe, column: Column, rules: Sequence[ValueRule], window: tuple[datetime, datetime]
) -> ColumnRecipe:
    """Return the recipe with the contract's bounds, where it needs some and says none."""
    line = line_of(column.dtype)
    if recipe.low is not None or recipe.high is not None or line is None:
        return recipe
    if recipe.type in {"timestamp", "date"}:
        return replace(recipe, low=window[0], high=window[1] - MICROSECONDS)
    if recipe.distribution not in _BOUNDED or recipe.values or recipe.generator or recipe.mixture:
        return recipe
    allowed = reduce(lambda together, rule: together & rule.allowed(line), rules, everything(line))
    if not allowed or not rules:
        return recipe
    low, high = (float(end) / 10 ** getattr(column.dtype, "scale", 0)
                 for end in (allowed.pieces[0][0], allowed.pieces[-1][1]))  # fmt: skip
    wide = everything(line).pieces
    is_open = allowed.pieces[0][0] == wide[0][0] or allowed.pieces[-1][1] == wide[-1][1]
    return recipe if is_open else replace(recipe, low=low, high=high)


def _source(
    recipes: Sequence[ColumnRecipe], columns: Sequence[Column], rules: Sequence[ValueRule], rng: np.random.Generator
) -> Source:
    names = tuple(recipe.name for recipe in recipes)
    probe = _passing(_drawn(recipes, columns, rng, 0, _PROBE), rules)
    if probe.is_empty():
        raise NoValueError(f"none of {_PROBE} values drawn as its synthetic section says satisfies the rules together.")
    share = probe.height / _PROBE

    def draw(rng: np.random.Generator, rows: int, start: int, _: int | None) -> pl.DataFrame:
        passing = probe.clear()
        for _try in range(_TRIES):
            missing_rows = rows - passing.height
            if missing_rows <= 0:
                break
            size = missing_rows if share == 1 and not passing.height else int(missing_rows / share * 1.1) + 8
            more = _passing(_drawn(recipes, columns, rng, start + passing.height, size), rules)
            passing = more if passing.is_empty() else pl.concat([passing, more])
        if passing.height < rows:
            raise NoValueError(
                f"{rows} values were wanted, {passing.height} found that the rules and the section allow."
            )
        return passing.head(rows)

    return Source(names, draw, lambda _: None)


def _drawn(
    recipes: Sequence[ColumnRecipe], columns: Sequence[Column], rng: np.random.Generator, start: int, rows: int
) -> pl.DataFrame:
    if recipes[0].person is None:
        drawn = [recipes[0].draw(rng, start, rows)]
    else:
        folk = people(rng, start + 1, rows, dict(recipes[0].countries))
        drawn = [folk[recipe.person] for recipe in recipes if recipe.person is not None]
    return pl.DataFrame([_typed(values, column) for values, column in zip(drawn, columns, strict=True)])


def _typed(values: pl.Series, column: Column) -> pl.Series:
    """Return the values in the column's type; null where it has no such value."""
    if isinstance(values.dtype, pl.Datetime) and isinstance(column.dtype, pl.Datetime) and not column.dtype.time_zone:
        values = values.dt.replace_time_zone(None)
    return values.cast(column.dtype, strict=False).alias(column.name)


def _passing(rows: pl.DataFrame, rules: Sequence[ValueRule]) -> pl.DataFrame:
    conditions = [rule.holds() for rule in rules]
    filled = rows.drop_nulls()
    return filled.filter(conditions) if conditions else filled
