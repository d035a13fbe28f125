"""A table of PostgreSQL or SQLite that an application reads: rows under their keys, and the position beside them.

Rows, deletions and position are one transaction, so each change is there once. PostgreSQL takes rows by COPY into a
table of the session and merges them by one statement. A table that is missing is made; one that is there is used as it
is, and needs the published columns and a unique index on the key. No message holds a URL or a value.
"""

import io
import json
import sqlite3
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl

from platform_resources.sinks.base import Changes, Sink, SinkContext
from platform_resources.sinks.errors import SinkError, SinkRefused, SinkUnreachable

_POSITIONS = "platform_published"
_SECONDS = 30


class DatabaseSink(Sink):
    """One table of one database; the two kinds differ in types, connection and how rows travel."""

    types: Mapping[type[pl.DataType], str]
    mark: str

    def __init__(self, url: str, table: str, context: SinkContext) -> None:
        """Make the table where it is missing."""
        self._url, self._table, self._context = url, table, context
        names = ", ".join(f"{_quoted(name)} {self._type(kind)}" for name, kind in context.schema.items())
        keys = ", ".join(map(_quoted, context.key))
        with self._transaction() as cursor:
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {self._name} ({names}, PRIMARY KEY ({keys}))")
            cursor.execute(
                f"CREATE TABLE IF NOT EXISTS {_POSITIONS} "
                "(target TEXT PRIMARY KEY, position TEXT NOT NULL, number BIGINT NOT NULL)"
            )

    @property
    def keeps_position(self) -> bool:
        """It does, in one transaction with the rows."""
        return True

    def position(self) -> str | None:
        """Return the position of the last changes."""
        with self._transaction() as cursor:
            cursor.execute(f"SELECT position FROM {_POSITIONS} WHERE target = {self.mark}", (self._target,))
            row = cursor.fetchone()
        return None if row is None else str(row[0])

    def write(self, changes: Changes) -> None:
        """Put and delete rows and keep the position, all or nothing; older changes that come late change nothing."""
        mark = self.mark
        with self._transaction() as cursor:
            cursor.execute(
                f"INSERT INTO {_POSITIONS} VALUES ({mark}, {mark}, {mark}) ON CONFLICT (target) DO UPDATE SET "
                f"position = excluded.position, number = excluded.number "
                f"WHERE excluded.number >= {_POSITIONS}.number",
                (self._target, changes.position, changes.number),
            )
            if not cursor.rowcount:
                return
            self._delete(cursor, changes)
            self._put(cursor, changes)

    @property
    def _target(self) -> str:
        return f"{self._context.dataset} {self._table}"

    @property
    def _name(self) -> str:
        return ".".join(map(_quoted, self._table.split(".")))

    def _refusal(self, reason: str) -> SinkRefused:
        fix = "give the table the published columns and a unique index on the key, or name another table"
        return SinkRefused(self._context.dataset, f"table {self._table}", reason, fix=fix)

    def _type(self, kind: pl.DataType) -> str:
        if isinstance(kind, pl.Decimal):
            return f"NUMERIC({kind.precision or 38}, {kind.scale})"
        if isinstance(kind, pl.Datetime):
            return "TIMESTAMPTZ" if kind.time_zone else "TIMESTAMP"
        return self.types.get(type(kind), "TEXT")

    def _merged(self, source: str) -> str:
        """Return the statement that merges rows of a source by the key."""
        columns = ", ".join(map(_quoted, self._context.schema))
        others = [name for name in self._context.schema if name not in self._context.key]
        sets = ", ".join(f"{_quoted(name)} = excluded.{_quoted(name)}" for name in others)
        keys = ", ".join(map(_quoted, self._context.key))
        conflict = f"ON CONFLICT ({keys}) DO " + (f"UPDATE SET {sets}" if others else "NOTHING")
        return f"INSERT INTO {self._name} ({columns}) {source} {conflict}"

    @abstractmethod
    def _transaction(self) -> Any:
        """Give a cursor; what it does is kept together or not at all."""

    @abstractmethod
    def _put(self, cursor: Any, changes: Changes) -> None: ...

    @abstractmethod
    def _delete(self, cursor: Any, changes: Changes) -> None: ...


class SQLiteSink(DatabaseSink):
    """A table in a SQLite file; instants are text in ISO 8601 with a zone."""

    types: Mapping[type[pl.DataType], str] = {
        **dict.fromkeys([pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32], "INTEGER"),
        pl.Float32: "REAL", pl.Float64: "REAL", pl.Boolean: "BOOLEAN", pl.Binary: "BLOB", pl.Date: "DATE",
    }  # fmt: skip
    mark = "?"

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        path = Path(unquote(self._url.removeprefix("sqlite://").removeprefix("/")))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(path, timeout=_SECONDS)) as connection, connection:
                yield connection.cursor()
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "open" in str(error):
                raise SinkUnreachable(self._context.dataset, f"table {self._table}", str(error)) from error
            raise self._refusal(str(error)) from error
        except sqlite3.Error as error:
            raise self._refusal(type(error).__name__) from error

    def _put(self, cursor: Any, changes: Changes) -> None:
        marks = ", ".join("?" * len(self._context.schema))
        values = _portable(changes.rows.select(list(self._context.schema)))
        cursor.executemany(self._merged(f"VALUES ({marks})"), values.iter_rows())

    def _delete(self, cursor: Any, changes: Changes) -> None:
        keys = list(self._context.key)
        where = " AND ".join(f"{_quoted(name)} = ?" for name in keys)
        values = _portable(changes.deleted.select(keys))
        cursor.executemany(f"DELETE FROM {self._name} WHERE {where}", values.iter_rows())


class PostgreSQLSink(DatabaseSink):
    """A table in PostgreSQL."""

    types: Mapping[type[pl.DataType], str] = {
        **dict.fromkeys([pl.Int8, pl.Int16, pl.UInt8], "SMALLINT"),
        **dict.fromkeys([pl.Int32, pl.UInt16], "INTEGER"),
        **dict.fromkeys([pl.Int64, pl.UInt32], "BIGINT"),
        pl.UInt64: "NUMERIC(20)", pl.Float32: "REAL", pl.Float64: "DOUBLE PRECISION", pl.Boolean: "BOOLEAN",
        pl.Date: "DATE", pl.Time: "TIME", pl.Binary: "BYTEA", pl.List: "JSONB", pl.Struct: "JSONB",
    }  # fmt: skip
    mark = "%s"

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        import psycopg2  # noqa: PLC0415 - an extra

        scheme, _, rest = self._url.partition("://")
        dataset, target = self._context.dataset, f"table {self._table}"
        try:
            connection = psycopg2.connect(f"{scheme.partition('+')[0]}://{rest}", application_name="platform")
        except psycopg2.Error as error:
            raise SinkUnreachable(dataset, target, "the database cannot be reached") from error
        try:
            with closing(connection), connection, connection.cursor() as cursor:
                yield cursor
        except psycopg2.OperationalError as error:
            raise SinkUnreachable(dataset, target, type(error).__name__) from error
        except psycopg2.Error as error:
            reason = (error.diag.message_primary or type(error).__name__) if error.diag else type(error).__name__
            raise self._refusal(reason) from error

    def _put(self, cursor: Any, changes: Changes) -> None:
        if changes.rows.height:
            names = list(self._context.schema)
            self._copy(cursor, "platform_put", changes.rows.select(names))
            shown = ", ".join(map(_quoted, names))
            cursor.execute(self._merged(f"SELECT {shown} FROM platform_put"))

    def _delete(self, cursor: Any, changes: Changes) -> None:
        if changes.deleted.height:
            keys = list(self._context.key)
            self._copy(cursor, "platform_gone", changes.deleted.select(keys))
            on = " AND ".join(f"t.{_quoted(name)} = g.{_quoted(name)}" for name in keys)
            cursor.execute(f"DELETE FROM {self._name} AS t USING platform_gone AS g WHERE {on}")

    def _copy(self, cursor: Any, table: str, rows: pl.DataFrame) -> None:
        shown = ", ".join(map(_quoted, rows.columns))
        cursor.execute(f"CREATE TEMP TABLE {table} ON COMMIT DROP AS SELECT {shown} FROM {self._name} LIMIT 0")
        text = _portable(rows, bytes_as_hex=True).write_csv(include_header=False, quote_style="non_numeric")
        cursor.copy_expert(f"COPY {table} ({shown}) FROM STDIN WITH (FORMAT csv)", io.StringIO(text))


def _portable(rows: pl.DataFrame, *, bytes_as_hex: bool = False) -> pl.DataFrame:
    """Write instants, days, decimals and nested values as the texts that databases read."""
    expressions = []
    for name, kind in rows.schema.items():
        column = pl.col(name)
        if isinstance(kind, pl.Datetime):
            zoned = column.dt.convert_time_zone("UTC") if kind.time_zone else column
            expressions.append(zoned.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f" + ("Z" if kind.time_zone else "")))
        elif isinstance(kind, pl.Date | pl.Time | pl.Decimal | pl.Categorical | pl.Enum):
            expressions.append(column.cast(pl.String))
        elif isinstance(kind, pl.Duration):
            expressions.append(column.dt.to_string("iso"))
        elif kind.is_nested():
            texts = [None if value is None else json.dumps(value, default=str) for value in rows[name].to_list()]
            expressions.append(pl.lit(pl.Series(name, texts, dtype=pl.String)))
        elif isinstance(kind, pl.Binary) and bytes_as_hex:
            expressions.append(pl.lit("\\x") + column.bin.encode("hex"))
        else:
            expressions.append(column)
    return rows.select(expression.alias(name) for name, expression in zip(rows.columns, expressions, strict=True))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_KINDS: Mapping[str, type[DatabaseSink]] = {
    "sqlite": SQLiteSink, "postgresql": PostgreSQLSink, "postgres": PostgreSQLSink,
}  # fmt: skip


def open_sink(options: Mapping[str, Any], context: SinkContext) -> DatabaseSink:
    """Open a table of the database that the settings know under a name; without one, of the SQLite file in the state.

    Raises:
        SinkError: The settings name a database that nothing can be written to.
    """
    name, settings = options["connection"], context.settings
    url = settings.databases.get(name) or f"sqlite:///{settings.database_file(name)}"
    kind = _KINDS.get(url.partition(":")[0].partition("+")[0])
    if kind is None:
        fix = f"set PLATFORM_DATABASE_{name.upper()} to sqlite:////file or postgresql://user@host/name"
        raise SinkError(context.dataset, name, "is no database that can be written to", fix=fix)
    return kind(url, options["table"], context)


__all__: Sequence[str] = ["DatabaseSink", "open_sink"]
