"""Which columns reach which in a lazy Polars plan, where that is sure.

Polars has no public reader of plans. It writes them as JSON, which this module alone reads; whatever it does not know
by name makes the whole plan unknown, and so does a result whose columns are not those that Polars itself announces.
"""

import json
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import polars as pl

from platform_core.lineage.graph import WHOLE, How

Origin = tuple[str, str]
"""An input and one of its columns."""


class UnreadablePlan(Exception):
    """A plan that has a part which is not known; the message names it."""


@dataclass(frozen=True)
class PlanColumns:
    """What reaches the columns of a plan's result, by column; under `WHOLE` what decides which rows there are."""

    origins: Mapping[str, frozenset[tuple[str, str, How]]]


@dataclass(frozen=True)
class _Step:
    """What a part of a plan yields: its columns in order, what decides on its rows, and what orders them."""

    columns: Mapping[str, frozenset[Origin]]
    rows: frozenset[tuple[str, str, How]] = field(default_factory=frozenset)
    order: frozenset[tuple[str, str, How]] = field(default_factory=frozenset)


def plan_columns(function: Callable[..., pl.LazyFrame], inputs: Mapping[str, Mapping[str, pl.DataType]]) -> PlanColumns:
    """Return what reaches each column that a transform returns.

    The transform is called once, with lazy frames of nulls: it builds its plan and nothing runs.

    Args:
        function: From lazy frames to a lazy frame.
        inputs: The schema of each input, by the function's parameter.

    Raises:
        UnreadablePlan: The plan has a part that is not known.
    """
    frames = {
        name: pl.DataFrame(
            {column: pl.repeat(None, place + 1, dtype=dtype, eager=True) for column, dtype in schema.items()}
        )
        for place, (name, schema) in enumerate(inputs.items())
    }  # each of another height, so that no two are written alike
    result = function(**{name: frame.lazy() for name, frame in frames.items()})
    if not isinstance(result, pl.LazyFrame):
        raise UnreadablePlan(f"the transform returns a {type(result).__name__}, no plan")
    scans = {json.dumps(_written(frame.lazy())["DataFrameScan"]["df"]): name for name, frame in frames.items()}
    step = _Reader({name: list(schema) for name, schema in inputs.items()}, scans).step(_written(result))
    announced = result.collect_schema().names()
    if list(step.columns) != announced:
        raise UnreadablePlan(f"its columns were read as {', '.join(step.columns)}, but are {', '.join(announced)}")
    values: dict[str, frozenset[tuple[str, str, How]]] = {
        name: frozenset((*origin, "value") for origin in origins) for name, origins in step.columns.items()
    }
    return PlanColumns({**values, WHOLE: step.rows})


def _written(frame: pl.LazyFrame) -> dict[str, Any]:
    """Return a plan as Polars writes it, before it is optimised."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # JSON of lazy frames is deprecated, and has no successor that can be read
        try:
            return cast("dict[str, Any]", json.loads(frame.serialize(format="json")))
        except (pl.exceptions.PolarsError, ValueError, TypeError) as error:
            raise UnreadablePlan(f"Polars cannot write the plan: {str(error).splitlines()[0]}") from error


_LEFT = "Left"
_KEEPS_LEFT = ("Semi", "Anti")


@dataclass(frozen=True)
class _Reader:
    """Reads a plan whose scans are known."""

    inputs: Mapping[str, Sequence[str]]
    scans: Mapping[str, str]

    def step(self, plan: Mapping[str, Any]) -> _Step:
        (name, body), *more = plan.items()
        read = getattr(self, f"_{name.lower()}", None)
        if more or read is None:
            raise UnreadablePlan(f"{name} is not traced")
        return cast("_Step", read(body))

    def _dataframescan(self, body: Mapping[str, Any]) -> _Step:
        name = self.scans.get(json.dumps(body["df"]))
        if name is None:
            raise UnreadablePlan("a frame that is no input")
        return _Step({column: frozenset({(name, column)}) for column in self.inputs[name]})

    def _select(self, body: Mapping[str, Any]) -> _Step:
        below = self.step(body["input"])
        return _Step(self._outputs(body["expr"], below), below.rows)

    def _hstack(self, body: Mapping[str, Any]) -> _Step:
        below = self.step(body["input"])
        return _Step({**below.columns, **self._outputs(body["exprs"], below)}, below.rows)

    def _filter(self, body: Mapping[str, Any]) -> _Step:
        below = self.step(body["input"])
        return _Step(below.columns, below.rows | self._deciding([body["predicate"]], below, "filter"))

    def _sort(self, body: Mapping[str, Any]) -> _Step:
        below = self.step(body["input"])
        order = self._deciding(body["by_column"], below, "filter")
        return _Step(below.columns, below.rows | (order if body.get("slice") else frozenset()), order)

    def _slice(self, body: Mapping[str, Any]) -> _Step:
        below = self.step(body["input"])
        return _Step(below.columns, below.rows | below.order, below.order)

    def _union(self, body: Mapping[str, Any]) -> _Step:
        parts = [self.step(input_) for input_ in body["inputs"]]
        if any(list(part.columns) != list(parts[0].columns) for part in parts):
            raise UnreadablePlan("a union of different columns is not traced")
        names = list(parts[0].columns)
        columns = {name: frozenset(origin for part in parts for origin in part.columns[name]) for name in names}
        return _Step(columns, frozenset(origin for part in parts for origin in part.rows))

    def _groupby(self, body: Mapping[str, Any]) -> _Step:
        if body.get("apply") is not None or body.get("predicates"):
            raise UnreadablePlan("a function on groups is not traced")
        below = self.step(body["input"])
        columns = {**self._outputs(body["keys"], below), **self._outputs(body["aggs"], below)}
        return _Step(columns, below.rows | self._deciding(body["keys"], below, "group"))

    def _join(self, body: Mapping[str, Any]) -> _Step:
        left, right = self.step(body["input_left"]), self.step(body["input_right"])
        equal = body["condition"].get("Equi")
        if equal is None:
            raise UnreadablePlan("a join by other than equal columns is not traced")
        options = body.get("options") or {}
        kind = next(iter(how)) if isinstance(how := (options.get("args") or {}).get("how", "Left"), dict) else how
        deciding = self._deciding(equal["left_on"], left, "join") | self._deciding(equal["right_on"], right, "join")
        rows = left.rows | right.rows | deciding
        if kind in _KEEPS_LEFT:
            return _Step(left.columns, rows)
        if kind not in ("Inner", _LEFT):
            raise UnreadablePlan(f"a {kind} join is not traced")
        keys = {_output_name(expression) for expression in equal["right_on"]}
        suffix = (options.get("args") or {}).get("suffix") or "_right"
        added = {
            (f"{name}{suffix}" if name in left.columns else name): origins
            for name, origins in right.columns.items()
            if name not in keys
        }
        return _Step({**left.columns, **added}, rows)

    def _outputs(self, expressions: Iterable[Any], below: _Step) -> dict[str, frozenset[Origin]]:
        return {_output_name(expression): self._origins(expression, below) for expression in expressions}

    def _origins(self, expression: Any, below: _Step) -> frozenset[Origin]:
        names = _columns_in(expression)
        strange = [name for name in names if name not in below.columns]
        if strange:
            raise UnreadablePlan(f"column {strange[0]!r} is not traced")
        return frozenset(origin for name in names for origin in below.columns[name])

    def _deciding(self, expressions: Iterable[Any], below: _Step, how: How) -> frozenset[tuple[str, str, How]]:
        return frozenset((*origin, how) for expression in expressions for origin in self._origins(expression, below))


_UNTRACED = frozenset({"AnonymousFunction", "AnonymousAgg", "Selector", "Wildcard", "Nth", "Field", "SubPlan", "Eval",
                       "RenameAlias", "KeepName", "Exclude", "StructEval", "Element"})  # fmt: skip


def _columns_in(expression: Any) -> set[str]:
    """Return the columns that an expression speaks of.

    Raises:
        UnreadablePlan: It has a part whose columns do not stand in it.
    """
    if isinstance(expression, list):
        return {name for part in expression for name in _columns_in(part)}
    if not isinstance(expression, dict):
        if isinstance(expression, str) and expression in _UNTRACED:
            raise UnreadablePlan(f"{expression} is not traced")
        return set()
    untraced = _UNTRACED.intersection(expression)
    if untraced:
        raise UnreadablePlan(f"{min(untraced)} is not traced")
    if set(expression) == {"Column"}:
        return {expression["Column"]}
    if set(expression) == {"Literal"}:
        return set()
    if set(expression) == {"Alias"}:
        return _columns_in(expression["Alias"][0])
    return {name for part in expression.values() for name in _columns_in(part)}


_NAMED_BY: Mapping[str, Callable[[Any], Any]] = {
    "BinaryExpr": lambda body: body["left"],
    "Ternary": lambda body: body["truthy"],
    "Window": lambda body: body["function"],
    "Over": lambda body: body["function"],
    "Agg": lambda body: _inner(next(iter(body.values()))),
}
"""For each kind of expression, the part of it that gives the result its name."""


def _inner(body: Any) -> Any:
    """Return the first expression in a function or aggregate."""
    inner = body.get("input", body.get("expr", body)) if isinstance(body, dict) else body
    return inner[0] if isinstance(inner, list) and inner else inner


def _output_name(expression: Any) -> str:
    """Return the name of the column that an expression makes: its alias, else that of its first column.

    Raises:
        UnreadablePlan: The kind of expression is not known.
    """
    if expression == "Len":
        return "len"
    if not isinstance(expression, dict) or len(expression) != 1:
        raise UnreadablePlan("an expression of a kind that is not traced")
    kind, body = next(iter(expression.items()))
    if kind == "Alias":
        return str(body[1])
    if kind == "Column":
        return str(body)
    if kind == "Literal":
        return "literal"
    part = _NAMED_BY.get(kind, _inner)(body)
    if part is body:
        raise UnreadablePlan(f"{kind} is not traced")
    return _output_name(part)
