"""Great Expectations suites (1.x, JSON) as rules, and rules as a suite.

An expectation with a counterpart becomes a rule on the same rows; the others are named, none is dropped without a word.
Severities: `critical` is an error, `warning` and `info` are warnings; a suite of before severities fails on any.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from platform_core.contracts import Dataset, Rule, complete, expression, measure, quantile, rules_of, unique, volume
from platform_core.rules import Severity, Unique, id_of
from platform_core.rules.bounds import InRange
from platform_core.rules.completeness import Complete
from platform_core.rules.sets import IsIn, NotIn
from platform_core.rules.texts import Length, Matches
from platform_core.rules.volume import Volume

_META = "platform_rule"
_ANY_MISSING = "any_value_is_missing"
Terms = Mapping[str, Any]


@dataclass(frozen=True)
class ImportedSuite:
    """Rules of a suite, and the expectations that have no counterpart."""

    name: str
    rules: Sequence[Rule]
    left_out: Sequence[str]


def from_suite(suite: Mapping[str, Any]) -> ImportedSuite:
    """Return the rules of a suite."""
    rules, left_out = list[Rule](), []
    for place, expectation in enumerate(suite.get("expectations", ())):
        kind = str(expectation.get("type") or expectation.get("expectation_type"))
        terms = {name: value for name, value in expectation.get("kwargs", {}).items() if value is not None}
        build = _IMPORTED.get(kind)
        built = build(_Expectation(kind, terms, _severity(expectation), place)) if build else None
        if built is None:
            reason = f": {_WITHOUT[kind]}" if kind in _WITHOUT else ""
            left_out.append(f"{kind} {terms.get('column', '')}".strip() + reason)
        else:
            rules += built if isinstance(built, list) else [built]
    return ImportedSuite(str(suite.get("name") or suite.get("expectation_suite_name") or "suite"), rules, left_out)


def _severity(expectation: Mapping[str, Any]) -> Severity:
    return "warn" if expectation.get("severity") in ("warning", "info") else "error"


@dataclass(frozen=True)
class _Expectation:
    """An expectation as it came."""

    kind: str
    terms: Terms
    severity: Severity
    place: int

    @property
    def column(self) -> str:
        """The column it speaks of."""
        return str(self.terms["column"])

    @property
    def whole(self) -> bool:
        """Whether every row must keep it; `mostly` allows for some that do not."""
        return float(self.terms.get("mostly", 1.0)) >= 1.0

    @property
    def common(self) -> dict[str, Any]:
        """What every rule takes from it."""
        return {"severity": self.severity}

    def named(self, suffix: str) -> str:
        """Return the id of a rule on its column."""
        return id_of([self.column] if "column" in self.terms else [], suffix).strip("_")

    def share(self, holds: pl.Expr, suffix: str) -> Rule:
        """Return a rule that so many of the rows with a value keep the condition."""
        mostly = float(self.terms["mostly"])
        return measure(
            self.named(f"{suffix}_mostly"), holds.mean(), at_least=mostly, severity=self.severity, over="table"
        )


def _not_null(expectation: _Expectation) -> Rule:
    mostly = float(expectation.terms.get("mostly", 1.0))
    return complete(expectation.column, at_least=mostly, severity=expectation.severity, over="table")


def _null(expectation: _Expectation) -> Rule:
    condition = pl.col(expectation.column).is_null()
    return expression(expectation.named("null"), condition, severity=expectation.severity)


def _in_set(expectation: _Expectation) -> Rule:
    values = tuple(expectation.terms["value_set"])
    if not expectation.whole:
        return expectation.share(pl.col(expectation.column).is_in(list(values)), "isin")
    return IsIn(columns=(expectation.column,), allowed_values=values, **expectation.common)


def _not_in_set(expectation: _Expectation) -> Rule:
    values = tuple(expectation.terms["value_set"])
    return NotIn(columns=(expectation.column,), forbidden_values=values, **expectation.common)


def _between(expectation: _Expectation) -> Rule | None:
    low, high = expectation.terms.get("min_value"), expectation.terms.get("max_value")
    value = pl.col(expectation.column)
    condition = pl.lit(value=True)
    if low is not None:
        condition = condition & (value > low if expectation.terms.get("strict_min") else value >= low)
    if high is not None:
        condition = condition & (value < high if expectation.terms.get("strict_max") else value <= high)
    if low is None and high is None:
        return None
    if not expectation.whole:
        return expectation.share(condition, "between")
    return expression(expectation.named("between"), condition, severity=expectation.severity)


def _matches(expectation: _Expectation) -> Rule:
    """Great Expectations searches anywhere in the text."""
    condition = pl.col(expectation.column).str.contains(str(expectation.terms["regex"]))
    if not expectation.whole:
        return expectation.share(condition, "regex")
    return expression(expectation.named("regex"), condition, severity=expectation.severity)


def _lengths(expectation: _Expectation) -> Rule:
    terms: dict[str, Any] = {
        "min_value": expectation.terms.get("min_value"),
        "max_value": expectation.terms.get("max_value"),
    }
    exact = expectation.terms.get("value")
    terms |= {"exact_value": exact} if exact is not None else {}
    return Length(columns=(expectation.column,), **terms, **expectation.common)


def _unique(expectation: _Expectation) -> Rule:
    return unique(expectation.column, severity=expectation.severity)


def _compound(expectation: _Expectation) -> list[Rule]:
    """Great Expectations compares rows with some nulls too, unless it is told to leave them out; `unique` does not."""
    columns = list(map(str, expectation.terms["column_list"]))
    rule = unique(*columns, severity=expectation.severity)
    ignored = expectation.terms.get("ignore_row_if", "all_values_are_missing")
    if ignored == _ANY_MISSING:
        return [rule]
    nulls = [pl.col(column).is_null() for column in columns]
    compared = pl.any_horizontal(nulls)
    if ignored == "all_values_are_missing":
        compared &= ~pl.all_horizontal(nulls)
    repeated = (pl.struct(columns).is_duplicated() & compared).sum()
    name = id_of(columns, "repeated_with_nulls")
    return [rule, measure(name, repeated, at_most=0, severity=expectation.severity, over="table")]


def _rows(expectation: _Expectation) -> Rule:
    exact = expectation.terms.get("value")
    low, high = expectation.terms.get("min_value", exact), expectation.terms.get("max_value", exact)
    return volume(at_least=low, at_most=high, severity=expectation.severity, over="table")


def _pair(expectation: _Expectation) -> Rule:
    one, other = (pl.col(str(expectation.terms[name])) for name in ("column_A", "column_B"))
    condition = one >= other if expectation.terms.get("or_equal") else one > other
    name = id_of([str(expectation.terms["column_A"])], f"above_{expectation.terms['column_B']}")
    return expression(name, condition, severity=expectation.severity)


def _equal_pair(expectation: _Expectation) -> Rule:
    names = [str(expectation.terms[name]) for name in ("column_A", "column_B")]
    condition = pl.col(names[0]) == pl.col(names[1])
    return expression(id_of(names, "equal"), condition, severity=expectation.severity)


def _aggregate(suffix: str, of: Callable[[pl.Expr], pl.Expr]) -> Callable[[_Expectation], Rule]:
    def build(expectation: _Expectation) -> Rule:
        low, high = expectation.terms.get("min_value"), expectation.terms.get("max_value")
        return measure(expectation.named(suffix), of(pl.col(expectation.column)), at_least=low, at_most=high,
                       severity=expectation.severity, over="table")  # fmt: skip

    return build


def _distinct(value: pl.Expr) -> pl.Expr:
    return value.drop_nulls().n_unique()


def _texts(suffix: str, of: Callable[[pl.Expr, _Expectation], pl.Expr]) -> Callable[[_Expectation], Rule]:
    def build(expectation: _Expectation) -> Rule:
        condition = of(pl.col(expectation.column), expectation)
        if not expectation.whole:
            return expectation.share(condition, suffix)
        return expression(expectation.named(suffix), condition, severity=expectation.severity)

    return build


def _any_regex(value: pl.Expr, expectation: _Expectation) -> pl.Expr:
    conditions = [value.str.contains(str(pattern)) for pattern in expectation.terms["regex_list"]]
    return (
        pl.all_horizontal(conditions) if expectation.terms.get("match_on") == "all" else pl.any_horizontal(conditions)
    )


def _no_regex(value: pl.Expr, expectation: _Expectation) -> pl.Expr:
    return ~pl.any_horizontal([value.str.contains(str(pattern)) for pattern in expectation.terms["regex_list"]])


def _like(value: pl.Expr, patterns: Sequence[object]) -> pl.Expr:
    """SQL's LIKE: `%` stands for any text, `_` for any character."""
    spelled = ["".join({"%": ".*", "_": "."}.get(char, re.escape(char)) for char in str(one)) for one in patterns]
    return pl.any_horizontal([value.str.contains(f"(?s)^(?:{one})$") for one in spelled])


def _contained(expectation: _Expectation) -> Rule:
    required_values = list(dict.fromkeys(expectation.terms["value_set"]))
    present_count = pl.col(expectation.column).drop_nulls().unique().is_in(required_values).sum()
    return measure(
        expectation.named("contains_set"),
        present_count,
        at_least=len(required_values),
        severity=expectation.severity,
        over="table",
    )


def _equal_set(expectation: _Expectation) -> list[Rule]:
    return [_in_set(expectation), _contained(expectation)]


def _quantiles(expectation: _Expectation) -> list[Rule]:
    """One rule a quantile, interpolated linearly."""
    ranges = expectation.terms["quantile_ranges"]
    return [
        quantile(expectation.column, float(at), at_least=low, at_most=high, severity=expectation.severity, over="table")
        for at, (low, high) in zip(ranges["quantiles"], ranges["value_ranges"], strict=True)
        if low is not None or high is not None
    ]


def _pair_in_set(expectation: _Expectation) -> Rule:
    names = [str(expectation.terms[name]) for name in ("column_A", "column_B")]
    pairs = [
        (pl.col(names[0]) == one) & (pl.col(names[1]) == other) for one, other in expectation.terms["value_pairs_set"]
    ]
    return expression(id_of(names, "pair_isin"), pl.any_horizontal(pairs), severity=expectation.severity)


def _row_sum(expectation: _Expectation) -> Rule:
    names = list(map(str, expectation.terms["column_list"]))
    total = pl.sum_horizontal(names, ignore_nulls=False)
    return expression(id_of(names, "sum"), total == expectation.terms["sum_total"], severity=expectation.severity)


_WITHOUT: Mapping[str, str] = {
    **dict.fromkeys(
        ("expect_column_to_exist", "expect_table_columns_to_match_ordered_list", "expect_table_columns_to_match_set",
         "expect_table_column_count_to_equal", "expect_table_column_count_to_be_between"),
        "the columns of the declaration say it",
    ),
    **dict.fromkeys(
        ("expect_column_values_to_be_of_type", "expect_column_values_to_be_in_type_list"),
        "the types of the declaration say it",
    ),
    "expect_table_row_count_to_equal_other_table": "a rule judges one table",
    "expect_column_values_to_be_increasing": "rows of a table have no order",
    "expect_column_values_to_be_decreasing": "rows of a table have no order",
    "expect_column_kl_divergence_to_be_less_than": "no rule compares distributions; see platform incidents",
    "expect_column_values_to_match_json_schema": "declare the column as a struct",
    "expect_column_values_to_be_json_parseable": "declare the column as a struct",
    "expect_column_values_to_match_strftime_format": "declare the column as a time",
    "expect_column_values_to_be_dateutil_parseable": "declare the column as a time",
    "expect_column_value_z_scores_to_be_less_than": "platform quality history has outlier rates",
    "expect_column_most_common_value_to_be_in_set": "no rule names the most common value; share_of comes near",
    "expect_select_column_values_to_be_unique_within_record": "write it as an expression of the columns",
    "unexpected_rows_expectation": "write its SQL as an expression",
}  # fmt: skip
"""Expectations without a counterpart, and why."""

_IMPORTED: Mapping[str, Callable[[_Expectation], Rule | list[Rule] | None]] = {
    "expect_column_values_to_not_be_null": _not_null,
    "expect_column_values_to_be_null": _null,
    "expect_column_values_to_be_in_set": _in_set,
    "expect_column_values_to_not_be_in_set": _not_in_set,
    "expect_column_values_to_be_between": _between,
    "expect_column_values_to_match_regex": _matches,
    "expect_column_value_lengths_to_be_between": _lengths,
    "expect_column_value_lengths_to_equal": _lengths,
    "expect_column_values_to_be_unique": _unique,
    "expect_compound_columns_to_be_unique": _compound,
    "expect_table_row_count_to_be_between": _rows,
    "expect_table_row_count_to_equal": _rows,
    "expect_column_pair_values_a_to_be_greater_than_b": _pair,
    "expect_column_pair_values_to_be_equal": _equal_pair,
    "expect_column_mean_to_be_between": _aggregate("mean", pl.Expr.mean),
    "expect_column_median_to_be_between": _aggregate("median", pl.Expr.median),
    "expect_column_min_to_be_between": _aggregate("min", pl.Expr.min),
    "expect_column_max_to_be_between": _aggregate("max", pl.Expr.max),
    "expect_column_sum_to_be_between": _aggregate("sum", pl.Expr.sum),
    "expect_column_stdev_to_be_between": _aggregate("stdev", pl.Expr.std),
    "expect_column_unique_value_count_to_be_between": _aggregate("distinct", _distinct),
    "expect_column_proportion_of_unique_values_to_be_between": _aggregate(
        "unique_share", lambda value: _distinct(value) / value.count()
    ),
    "expect_column_proportion_of_non_null_values_to_be_between": _aggregate(
        "filled_share", lambda value: value.is_not_null().mean()
    ),
    "expect_column_quantile_values_to_be_between": _quantiles,
    "expect_column_distinct_values_to_be_in_set": _in_set,
    "expect_column_distinct_values_to_contain_set": _contained,
    "expect_column_distinct_values_to_equal_set": _equal_set,
    "expect_column_values_to_not_match_regex": _texts(
        "no_regex", lambda value, expectation: ~value.str.contains(str(expectation.terms["regex"]))
    ),
    "expect_column_values_to_match_regex_list": _texts("regex_list", _any_regex),
    "expect_column_values_to_not_match_regex_list": _texts("no_regex_list", _no_regex),
    "expect_column_values_to_match_like_pattern": _texts(
        "like", lambda value, expectation: _like(value, [expectation.terms["like_pattern"]])
    ),
    "expect_column_values_to_not_match_like_pattern": _texts(
        "not_like", lambda value, expectation: ~_like(value, [expectation.terms["like_pattern"]])
    ),
    "expect_column_values_to_match_like_pattern_list": _texts(
        "like_list", lambda value, expectation: _like(value, expectation.terms["like_pattern_list"])
    ),
    "expect_column_values_to_not_match_like_pattern_list": _texts(
        "not_like_list", lambda value, expectation: ~_like(value, expectation.terms["like_pattern_list"])
    ),
    "expect_column_pair_values_to_be_in_set": _pair_in_set,
    "expect_multicolumn_sum_to_equal": _row_sum,
}  # fmt: skip


def to_suite(dataset: Dataset) -> tuple[dict[str, Any], list[str]]:
    """Return the rules of a dataset as a suite, and the ids of those that have no counterpart."""
    expectations, left_out = [], []
    for rule in rules_of(dataset):
        exported = list(_exported(rule))
        expectations += [
            {"type": kind, "kwargs": dict(terms), "severity": "critical" if rule.severity == "error" else "warning",
             "meta": {_META: rule.id}, "description": rule.label}
            for kind, terms in exported
        ]  # fmt: skip
        if not exported and rule.kind not in ("types", "columns", "schema"):
            left_out.append(rule.id)
    columns = {"column_list": [column.name for column in dataset.columns]}
    expectations.insert(0, {"type": "expect_table_columns_to_match_ordered_list", "kwargs": columns,
                            "severity": "critical", "meta": {_META: "schema"}})  # fmt: skip
    return {
        "name": dataset.name.replace("/", "."),
        "expectations": expectations,
        "meta": {"contract": dataset.version},
    }, left_out


def _exported(rule: Rule) -> Iterator[tuple[str, Terms]]:  # noqa: C901 - a case for each expectation
    column = rule.columns[0] if rule.columns else None
    if rule.kind == "not_null":
        yield "expect_column_values_to_not_be_null", {"column": column}
    elif isinstance(rule, Complete):
        yield "expect_column_values_to_not_be_null", {"column": column, "mostly": rule.at_least}
    elif isinstance(rule, Unique) and len(rule.columns) == 1:
        yield "expect_column_values_to_be_unique", {"column": column}
    elif isinstance(rule, Unique):
        yield (
            "expect_compound_columns_to_be_unique",
            {"column_list": list(rule.columns), "ignore_row_if": _ANY_MISSING},
        )
    elif isinstance(rule, IsIn):
        yield "expect_column_values_to_be_in_set", {"column": column, "value_set": list(rule.allowed_values)}
    elif isinstance(rule, NotIn):
        yield "expect_column_values_to_not_be_in_set", {"column": column, "value_set": list(rule.forbidden_values)}
    elif isinstance(rule, Matches):
        pattern = str(getattr(rule.pattern, "pattern", rule.pattern))
        anchored = pattern if pattern.startswith("^") else f"^(?:{pattern})"
        yield "expect_column_values_to_match_regex", {"column": column, "regex": anchored}
    elif isinstance(rule, Length):
        terms = {"column": column, "min_value": rule.least, "max_value": rule.most}
        yield "expect_column_value_lengths_to_be_between", terms
    elif isinstance(rule, Volume):
        yield "expect_table_row_count_to_be_between", {"min_value": rule.at_least, "max_value": rule.at_most}
    elif isinstance(rule, InRange):
        yield "expect_column_values_to_be_between", {
            "column": column, "min_value": rule.min_value, "max_value": rule.max_value,
            "strict_min": not rule.include_min, "strict_max": not rule.include_max,
        }  # fmt: skip
    elif rule.kind in ("ge", "gt", "le", "lt"):
        end = "min" if rule.kind in ("ge", "gt") else "max"
        bound = getattr(rule, f"{end}_value")
        strict = {f"strict_{end}": True} if rule.kind in ("gt", "lt") else {}
        yield "expect_column_values_to_be_between", {"column": column, f"{end}_value": bound, **strict}
