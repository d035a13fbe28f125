"""Every rule is tried on two rows of nulls when it is loaded, so that none fails later on the rows that came."""

from collections.abc import Iterator

import polars as pl
from polars.exceptions import PolarsError

from platform_core.contracts.dataset import Dataset
from platform_core.contracts.ruleset import rules_of, schema_of
from platform_core.errors import Problem
from platform_core.rules import NOW, WITHIN, DatasetRule, RowRule, Rule, ValueRule
from platform_core.rules.base import Schema

_ROWS = 2
_FIX_MEASURE = "give an aggregate that is one number, such as pl.col(...).mean()."
_FIX_ROW = "give an expression that is true or false for each row, over values of the columns' own types."


def failed_trials(dataset: Dataset) -> Iterator[Problem]:
    """Yield a problem for each rule that cannot be judged on rows of the contract's types.

    All rules are tried in one select; only where it fails is each tried by itself.
    """
    names = {column.name for column in dataset.columns}
    schema = schema_of(dataset)
    sound = [rule for rule in rules_of(dataset) if not any(True for _ in rule.flaws(schema))]
    known = [rule for rule in sound if names.issuperset(rule.columns)]
    unwritten = {rule.id: fault for rule in known if (fault := _unwritten(rule))}
    for rule in known:
        if rule.id in unwritten:
            fault, fix = _told(rule, unwritten[rule.id], schema)
            yield Problem(dataset.name, f"rule {rule.id!r}", f"cannot be judged: {fault}.", fix)
    tried = [rule for rule in known if rule.id not in unwritten and _expression(rule) is not None]
    rows = _rows(dataset)
    if any(_fault(rows, *group) for group in (_of_rows(tried), _of_tables(tried)) if group):
        for rule in tried:
            fault = _fault(rows, rule)
            if fault:
                fault, fix = _told(rule, fault, schema)
                yield Problem(dataset.name, f"rule {rule.id!r}", f"cannot be judged: {fault}.", fix)


def _told(rule: Rule, fault: str, schema: Schema) -> tuple[str, str]:
    """Say why a rule cannot be judged, and what to do about it."""
    if isinstance(rule, ValueRule) and rule.values:
        given = [getattr(rule, name) for name in rule.values]
        values = ", ".join(repr(item) for value in given for item in (value if isinstance(value, tuple) else (value,)))
        column, dtype = rule.column, schema[rule.column]
        return f"{column} is {dtype}, and does not compare with {values}", f"give values that are {dtype} too."
    return fault, _FIX_MEASURE if isinstance(rule, DatasetRule) else _FIX_ROW


def _of_rows(rules: list[Rule]) -> list[Rule]:
    return [rule for rule in rules if isinstance(rule, RowRule)]


def _of_tables(rules: list[Rule]) -> list[Rule]:
    return [rule for rule in rules if isinstance(rule, DatasetRule)]


def _rows(dataset: Dataset) -> pl.DataFrame:
    schema = {column.name: column.dtype for column in dataset.columns}
    return pl.DataFrame(dict.fromkeys(schema, [None] * _ROWS), schema=schema).with_columns(
        pl.lit(0).alias(WITHIN), pl.lit(None, pl.Datetime("us", "UTC")).alias(NOW)
    )


def _expression(rule: Rule) -> pl.Expr | None:
    if isinstance(rule, DatasetRule):
        return rule.measure
    return rule.holds() if isinstance(rule, RowRule) and not rule.always_computable else None


def _unwritten(rule: Rule) -> str:
    """Why the rule has no expression, as of values of several types; empty where it has."""
    try:
        _expression(rule)
    except (TypeError, OverflowError, PolarsError) as error:
        return str(error).strip().split("\n", maxsplit=1)[0]
    return ""


def _fault(rows: pl.DataFrame, *rules: Rule) -> str:
    """Why the rules, all on rows or all on tables, cannot be judged together; empty where they can."""
    expressions = {rule.id: expression for rule in rules if (expression := _expression(rule)) is not None}
    try:
        judged = rows.select(**expressions)
    except PolarsError as error:
        return str(error).strip().split("\n", maxsplit=1)[0]
    if isinstance(rules[0], DatasetRule):
        numbers = judged.height == 1 and all(dtype.is_numeric() for dtype in judged.dtypes)
        return "" if numbers else "it is not one number"
    verdicts = judged.height in (1, _ROWS) and all(dtype == pl.Boolean for dtype in judged.dtypes)
    return "" if verdicts else "it is not true or false for each row"
