"""Declared records as values that JSON and YAML have, and back: sources, stores, rules, types, expressions.

A value that JSON lacks is a mapping with one key that begins with `$`. An expression is Polars' own JSON; one that
holds a Python function is refused both ways, for to read it would be to run it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from re import Pattern
from typing import Any, cast, get_args

import polars as pl

from platform_core.contracts.partitions import Partitioning
from platform_core.contracts.retention import Retention
from platform_core.contracts.sla import Sla
from platform_core.contracts.sources import Source
from platform_core.contracts.stores import Quarantine, Store
from platform_core.errors import CoreError
from platform_core.features.declarations import Feature, Measure
from platform_core.rules import Rule, ValueRule, all_kinds
from platform_core.rules.base import parameters_of


def records() -> dict[str, type[Any]]:
    """Return the records that may stand in a contract file, by the names of their classes; every kind of source."""
    fixed = (*get_args(Store), *get_args(Partitioning), Quarantine, Retention, Sla, Feature, Measure)
    return {record.__name__: record for record in (*fixed, *_kinds_of(Source))}


def _kinds_of(base: type[Any]) -> Iterator[type[Any]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds_of(kind)


_FUNCTIONS = frozenset({"AnonymousFunction", "AnonymousAgg", "AnonymousStreamingAgg", "Python", "PythonUdf"})
_EXPRESSION = "$expression"


class NotPortable(CoreError):
    """A value that no contract file can hold; the message names it."""


def plain(value: Any) -> Any:  # noqa: C901, PLR0911 - a case for each kind of value
    """Return a value as JSON has it.

    Raises:
        NotPortable: It is of a kind that does not travel, such as a Python function.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, pl.Expr):
        return {_EXPRESSION: _expression_text(value)}
    if isinstance(value, pl.DataType):
        return {"$type": plain_type(value)}
    if isinstance(value, datetime | date | time):
        return {f"${type(value).__name__}": value.isoformat()}
    if isinstance(value, timedelta):
        return {"$seconds": value.total_seconds()}
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, Pattern):
        return str(value.pattern)
    if is_dataclass(value) and type(value).__name__ in records():
        return {"$record": type(value).__name__, **_plain_fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [plain(part) for part in value]
    raise NotPortable(f"a {type(value).__name__} cannot stand in a contract file: {value!r}.")


def _plain_fields(record: Any) -> dict[str, Any]:
    """Return the fields of a record that differ from their defaults."""
    differing = [item for item in fields(record) if getattr(record, item.name) != item.default]
    return {item.name: plain(getattr(record, item.name)) for item in differing}


def _expression_text(expression: pl.Expr) -> str:
    text = expression.meta.serialize(format="json")
    _refuse_functions(json.loads(text))
    return str(text)


def _refuse_functions(tree: Any) -> None:
    """Return when an expression's tree holds no Python function.

    Raises:
        NotPortable: It does.
    """
    if isinstance(tree, Mapping):
        if _FUNCTIONS & tree.keys():
            raise NotPortable("an expression with a Python function cannot stand in a contract file.")
        for each in tree.values():
            _refuse_functions(each)
    elif isinstance(tree, list):
        for branch in tree:
            _refuse_functions(branch)


def real(value: Any) -> Any:
    """Return what a plain value stands for; lists come back as tuples.

    Raises:
        NotPortable: It names a record that is not known, or an expression that holds a function.
    """
    if isinstance(value, list):
        return tuple(real(part) for part in value)
    if not isinstance(value, Mapping):
        return value
    if "$record" in value:
        return _record(value)
    if len(value) == 1:
        mark, content = next(iter(value.items()))
        if mark == _EXPRESSION:
            return _expression(content)
        if mark == "$type":
            return real_type(content)
        if mark in _TEXTS:
            return _TEXTS[mark](content)
        if mark == "$seconds":
            return timedelta(seconds=content)
    return {name: real(part) for name, part in value.items()}


_TEXTS: Mapping[str, Any] = {
    "$datetime": datetime.fromisoformat,
    "$date": date.fromisoformat,
    "$time": time.fromisoformat,
    "$decimal": Decimal,
}


def _record(value: Mapping[str, Any]) -> Any:
    name = value["$record"]
    known = records()
    if name not in known:
        raise NotPortable(f"there is no record {name!r}. Fix: use one of {', '.join(sorted(known))}.")
    return known[name](**{field: real(part) for field, part in value.items() if field != "$record"})


def _expression(text: str) -> pl.Expr:
    _refuse_functions(json.loads(text))
    return pl.Expr.deserialize(str(text).encode(), format="json")


def plain_rule(rule: Rule) -> dict[str, Any]:
    """Return a rule as JSON has it.

    Raises:
        NotPortable: It is a check written in Python, or its expression holds a function.
    """
    if rule.kind == "check":
        raise NotPortable(f"rule {rule.id!r} is a check written in Python.")
    return {
        "kind": rule.kind,
        "columns": list(rule.columns),
        "label": rule.label,
        "parameters": {name: plain(value) for name, value in parameters_of(rule).items() if value is not None},
    }


def real_rule(value: Mapping[str, Any], **common: Any) -> Rule:
    """Return the rule that `plain_rule` wrote; `common` is its id, severity and dimension.

    Raises:
        NotPortable: There is no such kind of rule.
    """
    kinds = {kind.kind: kind for kind in all_kinds()}
    kind = kinds.get(value["kind"])
    if kind is None:
        raise NotPortable(f"there is no rule {value['kind']!r}. Fix: use one of {', '.join(sorted(kinds))}.")
    parameters = {name: real(parameter) for name, parameter in value.get("parameters", {}).items()}
    return kind(columns=tuple(value.get("columns", ())), label=value.get("label", ""), **common, **parameters)


def field_value(rule: ValueRule) -> Any:
    """Return the value of a keyword of `Field`: the parameter itself, or a mapping where there are several.

    A rule's values are in the column's type: `ge=0` on a column of floats is 0.0 by then. The label was written before.
    """
    terms = parameters_of(rule)
    whole = {name: _whole(value) for name, value in terms.items()}
    if type(rule)(columns=rule.columns, **whole).label == rule.label:
        terms = whole
    if len(terms) == 1:
        value = next(iter(terms.values()))
        return list(value) if isinstance(value, tuple) else value
    return {name: value for name, value in terms.items() if value is not None}


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def plain_type(dtype: pl.DataType) -> Any:
    """Return a Polars type as JSON has it: its name, or its name with what it is made of."""
    if isinstance(dtype, pl.Datetime):
        return {"Datetime": [dtype.time_unit, dtype.time_zone]}
    if isinstance(dtype, pl.Duration):
        return {"Duration": [dtype.time_unit]}
    if isinstance(dtype, pl.Decimal):
        return {"Decimal": [dtype.precision, dtype.scale]}
    if isinstance(dtype, pl.Enum):
        return {"Enum": dtype.categories.to_list()}
    if isinstance(dtype, pl.Array):
        return {"Array": [plain_type(_instance(dtype.inner)), dtype.size]}
    if isinstance(dtype, pl.List):
        return {"List": plain_type(_instance(dtype.inner))}
    if isinstance(dtype, pl.Struct):
        return {"Struct": {item.name: plain_type(_instance(item.dtype)) for item in dtype.fields}}
    return type(dtype).__name__


def _instance(dtype: Any) -> pl.DataType:
    return cast("pl.DataType", dtype() if isinstance(dtype, type) else dtype)


def real_type(value: Any) -> pl.DataType:
    """Return the Polars type that `plain_type` wrote.

    Raises:
        NotPortable: There is no such type.
    """
    if isinstance(value, str):
        dtype = getattr(pl, value, None)
        if not (isinstance(dtype, type) and issubclass(dtype, pl.DataType)):
            raise NotPortable(f"there is no type {value!r}.")
        return dtype()
    name, made_of = next(iter(value.items()))
    if name == "Enum":
        return pl.Enum(made_of)
    if name == "List":
        return pl.List(real_type(made_of))
    if name == "Array":
        return pl.Array(real_type(made_of[0]), made_of[1])
    if name == "Struct":
        return pl.Struct({field: real_type(field_type) for field, field_type in made_of.items()})
    if name in ("Datetime", "Duration", "Decimal"):
        return getattr(pl, name)(*made_of)  # type: ignore[no-any-return]  # one of three types
    raise NotPortable(f"there is no type {name!r}.")
