"""Names and values as DuckDB's SQL writes them; nothing of a declaration reaches SQL in any other way."""

import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

_MICROSECOND = timedelta(microseconds=1)


def identifier(name: str) -> str:
    """Return a name between quotation marks, those inside doubled."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: Any) -> str:  # noqa: C901, PLR0911 - one way to write each type
    """Return a Python value as a literal of the same value.

    Raises:
        TypeError: SQL has no literal of the value's type.
    """
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return str(value)
        case float():
            return repr(value) if math.isfinite(value) else f"CAST('{value}' AS DOUBLE)"
        case Decimal():
            return f"{value:f}"
        case str():
            return "'" + value.replace("'", "''") + "'"
        case bytes():
            return "CAST('" + "".join(f"\\x{byte:02X}" for byte in value) + "' AS BLOB)"
        case datetime():
            name = "TIMESTAMP" if value.tzinfo is None else "TIMESTAMPTZ"
            return f"{name} '{value.isoformat(sep=' ')}'"
        case date():
            return f"DATE '{value.isoformat()}'"
        case time():
            return f"TIME '{value.isoformat()}'"
        case timedelta():
            return f"to_microseconds({value // _MICROSECOND})"
        case _:
            raise TypeError(f"a {type(value).__name__} cannot be written in SQL")


def literals(values: Any) -> str:
    """Values between parentheses, as `IN` takes them; none at all is a null, which nothing equals."""
    return f"({', '.join(map(literal, values)) or 'NULL'})"


def portable_condition(text: str) -> str | None:
    """Return a condition in DuckDB's SQL with every name quoted, or None where Polars may read it otherwise.

    Comparisons, connectives, sums, differences, products, `IS NULL`, `IN` and `BETWEEN` of columns and literals
    mean the same in both; division and functions need not.
    """
    import sqlglot  # noqa: PLC0415 - 0.15 s, and only where SQL is exported
    from sqlglot import exp  # noqa: PLC0415
    from sqlglot.errors import SqlglotError  # noqa: PLC0415

    same = (
        exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.And, exp.Or, exp.Not, exp.EQ,
        exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.In, exp.Between, exp.Add, exp.Sub, exp.Mul, exp.Neg,
    )  # fmt: skip
    try:
        tree = sqlglot.parse_one(text, read="duckdb")
    except SqlglotError:
        return None
    if not all(isinstance(node, same) for node in tree.walk()):
        return None
    return tree.sql(dialect="duckdb", identify=True)
