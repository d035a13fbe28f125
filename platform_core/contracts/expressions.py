"""Row rules as polars expressions that are true where a row is good. A null satisfies all but `not_null`."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from platform_core.contracts.rules import RowRule

WITHIN = "_within"
"""A column beside the contract's: uniqueness is judged among rows that share its value (rows of one file)."""


def holds(rule: RowRule) -> pl.Expr:
    """The expression that is true where a row satisfies `rule`; never null."""
    return _KINDS[rule.kind](rule).fill_null(value=True)


def _bound(compare: Callable[[pl.Expr, Any], pl.Expr], term: str) -> Callable[[RowRule], pl.Expr]:
    return lambda rule: compare(pl.col(rule.columns[0]), rule.parameters[term])


def _in_range(rule: RowRule) -> pl.Expr:
    terms, value = rule.parameters, pl.col(rule.columns[0])
    low = value.ge(terms["min_value"]) if terms.get("include_min", True) else value.gt(terms["min_value"])
    high = value.le(terms["max_value"]) if terms.get("include_max", True) else value.lt(terms["max_value"])
    return low & high


def _isin(rule: RowRule) -> pl.Expr:
    return pl.col(rule.columns[0]).is_in(list(rule.parameters["allowed_values"]))


def _notin(rule: RowRule) -> pl.Expr:
    return ~pl.col(rule.columns[0]).is_in(list(rule.parameters["forbidden_values"]))


def _pattern(rule: RowRule) -> str:
    pattern: str | re.Pattern[str] = rule.parameters["pattern"]
    return pattern.pattern if isinstance(pattern, re.Pattern) else str(pattern)


def _matches(rule: RowRule) -> pl.Expr:
    """Pandera's meaning: the text starts with a match."""
    pattern = _pattern(rule)
    return pl.col(rule.columns[0]).str.contains(pattern if pattern.startswith("^") else f"^(?:{pattern})")


def _contains(rule: RowRule) -> pl.Expr:
    return pl.col(rule.columns[0]).str.contains(_pattern(rule))


def _length(rule: RowRule) -> pl.Expr:
    terms, length = rule.parameters, pl.col(rule.columns[0]).str.len_chars()
    if terms.get("exact_value") is not None:
        return length.eq(terms["exact_value"])
    low, high = terms.get("min_value"), terms.get("max_value")
    return length.ge(0 if low is None else low) & (pl.lit(value=True) if high is None else length.le(high))


def _unique(rule: RowRule) -> pl.Expr:
    """The first of equal rows `WITHIN` one input is good. Rows with a null among the columns are left to `not_null`."""
    columns = [pl.col(name) for name in rule.columns]
    return pl.struct(WITHIN, *columns).is_first_distinct() | pl.any_horizontal(column.is_null() for column in columns)


def _partition(rule: RowRule) -> pl.Expr:
    """A null lies in no partition; where the column may not be null, `not_null` is to blame instead."""
    instant = pl.col(rule.columns[0])
    late_enough: pl.Expr = instant.cast(pl.Datetime("us")) >= rule.parameters["starts_at"].replace(tzinfo=None)
    return late_enough.fill_null(value=not rule.parameters["nullable"])


def _expression(rule: RowRule) -> pl.Expr:
    expr: pl.Expr = rule.parameters["holds"]
    return expr


_KINDS: Mapping[str, Callable[[RowRule], pl.Expr]] = {
    "not_null": lambda rule: pl.col(rule.columns[0]).is_not_null(),
    "eq": _bound(pl.Expr.eq, "value"),
    "ne": _bound(pl.Expr.ne, "value"),
    "gt": _bound(pl.Expr.gt, "min_value"),
    "ge": _bound(pl.Expr.ge, "min_value"),
    "lt": _bound(pl.Expr.lt, "max_value"),
    "le": _bound(pl.Expr.le, "max_value"),
    "in_range": _in_range,
    "isin": _isin,
    "notin": _notin,
    "matches": _matches,
    "contains": _contains,
    "starts_with": lambda rule: pl.col(rule.columns[0]).str.starts_with(rule.parameters["string"]),
    "ends_with": lambda rule: pl.col(rule.columns[0]).str.ends_with(rule.parameters["string"]),
    "length": _length,
    "unique": _unique,
    "partition": _partition,
    "expression": _expression,
}
