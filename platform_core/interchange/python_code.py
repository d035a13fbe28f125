"""A declaration as Python, made of a contract that came as a file: a module to put into a domain after reading it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import polars as pl

from platform_core import contracts
from platform_core.contracts import Column, Dataset, Rule, rules_of
from platform_core.interchange.values import NotPortable, field_value, plain
from platform_core.quality.suggested_code import annotation
from platform_core.rules import Balance, DriftRule, ReferenceRule, ValueRule
from platform_core.rules.base import parameters_of


def dataset_code(dataset: Dataset) -> str:
    """Return a module that declares a dataset; what code alone can say, such as a check in Python, is left out."""
    rules = [line for rule in dataset.rules for line in _rule_lines(rule)]
    fields = [_field(dataset, column) for column in dataset.columns]
    body = "\n".join([
        f"class {dataset.model.__name__}(DataFrameModel):",
        f"    {_text(dataset.about or 'Say what one row is.')}",
        "",
        *fields,
        "",
        "",
        f"{dataset.title} = Dataset(",
        f"    {_text(dataset.name)},",
        f"    {dataset.model.__name__},",
        f"    owner={_text(dataset.owner)},",
        f"    version={_text(dataset.version)},",
        *([f"    tags={_tuple(dataset.tags)},"] if dataset.tags else []),
        *([f"    key={_tuple(dataset.key)},"] if dataset.key else []),
        *([f"    newest={dataset.newest!r},"] if dataset.newest else []),
        *(f"    {name}={_record(value)}," for name, value in _records(dataset)),
        *(["    rules=[", *rules, "    ],"] if rules else []),
        ")",
        "",
    ])  # fmt: skip
    return "\n".join(
        [f'"""{dataset.title}, from its contract {dataset.version}."""', "", *_imports(body), "", "", body]
    )


def _records(dataset: Dataset) -> Iterator[tuple[str, Any]]:
    for name in ("source", "partitions", "store", "quarantine", "freshness", "sla", "retention", "schedule"):
        value = getattr(dataset, name)
        if value is not None:
            yield name, value


def _record(value: Any) -> str:
    """Return a record as a call that makes it, without what is its default."""
    if isinstance(value, pl.Expr):
        return _expression(value)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name!r}: {_record(part)}' for name, part in value.items())}}}"
    if isinstance(value, tuple | list):
        return f"({''.join(f'{_record(part)}, ' for part in value)})"
    if not is_dataclass(value) or isinstance(value, type):
        return repr(value)
    own = [item for item in fields(value) if item.init and getattr(value, item.name) != item.default]
    return f"{type(value).__name__}({', '.join(f'{item.name}={_record(getattr(value, item.name))}' for item in own)})"


def _imports(body: str) -> Iterator[str]:
    if "datetime." in body:
        yield "import datetime"
    if "Annotated[" in body:
        yield "from typing import Annotated"
    if "pl." in body:
        yield ""
        yield "import polars as pl"
    yield ""
    code = re.sub(r'"(?:[^"\\]|\\.)*"', "", body)
    used = [word for word in sorted(contracts.__all__) if re.search(rf"\b{word}\b", code)]
    yield f"from platform_core.contracts import {', '.join(used)}"
    if "Feature(" in body:
        yield "from platform_core.features.declarations import Feature, Measure"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _tuple(values: Any) -> str:
    return f"({', '.join(_text(str(value)) for value in values)},)"


def _field(dataset: Dataset, column: Column) -> str:
    own = [rule for rule in rules_of(dataset) if rule.columns == (column.name,)]
    terms = [
        *(["nullable=True"] if column.nullable else []),
        *(["unique=True"] if column.unique else []),
        *(f"{rule.word}={_word_code(rule)}" for rule in own if isinstance(rule, ValueRule) and rule.word),
        *_reference_terms(own),
        *([f"unit={_text(column.unit)}"] if column.unit else []),
        *([f"pii={_text(column.pii)}"] if column.pii else []),
        *(['severity="warn"'] if column.terms.severity == "warn" else []),
        *([f"description={_text(column.description)}"] if column.description else []),
    ]
    variable = column.name
    if not variable.isidentifier() or variable.startswith("_"):
        variable = f"column_{[declared.name for declared in dataset.columns].index(column.name)}"
        terms.append(f"alias={_text(column.name)}")
    return f"    {variable}: {annotation(column.dtype)} = Field({', '.join(terms)})"


def _word_code(rule: ValueRule) -> str:
    value = field_value(rule)
    return repr(getattr(value, "pattern", value))


def _reference_terms(rules: list[Rule]) -> Iterator[str]:
    for rule in rules:
        if isinstance(rule, ReferenceRule):
            yield f"references={_text(f'{rule.dataset}.{rule.to[0]}')}"
            if rule.coverage < 1:
                yield f"coverage={rule.coverage!r}"


def _rule_lines(rule: Rule) -> Iterator[str]:
    """Yield a rule as a call, under its label; one that is written in Python is named alone."""
    yield f"        # {rule.label}"
    severity = f"severity={_text(rule.severity)}"
    terms = {name: value for name, value in parameters_of(rule).items() if value is not None}
    try:
        expressions = {name: _expression(value) for name, value in terms.items() if isinstance(value, pl.Expr)}
    except NotPortable as error:
        yield f"        # left out: {error}"
        return
    rest = ", ".join(f"{name}={value!r}" for name, value in terms.items() if name not in expressions and name != "to")
    if rule.kind in ("expression", "measure"):
        (code,) = expressions.values()
        text = terms.get("text")
        code, rest = (_text(str(text)), "") if text else (code, rest)
        arguments = [_text(rule.id), code, rest, f"label={_text(rule.label)}", severity]
    elif rule.kind == "references":
        assert isinstance(rule, ReferenceRule)  # noqa: S101 - its kind says so; for the checker
        rest = f"to={_tuple(rule.to)}, coverage={rule.coverage!r}"
        arguments = [_tuple(rule.columns), _text(rule.dataset), rest, severity]
    elif rule.kind == "compare":
        one, other = rule.columns
        arguments = [_text(one), _text(str(terms["operator"])), _text(other), severity]
    elif isinstance(rule, DriftRule) and replace(rule, id="").id == rule.id:
        arguments = [_text(rule.column), _text(rule.measure_word), rest, severity]
    elif (
        rule.kind in ("mean", "deviation", "quantile", "distinct", "share_of") and replace(rule, id="").id == rule.id
    ) or rule.kind in ("complete", "unique", "volume"):
        arguments = [*map(_text, rule.columns), rest, severity]
    elif isinstance(rule, Balance):  # as a record, for its two sides are expressions
        sides = ", ".join(f"{name}={code}" for name, code in expressions.items())
        about = f"id={_text(rule.id)}, label={_text(rule.label)}, columns={_tuple(rule.columns)}"
        yield f"        Balance({about}, {severity}, {rest}, {sides}),"
        return
    else:
        yield f"        # left out: a rule {rule.kind!r} beside its column"
        return
    call = "drift" if isinstance(rule, DriftRule) else rule.kind
    yield f"        {call}({', '.join(argument for argument in arguments if argument)}),"


def _expression(value: pl.Expr) -> str:
    text = next(iter(plain(value).values()))
    return f'pl.Expr.deserialize({text.encode()!r}, format="json")'
