"""The type of every argument of a declaration, judged by the annotations of the records that take them."""

import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from platform_core.errors import Problem

EXAMPLES: Mapping[str, str] = {
    "source": 'source=Files("orders-*.csv")',
    "freshness": "freshness=within(hours=24)",
    "quarantine": "quarantine=Quarantine()",
    "store": "store=Delta(mode='merge')",
    "partitions": 'partitions=daily("2024-01-01", on="day")',
    "rules": "rules=[volume(at_least=1)]",
    "key": 'key=("id",)',
    "newest": 'newest="updated_at"',
    "tags": 'tags=("raw",)',
    "sla": "sla=Sla(availability=0.99)",
    "thresholds": 'thresholds=[Threshold("row_count", at_least=1)]',
    "retention": "retention=Retention(keep=within(days=30))",
    "schedule": 'schedule="0 6 * * *"',
    "publish": 'publish=[ToTopic("clean_orders")]',
    "synthetic": 'synthetic={"schema": [{"name": "price", "distribution": "lognormal"}]}',
    "owner": 'owner="team:aviation"',
    "version": 'version="1.0.0"',
    "model": "model=Orders",
    "name": 'name="flights/daily_delays"',
    "description": 'description="One row per flight."',
}
"""How an argument of a dataset is written."""


def wrong_arguments(dataset: str, record: Any, where: str = "") -> Iterator[Problem]:
    """Yield a problem for each argument of a frozen record, and of those within it.

    Whose type is not the annotated one.
    """
    for name, hint in _hints(record.__class__).items():
        value = getattr(record, name)
        culprit = f"{where}{name}={_short_text(value)}"
        if not fits(value, hint):
            example = EXAMPLES.get(name)
            if name == "model":
                example = "model=..., a class that derives from DataFrameModel"
            fix = f"write {example}." if example else f"give {spoken(hint)}."
            yield Problem(dataset, culprit, f"{_misfit(value, hint)} belongs there.", fix)
        elif is_dataclass(value) and not isinstance(value, type) and name not in {"rules", "model"}:
            yield from wrong_arguments(dataset, value, f"{name}={type(value).__name__}: ")


@cache
def _hints(record: Any) -> dict[str, Any]:
    hints = get_type_hints(record)
    return {field.name: hints[field.name] for field in fields(record)}


def fits(value: Any, hint: Any) -> bool:  # noqa: C901, PLR0911 - one answer for each form of an annotation
    """Whether a value is of an annotated type; a bool is no number, and a text no sequence of texts."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any or hint is object:
        return True
    if origin in (Union, types.UnionType):
        return any(fits(value, one) for one in inner)
    if origin is Literal:
        return value in inner and isinstance(value, str | int)
    if origin is type:
        return isinstance(value, type) and issubclass(value, inner[0] if isinstance(inner[0], type) else object)
    if origin in (Sequence, tuple, list):
        is_list = isinstance(value, Sequence | frozenset | set) and not isinstance(value, str | bytes)
        return is_list and all(fits(item, inner[0]) for item in value)
    if origin in (Mapping, dict):
        if not isinstance(value, Mapping) or not inner:
            return isinstance(value, Mapping)
        return all(fits(key, inner[0]) and fits(item, inner[1]) for key, item in value.items())
    if origin is Callable:
        return callable(value)
    if hint in (int, float):
        return isinstance(value, int if hint is int else int | float) and not isinstance(value, bool)
    if hint is None or hint is types.NoneType:
        return value is None
    target = origin or hint
    return isinstance(value, target) if isinstance(target, type) else True


def spoken(hint: Any) -> str:
    """Return an annotation in words."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(spoken(one) for one in inner if one is not types.NoneType)
    if origin is Literal:
        return "one of " + ", ".join(map(repr, inner))
    if origin in (Sequence, tuple, list):
        return f"a list of {_plural(inner[0])}"
    if origin in (Mapping, dict) and inner:
        return f"a mapping of {_plural(inner[0])} to {_plural(inner[1])}"
    words = {str: "a text", int: "a whole number", float: "a number", bool: "True or False", timedelta: "a timedelta"}
    return words.get(hint) or _with_article(str(getattr(origin or hint, "__name__", hint)))


def _plural(hint: Any) -> str:
    words = {str: "texts", int: "whole numbers", float: "numbers"}
    if hint in words:
        return words[hint]
    one = spoken(hint)
    if get_origin(hint) in (Union, types.UnionType, Literal):
        return one
    noun, of, inner = one.partition(" ")[2].partition(" of ")
    return f"{noun}s{of}{inner}"


def _with_article(noun: str) -> str:
    return f"{'an' if noun[:1] in 'AEIOaeio' else 'a'} {noun}"


def _misfit(value: object, hint: Any) -> str:
    """Return what of a value is wrong: of a list or a mapping, the first part that does not fit."""
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    for option in options:
        inner = get_args(option)
        if get_origin(option) in (Sequence, tuple, list) and isinstance(value, list | tuple):
            wrong = next(item for item in value if not fits(item, inner[0]))
            return f"holds {_short_text(wrong)}, which is {_kind(wrong)}, and {spoken(inner[0])}"
        if get_origin(option) in (Mapping, dict) and isinstance(value, Mapping) and inner:
            parts = [(key, inner[0]) for key in value] + [(item, inner[1]) for item in value.values()]
            wrong, wanted = next((part, wanted) for part, wanted in parts if not fits(part, wanted))
            return f"holds {_short_text(wrong)}, which is {_kind(wrong)}, and {spoken(wanted)}"
    return f"is {_kind(value)}, and {spoken(hint)}"


def _kind(value: object) -> str:
    if value is None:
        return "missing"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return {str: "a text", int: "a whole number", float: "a number", bool: "a truth value"}.get(
        type(value), _with_article(type(value).__name__)
    )


def _short_text(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - a line
