"""Which columns of which tables reach each column of a query, and which decide its rows, by sqlglot.

sqlglot qualifies every column and builds the scopes; the walk from a column to the tables is ours, because its own
`lineage` answers for one column at a time and not for filters, joins and groups. Tables are given plain names before:
with a schema of names one level deep sqlglot expands stars whatever a table's database is called.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope

from platform_core.lineage.graph import WHOLE, How

Origin = tuple[str, str]
"""A table, as it was given, and a column."""

Origins = Mapping[str, frozenset[tuple[str, str, How]]]
"""What reaches each column of the result; under `WHOLE` what decides which rows there are."""


class UnreadableSql(Exception):
    """SQL whose columns cannot be traced; the message says why."""


def column_origins(sql: str, tables: Mapping[str, Sequence[str]], *, dialect: str = "duckdb") -> Origins:
    """Return where each column of a query comes from.

    Args:
        sql: One query.
        tables: The columns of each table, by the name as the query writes it without quotes: `database.schema.table`.
        dialect: Of the SQL, as sqlglot names it.

    Raises:
        UnreadableSql: The text is no single query, reads a table that is not given, or has a part that is not traced.
    """
    query = _parsed(sql, dialect)
    names = _with_plain_names(query, tables)
    schema: dict[str, object] = {plain: dict.fromkeys(tables[name], "text") for plain, name in names.items()}
    try:
        scope = build_scope(qualify(query, schema=schema, dialect=dialect, validate_qualify_columns=True))
        if scope is None:
            raise UnreadableSql("no scope that sqlglot can build")
        walk = _Walk(names)
        outputs = _selects(scope)
        values: dict[str, frozenset[tuple[str, str, How]]] = {
            output.alias_or_name: frozenset((*origin, "value") for origin in walk.output(scope, output.alias_or_name))
            for output in outputs
        }
        return {**values, WHOLE: frozenset(walk.deciding(scope))}
    except (SqlglotError, ValueError, KeyError, IndexError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnreadableSql(f"columns that cannot be resolved: {reason}") from error


def _parsed(sql: str, dialect: str) -> exp.Query:
    """Return the one query of a text.

    Raises:
        UnreadableSql: It is something else, or has a part whose columns cannot be known from the text.
    """
    try:
        statements = [statement for statement in sqlglot.parse(sql, dialect=dialect) if statement is not None]
    except SqlglotError as error:
        raise UnreadableSql(f"a part that cannot be parsed: {str(error).splitlines()[0]}") from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise UnreadableSql("more or other than one query")
    query = statements[0]
    if query.find(exp.Pivot):
        raise UnreadableSql("a pivot or unpivot, whose columns come from values")
    if query.find(exp.Lateral, exp.Unnest):
        raise UnreadableSql("a lateral join or unnest, which is not traced")
    return query


def _with_plain_names(query: exp.Query, tables: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Give each table in the query a name of its own, in place; return the names they had, by the new ones.

    Raises:
        UnreadableSql: A table is not given.
    """
    plain = {name: f"t{place}" for place, name in enumerate(tables)}
    table_names = {name.lower(): name for name in tables}
    common = {cte.alias_or_name.lower() for cte in query.find_all(exp.CTE)}
    used = {}
    for table in list(query.find_all(exp.Table)):
        written = ".".join(part.name for part in table.parts)
        if written.lower() in common:
            continue
        name = table_names.get(written.lower())
        if name is None:
            raise UnreadableSql(f"reads {written}, whose columns are not known")
        used[plain[name]] = name
        table.replace(exp.alias_(exp.to_table(plain[name]), table.alias or table.name, table=True))
    return used


_DECIDING: Mapping[str, How] = {"where": "filter", "having": "filter", "qualify": "filter", "group": "group"}


@dataclass
class _Walk:
    """From columns of a scope to the tables below it; what was found once is kept."""

    names: Mapping[str, str]
    known: dict[tuple[int, str], frozenset[Origin]] = field(default_factory=dict)

    def output(self, scope: Scope, column: str) -> frozenset[Origin]:
        """Return where a column of a scope's result comes from."""
        key = (id(scope), column.lower())
        if key not in self.known:
            self.known[key] = frozenset()  # a recursive query reaches itself: what it adds is found in its other part
            self.known[key] = frozenset(self._output(scope, column))
        return self.known[key]

    def _output(self, scope: Scope, column: str) -> Iterator[Origin]:
        if scope.set_operation_scopes:
            first = [projection.alias_or_name.lower() for projection in _selects(scope)]
            place = first.index(column.lower())
            for part in scope.set_operation_scopes:
                yield from self.output(part, _selects(part)[place].alias_or_name)
            return
        select = next(
            projection for projection in _selects(scope) if projection.alias_or_name.lower() == column.lower()
        )
        yield from self.inside(scope, select)

    def inside(self, scope: Scope, part: exp.Expr) -> Iterator[Origin]:
        """Yield where the columns that stand in a part of a scope come from, those of scalar subqueries included."""
        for column in part.find_all(exp.Column):
            owner = next(
                (candidate for candidate in [scope, *self._within(scope)] if column in _own_columns(candidate)), scope
            )
            yield from self._column(owner, column)

    def _within(self, scope: Scope) -> Iterator[Scope]:
        for subquery_scope in scope.subquery_scopes:
            yield subquery_scope
            yield from self._within(subquery_scope)

    def _column(self, scope: Scope, column: exp.Column) -> Iterator[Origin]:
        source: Any = scope.sources.get(column.table)
        if source is None and scope.parent is not None:
            yield from self._column(scope.parent, column)
        elif isinstance(source, exp.Table):
            yield self.names[source.name], column.name
        elif isinstance(source, Scope):
            yield from self.output(source, column.name)
        else:
            raise UnreadableSql(f"column {column.name}, whose table is not found")

    def deciding(self, scope: Scope) -> Iterator[tuple[str, str, How]]:
        """Yield the columns that decide which rows a query has: filters, joins and groups at any depth."""
        for subscope in scope.traverse():
            if subscope.set_operation_scopes or not isinstance(subscope.expression, exp.Select):
                continue
            for clause, how in _DECIDING.items():
                part = subscope.expression.args.get(clause)
                if part is not None:
                    yield from ((*origin, how) for origin in self.inside(subscope, part))
            for join in subscope.expression.args.get("joins") or ():
                condition = join.args.get("on")
                if condition is not None:
                    yield from ((*origin, "join") for origin in self.inside(subscope, condition))
            order = subscope.expression.args.get("order")
            if order is not None and subscope.expression.args.get("limit") is not None:
                yield from ((*origin, "filter") for origin in self.inside(subscope, order))


def _selects(scope: Scope) -> list[exp.Expr]:
    """Return the expressions that a query selects; of several joined by set operations, those of the first."""
    while scope.set_operation_scopes:
        scope = scope.set_operation_scopes[0]
    return list(cast("exp.Select", scope.expression).selects)


def _own_columns(scope: Scope) -> list[exp.Column]:
    return [column for column in scope.columns if column.parent_select is scope.expression]
