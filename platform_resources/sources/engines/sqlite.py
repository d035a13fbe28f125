"""SQLite by the standard library. It has one writer at a time and types by value; what a column holds comes as text."""

import base64
import hashlib
import re
import sqlite3
import zlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl

from platform_resources.sources.engines.base import (
    FIRST_ROWS,
    ColumnSum,
    DatabaseError,
    DatabaseGone,
    Query,
    Rows,
    State,
    counted,
    counting,
    earlier,
    rows_after,
)

_AT_ONCE, _BITS = 60, 64
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?")


@dataclass(frozen=True)
class SQLiteDatabase:
    """A SQLite file, opened for reading alone."""

    name: str
    path: str

    def tables(self) -> list[str]:
        """List tables and views, without SQLite's own."""
        sql = (
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name"
        )
        with self._connection() as connection:
            return [name for (name,) in self._run(connection, sql)]

    def primary_key(self, table: str) -> tuple[str, ...]:
        """Name the columns of the primary key, in its order."""
        with self._connection() as connection:
            columns = self._run(connection, f"PRAGMA table_info({_quoted(table)})").fetchall()
        return tuple(name for _, name, *_, place in sorted(columns, key=lambda column: column[5]) if place)

    def columns(self, query: Query) -> list[str]:
        """List the columns."""
        with self._connection() as connection:
            return [name for name, *_ in self._run(connection, f"SELECT * FROM {_relation(query)} LIMIT 0").description]

    def types(self, query: Query) -> dict[str, str]:
        """Say the declared types; a query has none."""
        with self._connection() as connection:
            declared = self._declared(connection, query)
        return {name: declared.get(name, "").lower() for name in self.columns(query)}

    def probe(self) -> str:
        """Return the file's own count of changes, and what the file system says of it and of the log beside it."""
        files = [path for path in (Path(self.path), Path(f"{self.path}-wal")) if path.exists()]
        stats = [f"{stat.st_ino}:{stat.st_mtime_ns}:{stat.st_size}" for stat in (path.stat() for path in files)]
        return " ".join([*stats, _changes(files[0]) if files else ""])

    def state(self, query: Query) -> State:
        """Count and measure; the fingerprint sees what is added or deleted, and what changed of rows to read again."""
        with self._connection() as connection:
            if query.cursor is None:
                (rows,) = self._run(connection, f"SELECT count(*) FROM {_relation(query)}").fetchone()
                return State(rows=rows, fingerprint=f"{rows} {self.probe()}")
            cursor = _quoted(query.cursor)
            sql = f"SELECT max({cursor}), count(*), count({cursor}) FROM {_relation(query)}"
            high, rows, filled = self._run(connection, sql).fetchone()
            state = State(None if high is None else str(high), rows)
            connection.create_function("row_digits", -1, _row_digits, deterministic=True)
            empty = self._run(connection, f"SELECT * FROM {_relation(query)} LIMIT 0")
            names = [name for name, *_ in empty.description]
            sql = (
                f"SELECT count(*), sum({_digits_of(names)}) FROM {_relation(query)} "
                f"WHERE {cursor} >= ? OR {cursor} IS NULL"
            )
            tail, contents = self._run(connection, sql, [self._from(connection, query, state)]).fetchone()
            return replace(state, fingerprint=f"{rows} {filled} {tail} {contents} {high}")

    def rows(self, query: Query, *, since: State | None, columns: Sequence[str] | None, batch_bytes: int) -> Rows:
        """Yield the rows from one read transaction, and count them in it."""
        names = [name for name in self.columns(query) if columns is None or name in columns]
        with self._connection() as connection:
            self._run(connection, "BEGIN")
            condition, parameters = "", list[Any]()
            if query.cursor is not None and since is not None and since.high is not None:
                cursor = _quoted(query.cursor)
                condition = f" WHERE {cursor} >= ? OR {cursor} IS NULL"
                parameters.append(self._from(connection, query, since))
            order = [*([query.cursor] if query.cursor else []), *query.key]
            ordered = f" ORDER BY {', '.join(map(_quoted, order))}" if order else ""
            sql = f"SELECT {', '.join(map(_quoted, names))} FROM {_relation(query)}{condition}{ordered}"
            result = self._run(connection, sql, parameters)
            kinds = self._declared(connection, query)
            size = FIRST_ROWS
            while batch := self._fetch(result, size):
                frame = pl.DataFrame(
                    {
                        name: [_text(row[at], kinds.get(name, ""), query.zone) for row in batch]
                        for at, name in enumerate(names)
                    },
                    schema=dict.fromkeys(names, pl.String),
                )
                size = rows_after(frame, batch_bytes)
                yield frame
            if columns is not None:
                return None
            connection.create_function("md5_digits", 1, _md5_digits, deterministic=True)
            connection.create_aggregate("exact_sum", 1, _ExactSum)  # type: ignore[arg-type] # its result may be a text
            kinds_of_values = ", ".join(f"group_concat(DISTINCT typeof({_quoted(name)}))" for name in names)
            mixtures = self._run(
                connection, f"SELECT {kinds_of_values} FROM {_relation(query)}{condition}", parameters
            ).fetchone()
            sums = [_sum(name, mixture) for name, mixture in zip(names, mixtures, strict=True)]
            counts = self._run(connection, f"SELECT {counting(sums)} FROM {_relation(query)}{condition}", parameters)
            return counted(counts.fetchone(), sums)

    def _from(self, connection: sqlite3.Connection, query: Query, since: State) -> Any:
        """Return the lowest cursor value of a load, in the type of the column's values, which decides the order."""
        value = earlier(since.high, query.lag_seconds)
        sql = f"SELECT typeof(max({_quoted(str(query.cursor))})) FROM {_relation(query)}"
        (kind,) = self._run(connection, sql).fetchone()
        if value is None or kind not in {"integer", "real"}:
            return value
        return int(value) if kind == "integer" else float(value)

    def _declared(self, connection: sqlite3.Connection, query: Query) -> dict[str, str]:
        if query.table is None:
            return {}
        return {
            row[1]: str(row[2]).upper() for row in self._run(connection, f"PRAGMA table_info({_quoted(query.table)})")
        }

    def _connection(self) -> closing[sqlite3.Connection]:
        try:
            return closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=30))
        except sqlite3.Error as error:
            fix = f"correct PLATFORM_DATABASE_{self.name.upper()}, or put the file there."
            raise DatabaseError(self.name, f"the file cannot be opened ({error}).", fix=fix) from error

    def _fetch(self, result: sqlite3.Cursor, size: int) -> list[tuple[Any, ...]]:
        try:
            return result.fetchmany(size)
        except sqlite3.Error as error:
            reason = str(error).partition(" with text")[0]  # the driver quotes the value
            fix = "mend the value or the file; a blob can be read as CAST(... AS BLOB) by a query."
            raise DatabaseError(self.name, f"its rows cannot be read on ({reason}).", fix=fix) from error

    def _run(self, connection: sqlite3.Connection, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        try:
            return connection.execute(sql, parameters)
        except sqlite3.Error as error:
            if "locked" in str(error):
                fix = "let the writer end; the next run begins at the same place."
                raise DatabaseGone(self.name, f"it does not answer ({error}).", fix=fix) from error
            fix = "correct table, query, cursor or key of the source."
            raise DatabaseError(self.name, f"it cannot be read ({error}).", fix=fix) from error


def open_database(name: str, url: str) -> SQLiteDatabase:
    """Open `sqlite:////absolute/file` or `sqlite:///relative/file`."""
    return SQLiteDatabase(name, unquote(url.removeprefix("sqlite://").removeprefix("/")))


def _changes(file: Path) -> str:
    """Read the counter that each commit of a rollback journal raises (bytes 24 to 28 of the file)."""
    with file.open("rb") as head:
        return head.read(28)[24:].hex()


def _relation(query: Query) -> str:
    return f"({query.sql}) AS query" if query.table is None else ".".join(map(_quoted, query.table.split(".")))


def _quoted(name: str) -> str:
    """Quote a name by backticks: between double quotes SQLite takes a name that it does not know for a text."""
    return f"`{name.replace('`', '``')}`"


def _text(value: Any, declared: str, zone: str | None) -> str | None:
    """Return a value as the text that a contract reads: bytes as Base64, an instant with its zone if one is known."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    text = str(value)
    if isinstance(value, float) and "e" in text:  # a decimal has no exponent
        return format(Decimal(text), "f")
    if zone is not None and ("TIME" in declared or not declared) and _INSTANT.fullmatch(text):
        return with_zone(text, zone)
    return text


def with_zone(text: str, zone: str) -> str:
    """Return an instant without a zone as one in UTC, read in the zone; a time that no clock showed stays as it is.

    Of an hour that is there twice it is the earlier one.
    """
    from datetime import UTC, datetime  # noqa: PLC0415 - only where a zone is declared
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    try:
        local = datetime.fromisoformat(text)
        instant = local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except (ValueError, OverflowError):  # MySQL's 0000-00-00, or the end of the calendar
        return text
    return instant.isoformat() if instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local else text


def _sum(name: str, mixture: str | None) -> ColumnSum:
    """Say how a column is counted, by the kinds of its values: only integers, only numbers, or only texts."""
    column, kinds = _quoted(name), set((mixture or "").split(",")) - {"null", ""}
    if kinds and kinds <= {"integer", "real"}:
        return ColumnSum(name, column, "number", f"exact_sum({column})")
    if kinds == {"text"}:
        return ColumnSum(name, column, "text", f"sum(md5_digits({column}))")
    return ColumnSum(name, column)


def _digits_of(names: Sequence[str]) -> str:
    """Write the digest of a row as SQL: bytes, so that no text need be one, and few at once, for SQLite takes 127."""
    digest = "0"
    for first in range(0, len(names), _AT_ONCE):
        values = ", ".join(f"CAST({_quoted(name)} AS BLOB)" for name in names[first : first + _AT_ONCE])
        digest = f"row_digits({digest}, {values})"
    return digest


def _row_digits(*values: bytes | int | None) -> int:
    return zlib.crc32(repr(values).encode())


class _ExactSum:
    """The sum of a column's numbers; SQLite's own stops with an error where whole ones go beyond 64 bits."""

    def __init__(self) -> None:
        self.total: float | None = None

    def step(self, value: float | None) -> None:
        if value is not None:
            self.total = value if self.total is None else self.total + value

    def finalize(self) -> float | str | None:
        fits = not isinstance(self.total, int) or self.total.bit_length() < _BITS
        return self.total if fits else str(self.total)


def _md5_digits(text: str | None) -> int | None:
    return None if text is None else int(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:8], 16)
