"""MySQL and MariaDB by PyMySQL: an unbuffered cursor in one consistent snapshot, each value as text of the server.

Neither says which transactions were open when a load began, so what a long one commits late is found within `lag`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import polars as pl

from platform_resources.sources.engines.base import (
    DatabaseError,
    DatabaseGone,
    Query,
    State,
    earlier,
    masked,
    rows_per_batch,
)
from platform_resources.sources.engines.sqlite import with_zone

_VALUE = "\0"
"""Stands for a value until the statement is sent."""
_BINARY = ("binary", "varbinary", "blob", "tinyblob", "mediumblob", "longblob")
_BY_CODE: Mapping[int, str] = {7: "timestamp", 12: "datetime", 16: "bit"}
"""Of a query's columns, the kinds whose text is another than what a contract reads (`FIELD_TYPE` of the protocol)."""
_STRINGS, _BYTES = range(249, 255), 63
_SHUT_DOWN, _OF_CLIENT = (0, 1053, 1152, 1205, 1317, 1927), 2000
"""Errors of a server that ends or gives up, and where those of a lost connection begin (CR_MIN_ERROR)."""


@dataclass(frozen=True)
class MySQLDatabase:
    """A MySQL or MariaDB database; the URL is never shown."""

    name: str
    url: str

    def __repr__(self) -> str:
        """Name the database without its URL, which may hold a password."""
        return f"MySQLDatabase({self.name!r})"

    def tables(self) -> list[str]:
        """List tables and views of the database."""
        sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1"
        with self._cursor() as cursor:
            self._run(cursor, sql)
            return [name for (name,) in cursor.fetchall()]

    def primary_key(self, table: str) -> tuple[str, ...]:
        """Name the columns of the primary key, in its order."""
        schema, _, name = table.rpartition(".")
        sql = (
            "SELECT column_name FROM information_schema.key_column_usage WHERE constraint_name = 'PRIMARY' "
            f"AND table_name = {_VALUE} AND table_schema = COALESCE({_VALUE}, DATABASE()) ORDER BY ordinal_position"
        )
        with self._cursor() as cursor:
            self._run(cursor, sql, [name, schema or None])
            return tuple(column for (column,) in cursor.fetchall())

    def columns(self, query: Query) -> list[str]:
        """List the columns."""
        with self._cursor() as cursor:
            return list(self._kinds(cursor, query))

    def probe(self) -> str:
        """Return an empty text: what the server counts of changes is told to few users."""
        return ""

    def state(self, query: Query) -> State:
        """Count and measure; the fingerprint sees what is added, deleted, or changed together with the cursor."""
        with self._cursor() as cursor:
            if query.cursor is None:
                self._run(cursor, f"SELECT count(*) FROM {_relation(query)}")
                (rows,) = cursor.fetchone()
                return State(rows=rows, fingerprint=f"{rows} {self._checksum(cursor, query)}")
            column = _quoted(query.cursor)
            sql = f"SELECT CAST(max({column}) AS CHAR), count(*), count({column}) FROM {_relation(query)}"
            self._run(cursor, sql)
            high, rows, filled = cursor.fetchone()
            since = earlier(high, query.lag_seconds)
            self._run(cursor, f"SELECT count(*) FROM {_relation(query)} WHERE {column} >= {_VALUE}", [since])
            (tail,) = cursor.fetchone()
            return State(high, rows, f"{rows} {filled} {tail} {high}")

    def rows(
        self, query: Query, *, since: State | None, columns: Sequence[str] | None, batch_bytes: int
    ) -> Iterator[pl.DataFrame]:
        """Yield the rows from one snapshot; what is not fetched yet stays at the server."""
        with self._cursor(unbuffered=True) as cursor:
            kinds = self._kinds(cursor, query)
            names = [name for name in kinds if columns is None or name in columns]
            sql = f"SELECT {', '.join(_as_text(name, kinds[name]) for name in names)} FROM {_relation(query)}"
            parameters: list[Any] = []
            if query.cursor is not None and since is not None and since.high is not None:
                column = _quoted(query.cursor)
                sql += f" WHERE {column} >= {_VALUE} OR {column} IS NULL"
                parameters.append(earlier(since.high, query.lag_seconds))
            order = [*([query.cursor] if query.cursor else []), *query.key]
            sql += f" ORDER BY {', '.join(map(_quoted, order))}" if order else ""
            self._run(cursor, sql, parameters)
            size = rows_per_batch(len(names), batch_bytes)
            while batch := self._fetch(cursor, size):
                frame = pl.DataFrame(batch, schema=dict.fromkeys(names, pl.String), orient="row")
                yield self._zoned(frame, kinds, query.zone)

    def _zoned(self, frame: pl.DataFrame, kinds: Mapping[str, str], zone: str | None) -> pl.DataFrame:
        if zone is None:
            return frame
        local = [name for name in frame.columns if kinds[name].startswith("datetime")]
        return frame.with_columns(
            pl.col(name).map_elements(lambda text: with_zone(text, zone), return_dtype=pl.String) for name in local
        )

    def _kinds(self, cursor: Any, query: Query) -> dict[str, str]:
        """The columns with the names of their types; of a query only those that matter."""
        if query.table is not None:
            self._run(cursor, f"SHOW COLUMNS FROM {_relation(query)}")
            return {row[0]: _word(row[1]) for row in cursor.fetchall()}
        self._run(cursor, f"SELECT * FROM {_relation(query)} LIMIT 0")
        # Only the driver's own record of a column tells bytes from text (character set 63).
        fields = cursor._result.fields  # noqa: SLF001
        cursor.fetchall()
        return {
            field.name: "blob" if field.charsetnr == _BYTES and field.type_code in _STRINGS
            else _BY_CODE.get(field.type_code, "")
            for field in fields
        }  # fmt: skip

    def _checksum(self, cursor: Any, query: Query) -> str:
        """Add up what the rows hold; the server does so for tables, but not for views and queries."""
        if query.table is not None:
            self._run(cursor, f"CHECKSUM TABLE {_relation(query)}")
            (_, checksum) = cursor.fetchone()
            if checksum is not None:
                return str(checksum)
        values = ", ".join(f"HEX({_quoted(name)}), ISNULL({_quoted(name)})" for name in self._kinds(cursor, query))
        self._run(cursor, f"SELECT sum(CRC32(CONCAT_WS(',', {values}))) FROM {_relation(query)}")
        return str(cursor.fetchone()[0])

    @contextmanager
    def _cursor(self, *, unbuffered: bool = False) -> Iterator[Any]:
        import pymysql  # noqa: PLC0415 - an extra
        import pymysql.cursors  # noqa: PLC0415

        parts = urlsplit(self.url)
        fix = f"correct PLATFORM_DATABASE_{self.name.upper()}, or start the server."
        try:
            port = parts.port or 3306
        except ValueError:  # the message would quote what may be a part of the password
            fix = f"correct PLATFORM_DATABASE_{self.name.upper()}; write / : @ of a password as %2F %3A %40."
            raise DatabaseError(self.name, "its port is no number.", fix=fix) from None
        try:
            connection = pymysql.connect(
                host=parts.hostname or "localhost",
                port=port,
                user=unquote(parts.username or ""),
                password=unquote(parts.password or ""),
                database=parts.path.lstrip("/"),
                charset="utf8mb4",
                init_command="SET time_zone = '+00:00'",
                cursorclass=pymysql.cursors.SSCursor if unbuffered else pymysql.cursors.Cursor,
            )
        except pymysql.Error as error:
            reason = masked(_reason(error), self.url)
            raise DatabaseGone(self.name, f"it cannot be reached ({reason}).", fix=fix) from error
        try:
            cursor = connection.cursor()
            self._run(cursor, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            yield cursor
        finally:
            # The driver would first read all rows that nobody asks for any more, also from a server that is gone.
            unread = connection._result  # noqa: SLF001
            if unread is not None:
                unread.unbuffered_active = False
            connection.close()

    def _fetch(self, cursor: Any, size: int) -> list[tuple[Any, ...]]:
        import pymysql  # noqa: PLC0415 - an extra

        try:
            return list(cursor.fetchmany(size))
        except pymysql.Error as error:
            raise self._trouble(error) from error

    def _run(self, cursor: Any, sql: str, parameters: Sequence[Any] = ()) -> None:
        import pymysql  # noqa: PLC0415 - an extra

        try:
            if parameters:  # then the driver takes a percent sign of a name or query for a place of a value
                cursor.execute(sql.replace("%", "%%").replace(_VALUE, "%s"), list(parameters))
            else:
                cursor.execute(sql)
        except pymysql.Error as error:
            raise self._trouble(error) from error

    def _trouble(self, error: Any) -> DatabaseError:
        """Tell a server that went away, or is shut down, from one that refuses what it was asked."""
        code = error.args[0] if error.args else 0
        if code in _SHUT_DOWN or (isinstance(code, int) and code >= _OF_CLIENT):
            fix = "see that the server is up; the next run begins at the same place."
            return DatabaseGone(self.name, f"it went away amid its work ({_reason(error)}).", fix=fix)
        fix = "correct table, query, cursor or key of the source."
        return DatabaseError(self.name, f"it cannot be read ({_reason(error)}).", fix=fix)


def open_database(name: str, url: str) -> MySQLDatabase:
    """Open `mysql://user@host:3306/name`, or `mariadb://`."""
    return MySQLDatabase(name, url)


def _reason(error: Exception) -> str:
    return str(error.args[1] if len(error.args) > 1 else error).splitlines()[0]


def _word(kind: Any) -> str:
    text = kind.decode() if isinstance(kind, bytes) else str(kind)
    return text.lower().partition("(")[0].partition(" ")[0]


def _as_text(name: str, kind: str) -> str:
    column = _quoted(name)
    if kind in _BINARY:
        return f"REPLACE(TO_BASE64({column}), '\\n', '')"
    if kind == "bit":
        return f"CAST(CAST({column} AS UNSIGNED) AS CHAR)"
    if kind == "timestamp":
        return f"CONCAT(CAST({column} AS CHAR), '+00:00')"
    return f"CAST({column} AS CHAR)"


def _relation(query: Query) -> str:
    return f"({query.sql}) AS query" if query.table is None else ".".join(map(_quoted, query.table.split(".")))


def _quoted(name: str) -> str:
    return f"`{name.replace('`', '``')}`"
