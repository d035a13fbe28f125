"""Which columns of which tables reach each column of a query, and which decide its rows, by sqlglot.

sqlglot qualifies every column and builds the scopes; the walk from a column to the tables is ours, because its own
`lineage` answers for one column at a time and not for filters, joins and groups. Tables are given plain names before:
with a schema of names one level deep sqlglot expands stars whatever a table's database is called.
"""

import re
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


TRACER = "2"
"""Changes with what is traced, so that what an older one found is not taken for what this one would."""


class UnreadableSql(Exception):
    """SQL whose columns cannot be traced; the message says why."""


def column_origins(sql: str, tables: Mapping[str, Sequence[str]], *, dialect: str = "duckdb") -> Origins:
    """Return where each column of a query comes from; names are spelled as tables and aliases spell them.

    Args:
        sql: One query.
        tables: The columns of each table, by the name as the query writes it without quotes: `database.schema.table`.
        dialect: Of the SQL, as sqlglot names it.

    Raises:
        UnreadableSql: The text is no single query, reads a table that is not given, or has a part that is not traced.
    """
    query = _parsed(sql, dialect)
    names = _with_plain_names(query, tables)
    spelling = _spelling(query, [tables[name] for name in names.values()])
    schema: dict[str, object] = {plain: dict.fromkeys(tables[name], "text") for plain, name in names.items()}
    spelled_columns = {plain: {column.lower(): column for column in tables[name]} for plain, name in names.items()}
    try:
        scope = build_scope(qualify(query, schema=schema, dialect=dialect, validate_qualify_columns=True))
        if scope is None:
            raise UnreadableSql("no scope that sqlglot can build")
        walk = _Walk(names, spelled_columns, {id(inner.expression): inner for inner in scope.traverse()})
        values: dict[str, frozenset[tuple[str, str, How]]] = {}
        for place, output in enumerate(walk.output_names(scope)):
            if _UNNAMED.fullmatch(output) and output not in spelling:
                raise UnreadableSql(f"a column without a name, number {place + 1}; AS gives it one")
            origins = walk.output(scope, output)
            values[spelling.get(output.lower(), output)] = frozenset((*origin, "value") for origin in origins)
        return {**values, WHOLE: frozenset(walk.deciding(scope))}
    except (SqlglotError, ValueError, KeyError, IndexError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnreadableSql(f"columns that cannot be resolved: {reason}") from error


_UNNAMED = re.compile(r"_col_[0-9]+")
"""What sqlglot calls a column that the query gives no name."""


def _spelling(query: exp.Query, columns: Sequence[Sequence[str]]) -> dict[str, str]:
    """Return how names are written, by the name in small letters: sqlglot keeps none but small ones."""
    aliases = [alias.alias for alias in query.find_all(exp.Alias)]
    outermost = [projection.alias for projection in query.selects if isinstance(projection, exp.Alias)]
    written = [*(column for names in columns for column in names), *aliases, *outermost]
    return {name.lower(): name for name in written}


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
    if query.find(exp.Columns):
        raise UnreadableSql("COLUMNS(…), which names its columns by a pattern")
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
    """From columns of a scope to the tables below it; what was traced once is kept.

    Attributes:
        names: The tables, by their plain names.
        spelled_columns: The columns of each table as they are declared, by plain name and name in small letters.
        scopes: Every scope, by its query's identity.
        traced: Where columns of scopes come from.
    """

    names: Mapping[str, str]
    spelled_columns: Mapping[str, Mapping[str, str]]
    scopes: Mapping[int, Scope]
    traced: dict[tuple[int, str], frozenset[Origin]] = field(default_factory=dict)

    def output_names(self, scope: Scope) -> list[str]:
        """Return the columns of a scope's result, in order; of a union by name those that the parts add as well."""
        if not scope.set_operation_scopes:
            return [projection.alias_or_name for projection in cast("exp.Select", scope.expression).selects]
        names = [self.output_names(part) for part in scope.set_operation_scopes]
        if not scope.expression.args.get("by_name"):
            return names[0]
        by_name: dict[str, str] = {}
        for name in (name for part in names for name in part):
            by_name.setdefault(name.lower(), name)
        return list(by_name.values())

    def output(self, scope: Scope, column: str) -> frozenset[Origin]:
        """Return where a column of a scope's result comes from."""
        key = (id(scope), column.lower())
        if key not in self.traced:
            self.traced[key] = frozenset()  # a recursive query reaches itself: what it adds is found in its other part
            self.traced[key] = frozenset(self._output(scope, column))
        return self.traced[key]

    def _output(self, scope: Scope, column: str) -> Iterator[Origin]:
        parts = scope.set_operation_scopes
        if parts and scope.expression.args.get("by_name"):
            for part in parts:
                if column.lower() in {name.lower() for name in self.output_names(part)}:
                    yield from self.output(part, column)
        elif parts:
            place = [name.lower() for name in self.output_names(scope)].index(column.lower())
            for part in parts if isinstance(scope.expression, exp.Union) else parts[:1]:
                yield from self.output(part, self.output_names(part)[place])
        else:
            yield from self.inside(_projection(scope, column))

    def inside(self, part: exp.Expr) -> Iterator[Origin]:
        """Yield where the columns that stand in a part of a query come from, those of subqueries in it included."""
        for column in part.find_all(exp.Column):
            yield from self._column(self._owner(column), column)
        for window in part.find_all(exp.Window):
            yield from self._named_window(window)

    def _owner(self, node: exp.Expr) -> Scope:
        query = node.parent
        while query is not None and id(query) not in self.scopes:
            query = query.parent
        if query is None:
            raise UnreadableSql(f"a part whose query is not found: {node.sql()}")
        return self.scopes[id(query)]

    def _named_window(self, window: exp.Window) -> Iterator[Origin]:
        name = window.args.get("alias")
        if name is None:
            return
        for definition in self._owner(window).expression.args.get("windows") or ():
            if definition.name.lower() == name.name.lower() and definition is not window:
                yield from self.inside(definition)

    def _column(self, scope: Scope, column: exp.Column) -> Iterator[Origin]:
        if not column.table:  # the name of an output, as ORDER BY and DISTINCT ON may say it
            yield from self.output(scope, column.name)
            return
        source: Any = scope.sources.get(column.table)
        if source is None and scope.parent is not None:
            yield from self._column(scope.parent, column)
        elif isinstance(source, exp.Table) and source.name in self.names:
            yield self.names[source.name], self.spelled_columns[source.name].get(column.name.lower(), column.name)
        elif isinstance(source, Scope):
            yield from self.output(source, column.name)
        else:
            raise UnreadableSql(f"column {column.name}, whose table is not found")

    def deciding(self, scope: Scope, above: frozenset[int] = frozenset()) -> Iterator[tuple[str, str, How]]:
        """Yield the columns that decide which rows a query has, by filters, joins and groups in all that it reads."""
        if id(scope) in above:
            return
        above |= {id(scope)}
        parts = list(self._deciding_parts(scope))
        for part, how in parts:
            yield from ((*origin, how) for origin in self.inside(part))
        if scope.set_operation_scopes:
            yield from ((*origin, how) for origin, how in self._matched(scope))
            below = list(scope.set_operation_scopes)
        else:
            below = [source for _, source in scope.selected_sources.values() if isinstance(source, Scope)]
            queries = {id(query) for part, _ in parts for query in part.find_all(exp.Query)}
            below += [inner for inner in scope.subquery_scopes if id(inner.expression) in queries]
        for inner in below:
            yield from self.deciding(inner, above)

    def _deciding_parts(self, scope: Scope) -> Iterator[tuple[exp.Expr, How]]:
        """Yield the parts of one query that decide on its rows."""
        query, clauses = scope.expression, scope.expression.args
        distinct = clauses.get("distinct") if isinstance(query, exp.Select) else None
        distinct_on = distinct.args.get("on") if distinct is not None else None
        takes_first = clauses.get("limit") is not None or distinct_on is not None
        if clauses.get("order") is not None and takes_first:
            yield clauses["order"], "filter"
        if not isinstance(query, exp.Select):
            return
        for clause, how in _DECIDING.items():
            if clauses.get(clause) is not None:
                yield clauses[clause], how
        for join in clauses.get("joins") or ():
            if join.args.get("on") is not None:
                yield join.args["on"], "join"
        group = clauses.get("group")
        if group is not None and group.args.get("all"):
            yield from ((part, "group") for part in query.selects if part.find(exp.AggFunc) is None)
        if distinct is not None:
            yield from ((part, "group") for part in ([distinct_on] if distinct_on else query.selects))

    def _matched(self, scope: Scope) -> Iterator[tuple[Origin, How]]:
        """Yield the columns by which the parts of a union, EXCEPT or INTERSECT are compared; of UNION ALL none."""
        compared = not isinstance(scope.expression, exp.Union)
        if compared or scope.expression.args.get("distinct"):
            for part in scope.set_operation_scopes:
                for name in self.output_names(part):
                    yield from ((origin, "filter" if compared else "group") for origin in self.output(part, name))


def _projection(scope: Scope, column: str) -> exp.Expr:
    for projection in cast("exp.Select", scope.expression).selects:
        if projection.alias_or_name.lower() == column.lower():
            return projection
    raise UnreadableSql(f"column {column}, which its query does not have")
