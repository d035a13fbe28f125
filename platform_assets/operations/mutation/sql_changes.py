"""Every small change to a query, one at a time, by sqlglot's tree of it.

The kinds: a join keeps other rows, a comparison takes its end along or not, a condition, filter, `qualify`, `distinct`
or wrapper (`coalesce`, `round`, `nullif`) is left out, an aggregate is another one, `and` becomes `or`, an operation is
another one, a number is one off or has the other sign, a text is another one, a column is another one of the query, the
order turns, a `when` goes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlglot
from sqlglot import ErrorLevel, exp
from sqlglot.errors import SqlglotError

_COMPARISONS: dict[type[exp.Expr], tuple[type[exp.Expr], ...]] = {
    exp.GT: (exp.GTE, exp.LT), exp.GTE: (exp.GT, exp.LTE), exp.LT: (exp.LTE, exp.GT), exp.LTE: (exp.LT, exp.GTE),
    exp.EQ: (exp.NEQ,), exp.NEQ: (exp.EQ,), exp.And: (exp.Or,), exp.Or: (exp.And,),
}  # fmt: skip
_OPERATIONS: dict[type[exp.Expr], tuple[type[exp.Expr], ...]] = {
    exp.Add: (exp.Sub,), exp.Sub: (exp.Add,), exp.Mul: (exp.Div,), exp.Div: (exp.Mul,), exp.IntDiv: (exp.Mod,),
    exp.Mod: (exp.IntDiv,),
}  # fmt: skip
_AGGREGATES: dict[type[exp.Expr], tuple[type[exp.Expr], ...]] = {
    exp.Sum: (exp.Avg, exp.Max), exp.Avg: (exp.Sum, exp.Median), exp.Min: (exp.Max,), exp.Max: (exp.Min,),
    exp.Median: (exp.Avg,), exp.AnyValue: (exp.Max, exp.Min),
}  # fmt: skip
_LINE = 100
DIALECT = "duckdb"


@dataclass(frozen=True)
class SqlChange:
    """A query, changed in one place.

    Attributes:
        kind: Of change, such as `comparison`.
        before: The smallest expression around the change.
        after: The same, changed.
        sql: The changed query.
    """

    kind: str
    before: str
    after: str
    sql: str


Change = tuple[str, Callable[[Any], exp.Expr | None]]
"""The kind, and what stands in the place of a copy of the node; None for nothing."""


def sql_changes(sql: str) -> Iterator[SqlChange]:
    """Yield each change of a query.

    Raises:
        ValueError: The query cannot be read.
    """
    try:
        tree = sqlglot.parse_one(sql, DIALECT)
    except SqlglotError as error:
        raise ValueError(str(error).partition("\n")[0]) from error
    seen_texts = {tree.sql(DIALECT)}
    for place, node in enumerate(tree.walk()):
        for kind, change in _changes(node):
            mutated = tree.copy()
            target = next(copied for at, copied in enumerate(mutated.walk()) if at == place)
            around = _around(target)
            before, top = _short(around), around is target
            replaced = change(target)
            if replaced is None:
                target.pop()
            elif replaced is not target:
                target.replace(replaced)
            text = mutated.sql(DIALECT, unsupported_level=ErrorLevel.IGNORE)
            if text not in seen_texts:
                seen_texts.add(text)
                shown = replaced if top else around
                yield SqlChange(kind, before, _short(shown) if shown is not None else "(left out)", text)


def numbers_in(sql: str) -> Iterator[tuple[str, float]]:
    """Yield the numbers that a query names, each with the columns that it compares with it; none where it is no SQL."""
    try:
        tree = sqlglot.parse_one(sql, DIALECT)
    except SqlglotError:
        return
    for literal in tree.find_all(exp.Literal):
        if not literal.is_string:
            yield "", float(literal.this)
            compared = literal.find_ancestor(exp.Predicate)
            if isinstance(compared, exp.Binary):
                yield from ((column.name, float(literal.this)) for column in compared.find_all(exp.Column))


def _around(node: exp.Expr) -> exp.Expr:
    """Return the expression that shows what a leaf means."""
    while (
        isinstance(node, exp.Literal | exp.Column | exp.Identifier | exp.Ordered | exp.Neg) and node.parent is not None
    ):
        node = node.parent
    return node


def _changes(node: exp.Expr) -> Iterator[Change]:
    kind = type(node)
    for other in _COMPARISONS.get(kind, ()):
        yield "comparison", partial(_with_operator, other)
    for other in _OPERATIONS.get(kind, ()):
        yield "operation", partial(_with_operator, other)
    for other in _AGGREGATES.get(kind, ()):
        yield "aggregate", partial(_with_aggregate, other)
    if isinstance(node, exp.And | exp.Or):
        yield "condition left out", lambda same: same.this
        yield "condition left out", lambda same: same.expression
    yield from _left_out(node)
    for type_, changes in _BY_TYPE.items():
        if isinstance(node, type_):
            yield from changes(node)


def _left_out(node: exp.Expr) -> Iterator[Change]:
    name = type(node).__name__.lower()
    if isinstance(node, _CLAUSES) and not isinstance(node.parent, exp.Filter):  # a filter is left out as a whole
        yield f"{name} left out", lambda _: None
    elif isinstance(node, _WRAPPERS):
        yield f"{name} left out", lambda same: same.this
    elif isinstance(node, exp.If) and isinstance(node.parent, exp.Case) and len(node.parent.args["ifs"]) > 1:
        yield "when left out", lambda _: None


def _with_operator(other: type[exp.Expr], same: exp.Expr) -> exp.Expr:
    return other(this=same.this, expression=same.expression)


def _with_aggregate(other: type[exp.Expr], same: exp.Expr) -> exp.Expr:
    counted = same.this
    return other(this=counted.this if isinstance(counted, exp.IgnoreNulls) else counted)


def _nulls(node: exp.Expr) -> Iterator[Change]:
    del node
    yield "null", lambda same: same.this if isinstance(same.parent, exp.Not) else exp.Not(this=same.copy())


def _unions(node: exp.Expr) -> Iterator[Change]:
    yield "union", lambda same: _set(same, "distinct", not node.args.get("distinct"))


def _orders(node: exp.Expr) -> Iterator[Change]:
    yield "order", lambda same: _set(same, "desc", not node.args.get("desc"))


def _joins(node: exp.Expr) -> Iterator[Change]:
    is_left = node.args.get("side") == "LEFT"
    if is_left or not node.args.get("side"):
        yield "join", lambda same: _set(_set(same, "side", None if is_left else "LEFT"), "kind", None)
    keys = len(node.args.get("using") or ())
    for place in range(keys if keys > 1 else 0):
        yield "key left out", partial(_without_key, place)


def _without_key(place: int, join: exp.Expr) -> exp.Expr:
    join.set("using", [arg for at, arg in enumerate(join.args["using"]) if at != place])
    return join


def _counts(node: exp.Expr) -> Iterator[Change]:
    counted = node.this
    if isinstance(counted, exp.Star):
        scope = node.find_ancestor(exp.Select)
        column = next((candidate for candidate in scope.find_all(exp.Column)), None) if scope else None
        if column is not None:
            yield "aggregate", lambda _: exp.Count(this=exp.Distinct(expressions=[column.copy()]))
    else:
        yield "aggregate", lambda _: exp.Count(this=exp.Star())
    yield "number", lambda same: exp.Add(this=same.copy(), expression=exp.Literal.number(1))


def _literals(node: exp.Expr) -> Iterator[Change]:
    if node.is_string:
        yield "text", lambda same: exp.Literal.string(f"{same.this}?")
        return
    number = float(node.this)
    whole = node.this.lstrip("-").isdigit()
    for other in dict.fromkeys((number + 1, number - 1, -number)):
        if other != number:
            text = str(int(other)) if whole else str(round(other, 9))
            yield "number", partial(_number, text)


def _number(text: str, _: exp.Expr) -> exp.Expr:
    return exp.Literal.number(text)


def _columns(node: exp.Expr) -> Iterator[Change]:
    """Another column of the same place that the query reads next to it."""
    scope = node.find_ancestor(exp.Select)
    if scope is None or not isinstance(node, exp.Column):
        return
    names = list(dict.fromkeys(column.name for column in scope.find_all(exp.Column) if column.table == node.table))
    if len(names) > 1:
        nearest = names[(names.index(node.name) + 1) % len(names)]
        aliased = isinstance(node.parent, exp.Select)

        def swap(same: Any) -> exp.Expr:
            other = exp.column(nearest, table=same.table or None)
            return exp.alias_(other, same.name) if aliased else other

        yield "column", swap


_CLAUSES = (exp.Where, exp.Having, exp.Qualify, exp.Distinct, exp.Limit)
_WRAPPERS = (exp.Filter, exp.Not, exp.Neg, exp.Coalesce, exp.Round, exp.Nullif, exp.Abs, exp.Upper, exp.Lower, exp.Trim)
_BY_TYPE: dict[type[exp.Expr], Callable[[exp.Expr], Iterator[Change]]] = {
    exp.Join: _joins, exp.Count: _counts, exp.Literal: _literals, exp.Column: _columns, exp.Is: _nulls,
    exp.Union: _unions, exp.Ordered: _orders,
}  # fmt: skip


def _set(node: Any, part: str, value: Any) -> Any:
    node.set(part, value)
    return node


def _short(node: exp.Expr) -> str:
    text = " ".join(node.sql(DIALECT, unsupported_level=ErrorLevel.IGNORE).split())
    return text if len(text) <= _LINE else f"{text[: _LINE - 3]}..."
