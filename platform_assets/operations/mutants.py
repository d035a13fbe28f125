"""Small changes to transforms, each run on generated tables: which rule of the contract notices, which change survives.

A comparison that takes its end along or not, a join that keeps other rows, a filter or a removal of doubles that is
left out, another aggregate, a number one off. A change whose result is the same on the generated rows is told as
equivalent on them, and counts neither way.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from platform_assets.operations.trials import Trial, findings_of

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}
_OPERATIONS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_METHODS = {
    "sum": "mean", "mean": "sum", "min": "max", "max": "min", "median": "mean", "first": "last", "last": "first",
    "len": "n_unique", "n_unique": "len", "is_null": "is_not_null", "is_not_null": "is_null", "count": "len",
    "cum_sum": "cum_count", "std": "var", "truncate": "round", "any": "all", "all": "any",
}  # fmt: skip
_LEFT_OUT = {
    "filter",
    "unique",
    "drop_nulls",
    "sort",
    "fill_null",
    "abs",
    "clip",
    "drop_duplicates",
    "distinct",
    "round",
}
_SIDES = {"left": "inner", "inner": "left", "right": "inner", "full": "inner", "semi": "anti", "anti": "semi",
          "outer": "inner"}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change to a transform, and who noticed.

    Attributes:
        dataset: Whose transform it is.
        line: In the file of the transform.
        change: What became what.
        outcome: `noticed`, `survived`, or `equivalent` where the generated rows are the same.
        noticed: `dataset: rule`, or the error.
    """

    dataset: str
    line: int
    change: str
    outcome: str
    noticed: tuple[str, ...]


def try_mutants(trial: Trial) -> Iterator[Mutant]:
    """Run every change to every transform of the trial."""
    calm = trial.calm
    usual = set(findings_of(calm))
    for name, transform in trial.catalog.transforms.items():
        for line, change, function in mutants_of(transform.function):
            verdicts = trial.run(transforms={name: function})
            noticed = tuple(finding for finding in findings_of(verdicts) if finding not in usual)
            same = _same(calm[name].rows, verdicts[name].rows) and not noticed
            yield Mutant(name, line, change, "equivalent" if same else "noticed" if noticed else "survived", noticed)


def mutants_of(function: Callable[..., Any]) -> Iterator[tuple[int, str, Callable[..., Any]]]:
    """Yield the line, the change in words, and the changed function; none where the source cannot be read."""
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return
    offset = function.__code__.co_firstlineno - 1
    count = len(list(_changes(ast.parse(source))))
    for place in range(count):
        tree = ast.parse(source)
        line, change = list(_changes(tree))[place]()
        definition = next((node for node in tree.body if isinstance(node, ast.FunctionDef)), None)
        if definition is None:
            return
        definition.decorator_list = []
        namespace: dict[str, Any] = dict(inspect.getclosurevars(function).nonlocals)
        code = compile(ast.fix_missing_locations(ast.Module([definition], [])), "<mutant>", "exec")
        scope = {**function.__globals__, **namespace}
        exec(code, scope)  # noqa: S102 - the user's own function, changed in one place
        yield offset + line, change, scope[definition.name]


def _changes(tree: ast.AST) -> Iterator[Callable[[], tuple[int, str]]]:
    """Yield what changes the tree in one place, and says where and what."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARISONS:
            yield partial(_replaced, node, "ops", [_COMPARISONS[type(node.ops[0])](), *node.ops[1:]])
        elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
            yield partial(_replaced, node, "op", _OPERATIONS[type(node.op)]())
        elif isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not _is_truth(node.value):
            yield partial(_replaced, node, "value", node.value + 1)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in _SIDES:
            yield partial(_replaced, node, "value", _SIDES[node.value])
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield partial(_replaced, node, "value", not node.value)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in _LEFT_OUT:
                yield partial(_left_out, node)
            if node.func.attr in _METHODS:
                yield partial(_replaced, node.func, "attr", _METHODS[node.func.attr])


def _is_truth(value: object) -> bool:
    return isinstance(value, bool)


def _replaced(node: Any, part: str, value: Any) -> tuple[int, str]:
    before = ast.unparse(node)
    setattr(node, part, value)
    return node.lineno, f"{_short(before)} -> {_short(ast.unparse(node))}"


def _left_out(node: ast.Call) -> tuple[int, str]:
    """Make a call `x.filter(...)` an `x.pipe(lambda frame: frame)`, which does nothing."""
    assert isinstance(node.func, ast.Attribute)  # noqa: S101 - its only caller looked
    change = f".{node.func.attr}({_short(', '.join(map(ast.unparse, node.args)))}) left out"
    node.func.attr = "pipe"
    node.args = [ast.parse("lambda same: same", mode="eval").body]
    node.keywords = []
    return node.lineno, change


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004 - a line


def _same(before: Any, after: Any) -> bool:
    """Compare rows whatever their order: a table has none."""
    if before.shape != after.shape or before.schema != after.schema:
        return False
    names = before.columns
    return bool(before.sort(names, nulls_last=True).equals(after.sort(names, nulls_last=True)))
