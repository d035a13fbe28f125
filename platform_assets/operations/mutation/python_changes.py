"""Every small change to a Python function, one at a time, by its syntax tree.

The kinds: a comparison takes its end along or not, an operation is another one, a number is one off or has the other
sign, a constant of the module is one off, a join keeps other rows, a column is another one of its type, a call (filter,
removal of doubles, order) is left out, an aggregate or a function of rows is another one, a key of a group or join or
a keyword is left out, `and` becomes `or`, `not` goes.
"""

import ast
import copy
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Gt: ast.Lt, ast.GtE: ast.LtE, ast.Lt: ast.Gt, ast.LtE: ast.GtE,
}  # fmt: skip
_OPERATIONS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd, ast.FloorDiv: ast.Div, ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult,
}  # fmt: skip
_METHODS: Mapping[str, Sequence[str]] = {
    "sum": ("mean", "max"), "mean": ("sum", "median"), "min": ("max",), "max": ("min",), "median": ("mean",),
    "first": ("last",), "last": ("first",), "len": ("n_unique",), "n_unique": ("len",), "count": ("len",),
    "is_null": ("is_not_null",), "is_not_null": ("is_null",), "cum_sum": ("cum_count",), "std": ("var",),
    "var": ("std",), "truncate": ("round",), "any": ("all",), "all": ("any",), "cum_max": ("cum_min",),
    "ceil": ("floor",), "floor": ("ceil",), "hour": ("minute",), "day": ("weekday",), "month": ("day",),
    "is_in": ("ne",), "starts_with": ("ends_with",), "ends_with": ("starts_with",), "head": ("tail",),
    "tail": ("head",), "rolling_sum": ("rolling_mean",), "rolling_mean": ("rolling_sum",), "shift": ("diff",),
    "isna": ("notna",), "notna": ("isna",), "nunique": ("count",), "size": ("count",), "lt": ("le",), "le": ("lt",),
    "gt": ("ge",), "ge": ("gt",), "eq": ("ne",), "to_uppercase": ("to_lowercase",), "to_lowercase": ("to_uppercase",),
}  # fmt: skip
_LEFT_OUT = frozenset({
    "filter", "unique", "drop_nulls", "sort", "fill_null", "abs", "clip", "drop_duplicates", "distinct", "round",
    "dropna", "fillna", "sort_values", "query", "strip_chars", "limit", "head", "tail", "fill_nan", "shift",
})  # fmt: skip
_KEYED = frozenset({"group_by", "groupby", "over", "unique", "drop_duplicates", "sort", "partition_by", "aggregate"})
_KEYWORDS = frozenset({"on", "by", "subset", "left_on", "right_on", "partition_by"})
_SIDES = {"left": "inner", "inner": "left", "right": "inner", "full": "left", "semi": "anti", "anti": "semi",
          "outer": "left"}  # fmt: skip
_LINE = 100


@dataclass(frozen=True)
class PythonChange:
    """A function, changed in one place.

    Attributes:
        line: In its file.
        kind: Of change, such as `comparison`.
        before: The smallest expression around the change.
        after: The same, changed.
        function: The changed one.
    """

    line: int
    kind: str
    before: str
    after: str
    function: Callable[..., Any]


Change = tuple[str, Callable[[Any], Any]]
"""The kind, and what is to be done to a copy of the node: it returns the node in its place."""


def python_changes(function: Callable[..., Any], columns: Sequence[Mapping[str, str]]) -> Iterator[PythonChange]:
    """Yield each change of a function; none where its source cannot be read.

    Args:
        function: Of a transform.
        columns: Of each input, the type of each column by its name: a column becomes another one of its type.
    """
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return
    tree = ast.parse(source)
    definition = next((node for node in tree.body if isinstance(node, ast.FunctionDef)), None)
    if definition is None:
        return
    scope = {**function.__globals__, **inspect.getclosurevars(function).nonlocals}
    offset = function.__code__.co_firstlineno - 1
    seen_codes = {ast.unparse(definition)}
    nodes = [node for statement in definition.body for node in ast.walk(statement)]
    for place, node in enumerate(nodes):
        for kind, change in _changes(node, scope, columns):
            mutated, before, after = _with_change(definition, place, change)
            if (code := ast.unparse(mutated)) not in seen_codes:
                seen_codes.add(code)
                yield PythonChange(
                    offset + getattr(node, "lineno", 1), kind, before, after, _compiled(mutated, function, scope)
                )


def numbers_in(function: Callable[..., Any]) -> set[float]:
    """Return the numbers that a function names, itself or as constants of its module."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError):
        return set()
    scope = function.__globals__
    named: list[Any] = [scope.get(node.id) for node in ast.walk(tree) if isinstance(node, ast.Name)]
    written: list[Any] = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return {float(value) for value in [*named, *written] if _is_number(value)}


def _with_change(
    definition: ast.FunctionDef, place: int, change: Callable[[Any], Any]
) -> tuple[ast.FunctionDef, str, str]:
    """Return a copy that is changed in one place, and the text around it before and after."""
    mutated = copy.deepcopy(definition)
    node = [node for statement in mutated.body for node in ast.walk(statement)][place]
    parents = {id(child): parent for parent in ast.walk(mutated) for child in ast.iter_child_nodes(parent)}
    shown = node
    while isinstance(shown, ast.Constant | ast.Name | ast.operator | ast.keyword | ast.List | ast.Tuple):
        shown = parents[id(shown)]
    before = _short(shown)
    replaced = change(node)
    if replaced is not node:
        parent = parents[id(node)]
        for name, value in ast.iter_fields(parent):
            if value is node:
                setattr(parent, name, replaced)
            elif isinstance(value, list) and any(member is node for member in value):
                setattr(parent, name, [replaced if member is node else member for member in value])
        shown = replaced if shown is node else shown
    return mutated, before, _short(shown)


def _compiled(
    definition: ast.FunctionDef, function: Callable[..., Any], scope: Mapping[str, Any]
) -> Callable[..., Any]:
    definition.decorator_list = []
    own = {**scope, "__name__": function.__module__}
    code = compile(ast.fix_missing_locations(ast.Module([definition], [])), "<mutant>", "exec")
    exec(code, own)  # noqa: S102 - the user's own function, changed in one place
    mutated: Callable[..., Any] = own[definition.name]
    return mutated


def _changes(node: ast.AST, scope: Mapping[str, Any], columns: Sequence[Mapping[str, str]]) -> Iterator[Change]:
    if isinstance(node, ast.Compare):
        first = type(node.ops[0])
        if first in _COMPARISONS:
            yield "comparison", lambda same: _set(same, "ops", [_COMPARISONS[first](), *same.ops[1:]])
        if first in _TURNED:
            yield "comparison", lambda same: _set(same, "ops", [_TURNED[first](), *same.ops[1:]])
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        yield "operation", lambda same: _set(same, "op", _OPERATIONS[type(same.op)]())
        yield "operand left out", lambda same: same.left
    elif isinstance(node, ast.BoolOp):
        yield "and, or", lambda same: _set(same, "op", ast.Or() if isinstance(same.op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert | ast.USub):
        yield "sign", lambda same: same.operand
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and _is_number(scope.get(node.id)):
        yield from _numbers(scope[node.id])
    elif isinstance(node, ast.Constant):
        yield from _constants(node.value, columns)
    elif isinstance(node, ast.Call):
        yield from _calls(node)


def _numbers(value: Any) -> Iterator[Change]:
    for other in dict.fromkeys((value + 1, value - 1, -value)):
        if other != value:
            yield "number", partial(_constant, other)


def _constants(value: Any, columns: Sequence[Mapping[str, str]]) -> Iterator[Change]:
    if isinstance(value, bool):
        yield "truth", lambda _: ast.Constant(not value)
    elif _is_number(value):
        yield from _numbers(value)
    elif isinstance(value, str):
        if value in _SIDES:
            yield "join", lambda _: ast.Constant(_SIDES[value])
        for own in columns:
            others = [name for name, kind in own.items() if name != value and kind == own.get(value)]
            if others:
                ordered = list(own)
                nearest = min(others, key=lambda name: (abs(ordered.index(name) - ordered.index(value)), name))
                yield "column", partial(_constant, nearest)


def _calls(node: ast.Call) -> Iterator[Change]:
    if not isinstance(node.func, ast.Attribute):
        return
    name = node.func.attr
    if name in _LEFT_OUT:
        yield f"{name} left out", lambda same: same.func.value
    for other in _METHODS.get(name, ()):
        yield "function", partial(_with_method, other)
    if name in _KEYED and len(node.args) > 1:
        for place in range(len(node.args)):
            yield "key left out", partial(_without_part, "args", place)
    for at, keyword in enumerate(node.keywords):
        if keyword.arg in _KEYWORDS and isinstance(keyword.value, ast.List) and len(keyword.value.elts) > 1:
            for place in range(len(keyword.value.elts)):
                yield "key left out", partial(_without_element, at, place)
        if keyword.arg in {"how", "closed", "descending", "nulls_last", "keep", "strict", "ignore_nulls"}:
            yield f"{keyword.arg}= left out", partial(_without_part, "keywords", at)


def _with_method(name: str, call: ast.Call) -> ast.Call:
    assert isinstance(call.func, ast.Attribute)  # noqa: S101 - as below
    call.func.attr = name
    return call


def _constant(value: Any, _: ast.AST) -> ast.Constant:
    return ast.Constant(value)


def _without_part(part: str, place: int, call: ast.Call) -> ast.Call:
    setattr(call, part, [argument for at, argument in enumerate(getattr(call, part)) if at != place])
    return call


def _without_element(at: int, place: int, call: ast.Call) -> ast.Call:
    elements = call.keywords[at].value
    assert isinstance(elements, ast.List)  # noqa: S101 - its only caller looked
    del elements.elts[place]
    return call


def _set(node: Any, part: str, value: Any) -> Any:
    setattr(node, part, value)
    return node


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= _LINE else f"{text[: _LINE - 3]}..."
