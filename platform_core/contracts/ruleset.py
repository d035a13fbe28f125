"""All rules of a dataset, its columns' own and those declared beside them, in one order with stable ids."""

from collections.abc import Iterator
from weakref import WeakKeyDictionary

import polars as pl
from pandera.api.checks import Check

from platform_core.contracts.columns import Column
from platform_core.contracts.dataset import Dataset
from platform_core.contracts.partitions import Categories
from platform_core.rules import (
    FIELD_WORDS,
    VALUE_KINDS,
    CheckRule,
    Columns,
    InPartition,
    IsIn,
    Matches,
    NotNull,
    ReferenceRule,
    Rule,
    Severity,
    Types,
    Unique,
    id_of,
    unique,
)

_LEGAL_KEY = r"^(?:\.{0,2}[^|.\x00-\x1f])+\.{0,2}$|^\.{1,2}$"
"""A text that Dagster takes for a partition's key: not empty, without `|`, three dots in a row or a line end."""

_PANDERA = {kind.pandera: kind for kind in VALUE_KINDS if kind.pandera}


def rules_of(dataset: Dataset) -> tuple[Rule, ...]:
    """Return the rules of a dataset: schema, types, columns in order, key, partition, then those declared beside."""
    known = _KNOWN.get(dataset)
    if known is None:
        known = _KNOWN[dataset] = _rules(dataset)
    return known


_KNOWN: WeakKeyDictionary[Dataset, tuple[Rule, ...]] = WeakKeyDictionary()
"""What was found before: a dataset does not change, and loading a definition asks six times."""


def schema_of(dataset: Dataset) -> dict[str, pl.DataType]:
    """Return the types of the columns, by name, in the order declared."""
    return {column.name: column.dtype for column in dataset.columns}


def _rules(dataset: Dataset) -> tuple[Rule, ...]:
    schema = schema_of(dataset)
    declared = (
        Columns(),
        *_types_rules(dataset),
        *(rule for column in dataset.columns for rule in _column_rules(column)),
        *_key_rules(dataset),
        *_model_rules(dataset),
        *partition_rules(dataset),
        *_frame_checks(dataset),
        *dataset.rules,
    )
    return tuple(rule.fitted(schema) for rule in declared)


def _types_rules(dataset: Dataset) -> Iterator[Rule]:
    """Yield the rule on types: any record may be malformed; what is made of texts alone can all be read."""
    may_be_malformed = dataset.source is not None and dataset.source.can_be_malformed
    if may_be_malformed or any(column.dtype != pl.String for column in dataset.columns):
        yield Types()


def _column_rules(column: Column) -> Iterator[Rule]:
    name = column.name
    if not column.nullable:
        yield NotNull(columns=(name,))
    if column.unique:
        yield Unique(columns=(name,), label=f"{name}: no two rows alike", severity=column.terms.severity)
    for check in column.checks:
        yield _check_rule(check, name)
    for word, value in column.terms.rules:
        kind = FIELD_WORDS[word]
        yield kind(columns=(name,), severity=column.terms.severity, **{kind.takes: value})
    yield from _reference_rules(column)


def _check_rule(check: Check, column: str) -> Rule:
    """Return a built-in check as a row rule that one scan can judge; a user's own check as it is."""
    severity: Severity = "warn" if check.raise_warning else "error"
    kind = _PANDERA.get(str(check.name)) if check.statistics else None
    if kind is not None:
        return kind(columns=(column,), severity=severity, **(check.statistics or {}))
    return CheckRule(
        id=id_of([column], str(check.name)),
        label=check.description or check.title or f"{column}: {str(check.name).replace('_', ' ')}",
        columns=(column,),
        severity=severity,
        check=check,
        column=column,
    )


def _reference_rules(column: Column) -> Iterator[Rule]:
    if column.terms.references is None:
        return
    dataset, _, target = column.terms.references.rpartition(".")
    yield ReferenceRule(
        columns=(column.name,),
        severity=column.terms.severity,
        dataset=dataset,
        to=(target,),
        coverage=column.terms.coverage,
    )


def _key_rules(dataset: Dataset) -> Iterator[Rule]:
    if dataset.key and dataset.newest is None:  # otherwise they are versions of one row
        label = f"no two rows share {', '.join(dataset.key)}"
        yield Unique(id="key_unique", label=label, columns=tuple(dataset.key))


def _model_rules(dataset: Dataset) -> Iterator[Rule]:
    """Yield what Pandera's `Config.unique` says of several columns together."""
    named = getattr(dataset.model.Config, "unique", None) or ()
    columns = (named,) if isinstance(named, str) else tuple(named)
    if columns and columns != tuple(dataset.key):
        yield unique(*columns)


def partition_rules(dataset: Dataset) -> Iterator[Rule]:
    """Yield the rules that a row lies in a partition, which follow from the declared partitions."""
    if dataset.partitions is None or not dataset.partitions.well_formed:
        return
    time = dataset.partitions.time
    if time is not None:
        on = dataset.column(time.on)
        until = f"{time.start} to before {time.end}" if time.end else f"{time.start} on"
        yield InPartition(
            label=f"{time.on} lies in a partition from {until} that has begun",
            columns=(time.on,),
            starts_at=time.starts_at,
            stops_at=time.stops_at,
            nullable=on is None or on.nullable,
        )
    for part in dataset.partitions.categories:
        yield from _category_rules(dataset, part)


def _category_rules(dataset: Dataset, part: Categories) -> Iterator[Rule]:
    rule_id = f"partition_{part.on}"
    if part.values is not None:
        words = f"{part.on} is a partition: {', '.join(map(str, part.values))}"
        yield IsIn(id=rule_id, label=words, columns=(part.on,), allowed_values=part.values)
    elif (on := dataset.column(part.on)) is not None and on.dtype == pl.String:
        yield Matches(id=rule_id, label=f"{part.on} can name a partition", columns=(part.on,), pattern=_LEGAL_KEY)


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
