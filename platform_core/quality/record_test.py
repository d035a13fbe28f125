"""One record by itself, without a frame: whether it surely is a row that breaks no rule.

A frame of one row costs fifty hand-overs between threads, and each is waited for where the machine is busy. What is not
sure here (a value in another spelling, a rule that only Polars computes, one that is broken) is for `judge` to say,
which also has the reasons.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from math import isfinite
from typing import Any

import polars as pl

from platform_core.contracts.dataset import Dataset
from platform_core.contracts.ruleset import rules_of, schema_of
from platform_core.contracts.sources import AS_IS
from platform_core.quality.source_texts import spelling_of
from platform_core.quality.uniqueness import KEY_RULE
from platform_core.rules import NOW, ReferenceRule, RowRule, Rule
from platform_core.rules.base import Predicate, Record, Schema
from platform_core.rules.records import predicate_of

RecordTest = Callable[[Record, datetime], bool]
"""True of a record, as JSON gives it, that surely is a good row at an instant in UTC."""

_MOST_REFERENCES = 100_000
_LARGEST_WHOLE = 1 << 53
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3}|\.[0-9]{6})?(Z|\+00:00)", re.ASCII
)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_UNSURE = object()


def compile_record_test(dataset: Dataset, references: Mapping[str, pl.DataFrame]) -> RecordTest | None:
    """Return the test of a dataset's records, or None where only frames can judge them.

    Args:
        dataset: The contract. Rules that compare rows beyond the key hold of one record alone, not of several.
        references: By rule id, the values that are there, as `judge` takes them.
    """
    schema = schema_of(dataset)
    readers = {name: _reader(dtype) for name, dtype in schema.items()}
    judging = [rule for rule in rules_of(dataset) if rule.judges_rows and not _holds_alone(rule)]
    rows = [rule for rule in judging if isinstance(rule, RowRule) and rule.is_python]
    found = [_found(rule, dataset, schema, references) for rule in judging if isinstance(rule, ReferenceRule)]
    source = dataset.source
    is_spelled = source is None or spelling_of(dataset) != AS_IS or any(map(source.null_words, schema))
    if is_spelled or len(rows) + len(found) < len(judging) or None in found or None in readers.values():
        return None
    holds = [predicate_of(rows, schema), *(predicate for predicate in found if predicate is not None)]
    time = dataset.partitions.time.on if dataset.partitions and dataset.partitions.time else None

    def test(record: Record, at: datetime) -> bool:
        if not record.keys() <= readers.keys():
            return False
        values: dict[str, Any] = {NOW: at}
        for name, read in readers.items():
            value = record.get(name)
            values[name] = None if value is None else read(value)  # type: ignore[misc] # no reader is None here
        if _UNSURE in values.values():
            return False
        begun = None if time is None else values[time]
        if begun is not None and begun > (at if isinstance(begun, datetime) else at.date()):
            return False
        return all(predicate(values) for predicate in holds)

    return test


def _holds_alone(rule: Rule) -> bool:
    """Return whether a rule on rows cannot be broken by one record by itself, or is kept before it is read."""
    return isinstance(rule, RowRule) and (rule.on_input or rule.id == KEY_RULE or rule.compares_rows)


def _found(
    rule: ReferenceRule, dataset: Dataset, schema: Schema, references: Mapping[str, pl.DataFrame]
) -> Predicate | None:
    frame, names = references.get(rule.id), list(rule.columns)
    if frame is None or rule.dataset == dataset.name or frame.height > _MOST_REFERENCES:
        return None
    if any(frame.schema[name] != schema[name] or schema[name].is_float() for name in names):
        return None
    known = set(frame.select(names).unique().rows())

    def predicate(record: Record) -> bool:
        values = tuple(record[name] for name in names)
        return None in values or values in known

    return predicate


def _reader(dtype: pl.DataType) -> Callable[[Any], Any] | None:
    """Return what makes a value of JSON one of the type, or says that it is not sure to."""
    if dtype == pl.String:
        return lambda value: value if type(value) is str else _UNSURE
    if dtype == pl.Boolean:
        return lambda value: value if type(value) is bool else _UNSURE
    if dtype.is_integer() and dtype.to_python() is int and dtype not in (pl.Int128, pl.UInt64):
        bits = int(str(dtype).lstrip("UInt"))
        lowest, above = (0, 1 << bits) if dtype.is_unsigned_integer() else (-(1 << bits - 1), 1 << bits - 1)
        return lambda value: value if type(value) is int and lowest <= value < above else _UNSURE
    if dtype == pl.Float64:
        return _float
    if dtype == pl.Datetime("us", "UTC"):
        return lambda value: _instant(value, _INSTANT, datetime.fromisoformat)
    if dtype == pl.Date:
        return lambda value: _instant(value, _DAY, date.fromisoformat)
    return None


def _float(value: Any) -> Any:
    if type(value) is float and isfinite(value):
        return value
    return float(value) if type(value) is int and abs(value) < _LARGEST_WHOLE else _UNSURE


def _instant(value: Any, written: re.Pattern[str], read: Callable[[str], Any]) -> Any:
    if type(value) is not str or not written.fullmatch(value):
        return _UNSURE
    try:
        return read(value)
    except ValueError:
        return _UNSURE
