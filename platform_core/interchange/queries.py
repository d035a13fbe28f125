"""The rules of a dataset as SQL for DuckDB, PostgreSQL and Spark: one statement a rule, that counts what breaks it.

What a dialect cannot say of a rule is told as a reason, never left out. A text pattern is written in RE2's spelling,
which PostgreSQL reads otherwise where it has classes or flags of its own; those patterns are not compiled for it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from platform_core.contracts import Dataset, Rule, rules_of
from platform_core.rules.base import RowRule
from platform_core.rules.regex import is_read_alike
from platform_core.rules.sql import identifier

Dialect = Literal["duckdb", "postgres", "spark"]
DIALECTS: tuple[str, ...] = get_args(Dialect)


@dataclass(frozen=True, kw_only=True)
class RuleQuery:
    """A rule in SQL.

    Attributes:
        rule: Its id.
        label: In words.
        sql: A statement that gives `failed` (rows that break a row rule) or `value` (what a rule on the whole
            measures, by partition); None where the dialect cannot say it.
        reason: Why there is none.
    """

    rule: str
    label: str
    sql: str | None
    reason: str = ""


def rule_queries(dataset: Dataset, dialect: Dialect, *, table: str | None = None) -> list[RuleQuery]:
    """Compile the rules of a dataset, in the contract's order.

    Args:
        dataset: The contract.
        dialect: Of the engine.
        table: The name of the table, as the engine knows it; `domain.title` without.

    Raises:
        ValueError: There is no such dialect.
    """
    if dialect not in DIALECTS:
        raise ValueError(f"{dialect!r} is no dialect. Fix: use one of {', '.join(DIALECTS)}.")
    source = table or ".".join(identifier(part) for part in dataset.name.split("/"))
    return [_query(dataset, rule, dialect, source) for rule in rules_of(dataset)]


def condition(rule: RowRule, dialect: Dialect) -> str | None:
    """Return the condition that is true or null where a row is good, or None where the dialect cannot say it.

    Raises:
        ValueError: There is no such dialect.
    """
    text = rule.sql()
    return None if text is None or _foreign(text, dialect) else _translated(text, dialect)


_PATTERN = re.compile(r"""regexp_matches\("(?:[^"]|"")*", '((?:[^']|'')*)'\)""")


def _foreign(text: str, dialect: str) -> str:
    """Return why a condition would mean something else in a dialect; empty where it means the same."""
    if dialect == "duckdb":
        return ""
    if not all(is_read_alike(pattern.replace("''", "'")) for pattern in _PATTERN.findall(text)):
        return f"{dialect} has other classes and flags in patterns"
    if "to_microseconds" in text and dialect == "spark":
        return "spark has no such interval"
    return ""


def _translated(text: str, dialect: str) -> str:
    """Return DuckDB's SQL in another dialect."""
    if dialect == "duckdb":
        return text
    import sqlglot  # noqa: PLC0415 - 0.15 s, and only where SQL is exported

    tree = sqlglot.parse_one(text, read="duckdb")
    if dialect == "spark":
        return str(tree.transform(_with_percentile).sql(dialect=dialect, identify=True))
    # In PostgreSQL there is no ends_with, and the end of a text is \\Z.
    sql = str(tree.transform(_without_ends_with).sql(dialect=dialect, identify=True))
    return sql.replace("\\z", "\\Z") if "regexp_matches" in text else sql


def _without_ends_with(node: Any) -> Any:
    from sqlglot import exp  # noqa: PLC0415 - see above

    if not isinstance(node, exp.EndsWith):
        return node
    text, ending = node.this, node.expression
    return exp.paren(exp.EQ(this=exp.Right(this=text, expression=exp.Length(this=ending)), expression=ending.copy()))


def _with_percentile(node: Any) -> Any:
    """Return a quantile as Spark has it: its `percentile_cont` wants WITHIN GROUP, which sqlglot does not write."""
    from sqlglot import exp  # noqa: PLC0415 - see above

    return exp.func("percentile", node.this, node.expression) if isinstance(node, exp.PercentileCont) else node


def _query(dataset: Dataset, rule: Rule, dialect: str, source: str) -> RuleQuery:
    statement = _statement(dataset, rule, source)
    reason = "it is judged where rows are read, or by Python" if statement is None else _foreign(statement, dialect)
    if statement is None or reason:
        return RuleQuery(rule=rule.id, label=rule.label, sql=None, reason=reason)
    return RuleQuery(rule=rule.id, label=rule.label, sql=_translated(statement, dialect))


def _statement(dataset: Dataset, rule: Rule, source: str) -> str | None:
    """Return the statement in DuckDB's SQL; what each generic test of dbt asks, as one query."""
    test = rule.dbt_test(dataset.partitions.column if dataset.partitions else None)
    if test is None:
        return None
    name, arguments = test
    match name:
        case "rows_hold":
            return _counted(source, arguments["condition"])
        case "not_null":
            return _counted(source, f"{identifier(rule.columns[0])} IS NOT NULL")
        case "unique" | "no_two_alike":
            return _unique(source, rule.columns)
        case "found_in":
            return _found_in(source, arguments)
        case "measure_holds":
            return _measured(source, arguments["aggregate"], arguments.get("per"))
        case "share_holds":
            share = f"sum(CASE WHEN coalesce({arguments['condition']}, TRUE) THEN 1.0 ELSE 0.0 END) / count(*)"
            return _measured(source, share, arguments.get("per"))
    return None


def _counted(source: str, text: str) -> str:
    return f"SELECT coalesce(sum(CASE WHEN coalesce({text}, TRUE) THEN 0 ELSE 1 END), 0) AS failed FROM {source}"  # noqa: S608 - names are quoted


def _unique(source: str, columns: Sequence[str]) -> str:
    names = ", ".join(map(identifier, columns))
    filled = " AND ".join(f"{identifier(name)} IS NOT NULL" for name in columns)
    groups = f"SELECT count(*) - 1 AS extra FROM {source} WHERE {filled} GROUP BY {names}"  # noqa: S608 - names are quoted
    return f"SELECT coalesce(sum(extra), 0) AS failed FROM ({groups}) AS groups"  # noqa: S608


def _found_in(source: str, arguments: Mapping[str, Any]) -> str:
    domain, title = re.findall(r"'([^']*)'", arguments["to"])
    target = f"{identifier(domain)}.{identifier(title)}"
    exists = f"EXISTS (SELECT 1 FROM {target} AS target WHERE {arguments['match']})"  # noqa: S608
    return (
        (
            f"SELECT coalesce(sum(CASE WHEN {exists} THEN 0 ELSE 1 END), 0) AS failed FROM {source} AS row "  # noqa: S608
            f"WHERE {arguments['filled']}"
        )
        .replace("row.", '"row".')
        .replace("AS row ", 'AS "row" ')
    )


def _measured(source: str, aggregate: str, per: str | None) -> str:
    if per is None:
        return f"SELECT {aggregate} AS value FROM {source}"  # noqa: S608 - names are quoted
    part = identifier(per)
    return f"SELECT {part}, {aggregate} AS value FROM {source} GROUP BY {part}"  # noqa: S608
