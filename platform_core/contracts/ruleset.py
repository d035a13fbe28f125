"""All rules of a dataset, its columns' own and those declared beside them, in one order with stable ids."""

from collections.abc import Iterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import polars as pl
from pandera.api.checks import Check

from platform_core.contracts.columns import Column
from platform_core.contracts.dataset import Dataset
from platform_core.contracts.rules import CheckRule, ReferenceRule, RowRule, Rule, id_of, unique
from platform_core.contracts.types import Severity

_KINDS: Mapping[str, str] = {
    "equal_to": "eq",
    "not_equal_to": "ne",
    "greater_than": "gt",
    "greater_than_or_equal_to": "ge",
    "less_than": "lt",
    "less_than_or_equal_to": "le",
    "in_range": "in_range",
    "isin": "isin",
    "notin": "notin",
    "str_matches": "matches",
    "str_contains": "contains",
    "str_startswith": "starts_with",
    "str_endswith": "ends_with",
    "str_length": "length",
}


def rules_of(dataset: Dataset) -> tuple[Rule, ...]:
    """The rules of a dataset: schema, types, columns in order, key, partition, then those declared beside."""
    known = _KNOWN.get(dataset)
    if known is None:
        known = _KNOWN[dataset] = _rules(dataset)
    return known


_KNOWN: WeakKeyDictionary[Dataset, tuple[Rule, ...]] = WeakKeyDictionary()
"""What was found before: a dataset does not change, and loading a definition asks six times."""


def _rules(dataset: Dataset) -> tuple[Rule, ...]:
    return (
        Rule(id="schema", label="columns are those declared", columns=()),
        *_types_rules(dataset),
        *(rule for column in dataset.columns for rule in _column_rules(column)),
        *_key_rules(dataset),
        *_model_rules(dataset),
        *_partition_rules(dataset),
        *_frame_checks(dataset),
        *dataset.rules,
    )


def _types_rules(dataset: Dataset) -> Iterator[Rule]:
    """The rule on types; where every column is text there is nothing that could not be read."""
    if any(column.dtype != pl.String for column in dataset.columns):
        yield RowRule(id="types", label="every value can be read as its type", columns=(), kind="types")


def _column_rules(column: Column) -> Iterator[Rule]:
    name = column.name
    if not column.nullable:
        yield RowRule(
            id=id_of([name], "not_null"),
            label=f"{name} is never null",
            columns=(name,),
            dimension="completeness",
            kind="not_null",
        )
    if column.unique:
        yield RowRule(
            id=id_of([name], "unique"),
            label=f"{name}: no two rows alike",
            columns=(name,),
            severity=column.terms.severity,
            dimension="uniqueness",
            kind="unique",
        )
    for check in column.checks:
        yield _check_rule(check, name)
    yield from _reference_rules(column)


def _check_rule(check: Check, column: str) -> Rule:
    """A built-in check as a row rule that one scan can judge; a user's own check as it is."""
    severity: Severity = "warn" if check.raise_warning else "error"
    kind = _KINDS.get(str(check.name)) if check.statistics else None
    if kind is None:
        return CheckRule(
            id=id_of([column], str(check.name)),
            label=check.description or check.title or f"{column}: {str(check.name).replace('_', ' ')}",
            columns=(column,),
            severity=severity,
            check=check,
            column=column,
        )
    return RowRule(
        id=id_of([column], kind),
        label=_label(column, kind, check.statistics or {}),
        columns=(column,),
        severity=severity,
        kind=kind,
        parameters=check.statistics or {},
    )


_WORDS: Mapping[str, str] = {
    "eq": "= {value}",
    "ne": "≠ {value}",
    "gt": "> {min_value}",
    "ge": "≥ {min_value}",
    "lt": "< {max_value}",
    "le": "≤ {max_value}",
    "in_range": "between {min_value} and {max_value}",
    "isin": "is one of {allowed_values}",
    "notin": "is none of {forbidden_values}",
    "matches": "matches {pattern}",
    "contains": "contains {pattern}",
    "starts_with": "starts with {string}",
    "ends_with": "ends with {string}",
}


def _label(column: str, kind: str, parameters: Mapping[str, Any]) -> str:
    shown = {
        name: ", ".join(map(str, value)) if isinstance(value, list | tuple | set | frozenset) else value
        for name, value in parameters.items()
    }
    if kind == "length":
        return f"{column} {_length_words(parameters)}"
    return f"{column} {_WORDS[kind].format_map(shown)}"


def _length_words(parameters: Mapping[str, Any]) -> str:
    exact, low, high = (parameters.get(name) for name in ("exact_value", "min_value", "max_value"))
    if exact is not None:
        return f"has {exact} characters"
    if high is None:
        return f"has {low} characters or more"
    return f"has at most {high} characters" if low is None else f"has {low} to {high} characters"


def _reference_rules(column: Column) -> Iterator[Rule]:
    if column.terms.references is None:
        return
    dataset, _, target = column.terms.references.rpartition(".")
    yield ReferenceRule(
        id=id_of([column.name], "references"),
        label=f"{column.name} found in {column.terms.references}",
        columns=(column.name,),
        severity=column.terms.severity,
        dimension="coverage",
        dataset=dataset,
        to=(target,),
        coverage=column.terms.coverage,
    )


def _key_rules(dataset: Dataset) -> Iterator[Rule]:
    if dataset.key:
        yield RowRule(
            id="key_unique",
            label=f"no two rows share {', '.join(dataset.key)}",
            columns=tuple(dataset.key),
            dimension="uniqueness",
            kind="unique",
        )


def _model_rules(dataset: Dataset) -> Iterator[Rule]:
    """What Pandera's `Config.unique` says of several columns together."""
    named = getattr(dataset.model.Config, "unique", None) or ()
    columns = (named,) if isinstance(named, str) else tuple(named)
    if columns and columns != tuple(dataset.key):
        yield unique(*columns)


def _partition_rules(dataset: Dataset) -> Iterator[Rule]:
    if dataset.partitions and dataset.partitions.well_formed:
        on = dataset.column(dataset.partitions.on)
        yield RowRule(
            id="partition",
            label=f"{dataset.partitions.on} lies in a partition from {dataset.partitions.start} on",
            columns=(dataset.partitions.on,),
            dimension="timeliness",
            kind="partition",
            parameters={"starts_at": dataset.partitions.starts_at, "nullable": on is None or on.nullable},
        )


def _frame_checks(dataset: Dataset) -> Iterator[Rule]:
    for check in dataset.model.__root_checks__:
        yield CheckRule(
            id=str(check.name),
            label=check.description or check.title or str(check.name).replace("_", " "),
            columns=(),
            severity="warn" if check.raise_warning else "error",
            dimension="consistency",
            check=check,
        )
