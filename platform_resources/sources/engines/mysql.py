"""MySQL and MariaDB by PyMySQL: an unbuffered cursor in one consistent snapshot, each value as text of the server.

Neither says which transactions were open when a load began, so what a long one commits late is found within `lag`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from zlib import crc32

import polars as pl

from platform_resources.sources.engines.base import (
    FIRST_ROWS,
    VALUE,
    ColumnSum,
    DatabaseError,
    DatabaseGone,
    Query,
    Rows,
    ServerDatabase,
    State,
    counted,
    counting,
    earlier,
    masked,
    rows_after,
    sum_of_fractions,
)
from platform_resources.sources.engines.sqlite import with_zone

_BINARY = ("binary", "varbinary", "blob", "tinyblob", "mediumblob", "longblob")
_BY_CODE: Mapping[int, str] = {7: "timestamp", 12: "datetime", 16: "bit"}
"""Of a query's columns, the kinds whose text is another than what a contract reads (`FIELD_TYPE` of the protocol)."""
_PORT = 3306
_LOG_FILE = re.compile('"file":"([^"]+)"')
_FIRST_READER, _READERS = 1 << 20, 1 << 30
"""Numbers under which readers of changes present themselves to the server; each needs one of its own."""
_STRINGS, _BYTES = range(249, 255), 63
_CONNECT_SECONDS, _READ_SECONDS = 10, 600
"""How long a server may be silent; a sorted result of a large table takes minutes before its first row."""
_MODES: Mapping[str, Mapping[str, Any]] = {
    "DISABLED": {"ssl_disabled": True},
    "PREFERRED": {},
    "REQUIRED": {"ssl": {"check_hostname": False, "verify_mode": False}},
    "VERIFY_CA": {"ssl_verify_cert": True},
    "VERIFY_IDENTITY": {"ssl_verify_cert": True, "ssl_verify_identity": True},
}
_MARIADB_MODES = {
    "DISABLED": "disable",
    "REQUIRED": "trust",
    "VERIFY_CA": "verify-ca",
    "VERIFY_IDENTITY": "verify-full",
}
"""What Debezium's connector of MariaDB calls them; it has no word for PREFERRED."""
_SHUT_DOWN, _OF_CLIENT = (0, 1053, 1152, 1205, 1317, 1927), 2000
"""Errors of a server that ends or gives up, and where those of a lost connection begin (CR_MIN_ERROR)."""


@dataclass(frozen=True)
class MySQLDatabase(ServerDatabase):
    """A MySQL or MariaDB database."""

    @property
    def driver_error(self) -> type[Exception]:
        """Those of PyMySQL."""
        import pymysql  # noqa: PLC0415 - an extra

        error: type[Exception] = pymysql.Error
        return error

    def is_gone(self, error: Any) -> bool:
        """Errors of the client, and those of a server that ends or gives up."""
        code = error.args[0] if error.args else 0
        return code in _SHUT_DOWN or (isinstance(code, int) and code >= _OF_CLIENT)

    def reason(self, error: Exception) -> str:
        """Give the first line, without the code."""
        return str(error.args[1] if len(error.args) > 1 else error).splitlines()[0]

    def tables(self) -> list[str]:
        """List tables and views of the database."""
        sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1"
        with self._cursor() as cursor:
            self.run(cursor, sql)
            return [name for (name,) in cursor.fetchall()]

    def primary_key(self, table: str) -> tuple[str, ...]:
        """Name the columns of the primary key, in its order."""
        schema, _, name = table.rpartition(".")
        sql = (
            "SELECT column_name FROM information_schema.key_column_usage WHERE constraint_name = 'PRIMARY' "
            f"AND table_name = {VALUE} AND table_schema = COALESCE({VALUE}, DATABASE()) ORDER BY ordinal_position"
        )
        with self._cursor() as cursor:
            self.run(cursor, sql, [name, schema or None])
            return tuple(column for (column,) in cursor.fetchall())

    def columns(self, query: Query) -> list[str]:
        """List the columns."""
        with self._cursor() as cursor:
            return list(self._kinds(cursor, query))

    def types(self, query: Query) -> dict[str, str]:
        """Say the types with their lengths; of a query only those that are read in a way of their own."""
        with self._cursor() as cursor:
            if query.table is None:
                return self._kinds(cursor, query)
            self.run(cursor, f"SHOW COLUMNS FROM {_relation(query)}")
            return {row[0]: row[1].decode() if isinstance(row[1], bytes) else str(row[1]) for row in cursor.fetchall()}

    def capture_properties(self, table: str, *, slot: str) -> Mapping[str, str]:
        """Say how Debezium reaches a table.

        Raises:
            DatabaseError: The server is gone, keeps no changes row by row, or is reached by files of certificates.
        """
        with self._cursor() as cursor:
            self.run(cursor, "SELECT @@log_bin, @@binlog_format, version()")
            is_logged, form, version = cursor.fetchone()
            self.run(cursor, "SHOW VARIABLES LIKE 'have_ssl'")
            has_tls = (cursor.fetchone() or ("", ""))[1] == "YES"
        if not is_logged or form != "ROW":
            fix = "start the server with --log-bin, --binlog-format=ROW and a --server-id."
            state = f"its binlog is {'on' if is_logged else 'off'}, in the format {form}"
            raise DatabaseError(self.name, f"it tells no changes row by row: {state}.", fix=fix)
        parts = urlsplit(self.url)
        options = dict(parse_qsl(parts.query))
        if files := [name for name in ("ssl_ca", "ssl_cert", "ssl_key") if name in options]:
            fix = "import them into Java's trust store, and leave ssl_mode alone in the URL."
            raise DatabaseError(self.name, f"Debezium's engine takes no {', '.join(files)} from a URL.", fix=fix)
        is_mariadb = "mariadb" in str(version).lower()
        kind = "mariadb.MariaDb" if is_mariadb else "mysql.MySql"
        mode = options.get("ssl_mode", "PREFERRED").upper()
        if is_mariadb:
            mode = _MARIADB_MODES.get(mode) or ("trust" if has_tls else "disable")
        schema = table.rpartition(".")[0] or parts.path.lstrip("/")
        return {
            "connector.class": f"io.debezium.connector.{kind}Connector",
            "database.hostname": parts.hostname or "localhost",
            "database.port": str(parts.port or _PORT),
            "database.user": unquote(parts.username or ""),
            "database.password": unquote(parts.password or ""),
            "database.ssl.mode": mode.lower(),
            "database.server.id": str(_FIRST_READER + crc32(slot.encode()) % _READERS),
            "database.include.list": re.escape(schema),
            "table.include.list": re.escape(table if "." in table else f"{schema}.{table}"),
        }

    def table_identity(self, table: str) -> str:
        """Return when the table was made; one that ALTER or TRUNCATE rebuilt counts as another, too."""
        schema, _, name = table.rpartition(".")
        known = f"table_name = {VALUE} AND table_schema = COALESCE({VALUE}, DATABASE())"
        with self._cursor() as cursor:
            self.run(cursor, f"SELECT create_time FROM information_schema.tables WHERE {known}", [name, schema or None])
            (created,) = cursor.fetchone() or (None,)
        return "" if created is None else str(created)

    def has_changes(self, slot: str, position: str) -> bool:
        """Say whether the file of the log is kept in which the position is: Debezium asks, and MariaDB only refuses."""
        del slot
        file = _LOG_FILE.search(position)
        with self._cursor() as cursor:
            self.run(cursor, "SHOW BINARY LOGS")
            kept = {str(row[0]) for row in cursor.fetchall()}
        return file is None or file[1] in kept

    def present_place(self, note: str) -> Mapping[str, str | int]:
        """Say where the log of changes ends."""
        del note
        with self._cursor() as cursor:
            try:
                self.run(cursor, "SHOW MASTER STATUS")
            except DatabaseError:  # MySQL 8.4 gave it another name
                self.run(cursor, "SHOW BINARY LOG STATUS")
            file, position, *_ = cursor.fetchone()
            return {"file": str(file), "pos": int(position)}

    def probe(self) -> str:
        """Return an empty text: what the server counts of changes is told to few users."""
        return ""

    def state(self, query: Query) -> State:
        """Count and measure; the fingerprint sees what is added or deleted, and what changed of rows to read again."""
        with self._cursor() as cursor:
            if query.cursor is None:
                self.run(cursor, f"SELECT count(*) FROM {_relation(query)}")
                (rows,) = cursor.fetchone()
                return State(rows=rows, fingerprint=f"{rows} {self._checksum(cursor, query)}")
            column = _quoted(query.cursor)
            sql = f"SELECT CAST(max({column}) AS CHAR), count(*), count({column}) FROM {_relation(query)}"
            self.run(cursor, sql)
            high, rows, filled = cursor.fetchone()
            since = earlier(high, query.lag_seconds)
            reread = f"FROM {_relation(query)} WHERE {column} >= {VALUE} OR {column} IS NULL"
            self.run(cursor, f"SELECT count(*), {self._row_sum(cursor, query)} {reread}", [since])
            tail, contents = cursor.fetchone()
            return State(high, rows, f"{rows} {filled} {tail} {contents} {high}")

    def rows(self, query: Query, *, since: State | None, columns: Sequence[str] | None, batch_bytes: int) -> Rows:
        """Yield the rows from one snapshot, which are then counted in it; what is not fetched yet is at the server."""
        with self._cursor(unbuffered=True) as cursor:
            kinds = self._kinds(cursor, query)
            names = [name for name in kinds if columns is None or name in columns]
            shown = ", ".join(_as_text(name, kinds[name]) for name in names)
            condition, parameters = "", list[Any]()
            if query.cursor is not None and since is not None and since.high is not None:
                column = _quoted(query.cursor)
                condition = f" WHERE {column} >= {VALUE} OR {column} IS NULL"
                parameters.append(earlier(since.high, query.lag_seconds))
            order = [*([query.cursor] if query.cursor else []), *query.key]
            ordered = f" ORDER BY {', '.join(map(_quoted, order))}" if order else ""
            self.run(cursor, f"SELECT {shown} FROM {_relation(query)}{condition}{ordered}", parameters)
            size = FIRST_ROWS
            while batch := self.fetch(cursor, size):
                frame = pl.DataFrame(batch, schema=dict.fromkeys(names, pl.String), orient="row")
                size = rows_after(frame, batch_bytes)
                yield self._zoned(frame, kinds, query.zone)
            if columns is not None:
                return None
            sums = [_sum(name, kinds[name], query.zone) for name in names]
            self.run(cursor, f"SELECT {counting(sums)} FROM {_relation(query)}{condition}", parameters)
            (row,) = self.fetch(cursor, 1)
            return counted(row, sums)

    def _zoned(self, frame: pl.DataFrame, kinds: Mapping[str, str], zone: str | None) -> pl.DataFrame:
        if zone is None:
            return frame
        local = [name for name in frame.columns if kinds[name].startswith("datetime")]
        return frame.with_columns(
            pl.col(name).map_elements(lambda text: with_zone(text, zone), return_dtype=pl.String) for name in local
        )

    def _kinds(self, cursor: Any, query: Query) -> dict[str, str]:
        """Return the columns with the names of their types; of a query only those that matter."""
        if query.table is not None:
            self.run(cursor, f"SHOW COLUMNS FROM {_relation(query)}")
            return {row[0]: _word(row[1]) for row in cursor.fetchall()}
        self.run(cursor, f"SELECT * FROM {_relation(query)} LIMIT 0")
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
            self.run(cursor, f"CHECKSUM TABLE {_relation(query)}")
            (_, checksum) = cursor.fetchone()
            if checksum is not None:
                return str(checksum)
        self.run(cursor, f"SELECT {self._row_sum(cursor, query)} FROM {_relation(query)}")
        return str(cursor.fetchone()[0])

    def _row_sum(self, cursor: Any, query: Query) -> str:
        hexes = (f"HEX(CAST({_quoted(name)} AS BINARY))" for name in self._kinds(cursor, query))  # HEX rounds numbers
        values = ", ".join(f"coalesce({each}, '-')" for each in hexes)
        return f"sum(CRC32(CONCAT_WS(',', {values})))"

    def _options(self, query: str) -> dict[str, Any]:
        """Read what the URL says behind its question mark: TLS by the words of MySQL's own client, and timeouts.

        Raises:
            DatabaseError: A word is unknown, or its value is.
        """
        words = dict(parse_qsl(query, keep_blank_values=True))
        options: dict[str, Any] = {"connect_timeout": _CONNECT_SECONDS, "read_timeout": _READ_SECONDS}
        mode = words.pop("ssl_mode", "VERIFY_CA" if "ssl_ca" in words else "PREFERRED").upper()
        for name in ("ssl_ca", "ssl_cert", "ssl_key"):
            if name in words:
                options[name] = words.pop(name)
        for name in ("connect_timeout", "read_timeout"):
            if words.get(name, "").isdigit():
                options[name] = int(words.pop(name))
        if words or mode not in _MODES:
            culprit = f"ssl_mode {mode!r}" if mode not in _MODES else f"{next(iter(words))!r} of its URL"
            fix = (
                f"write PLATFORM_DATABASE_{self.name.upper()} with ssl_mode={'|'.join(_MODES)}, ssl_ca, ssl_cert, "
                "ssl_key, and connect_timeout and read_timeout in seconds."
            )
            raise DatabaseError(self.name, f"{culprit} is unknown, or no number.", fix=fix)
        return options | dict(_MODES[mode])

    @contextmanager
    def _cursor(self, *, unbuffered: bool = False) -> Iterator[Any]:
        import pymysql  # noqa: PLC0415 - an extra
        import pymysql.cursors  # noqa: PLC0415

        parts = urlsplit(self.url)
        fix = f"correct PLATFORM_DATABASE_{self.name.upper()}, or start the server."
        try:
            port = parts.port or _PORT
        except ValueError:  # the message would quote what may be a part of the password
            fix = f"correct PLATFORM_DATABASE_{self.name.upper()}; write / : @ of a password as %2F %3A %40."
            raise DatabaseError(self.name, "its port is no number.", fix=fix) from None
        try:
            connection = pymysql.connect(
                **self._options(parts.query),
                host=parts.hostname or "localhost",
                port=port,
                user=unquote(parts.username or ""),
                password=unquote(parts.password or ""),
                database=parts.path.lstrip("/"),
                charset="utf8mb4",
                init_command="SET time_zone = '+00:00'",
                cursorclass=pymysql.cursors.SSCursor if unbuffered else pymysql.cursors.Cursor,
            )
        except OSError as error:  # a file of a certificate that cannot be read
            named = ", ".join(word for word, _ in parse_qsl(parts.query) if word.startswith("ssl_"))
            raise DatabaseError(self.name, f"{named}: {error.strerror or error}.", fix=fix) from error
        except pymysql.Error as error:
            reason = masked(self.reason(error), self.url)
            raise DatabaseGone(self.name, f"it cannot be reached ({reason}).", fix=fix) from error
        try:
            cursor = connection.cursor()
            self.run(cursor, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            yield cursor
        finally:
            # The driver would first read all rows that nobody asks for any more, also from a server that is gone.
            unread = connection._result  # noqa: SLF001
            if unread is not None:
                unread.unbuffered_active = False
            connection.close()


def open_database(name: str, url: str) -> MySQLDatabase:
    """Open `mysql://user@host:3306/name`, or `mariadb://`."""
    return MySQLDatabase(name, url)


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


_NUMBERS = ("tinyint", "smallint", "mediumint", "int", "bigint", "decimal")
_TEXTS = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext")


def _sum(name: str, kind: str, zone: str | None) -> ColumnSum:
    """Say how a column is counted: numbers as they are, texts by their MD5, times from 1970 on."""
    column = _quoted(name)
    if kind in _NUMBERS:
        return ColumnSum(name, column, "number", f"sum({column})")
    if kind == "double":
        return ColumnSum(name, column, "number", sum_of_fractions(column))
    if kind == "date":
        return ColumnSum(name, column, "day", f"sum(DATEDIFF({column}, '1970-01-01'))")
    if kind == "timestamp" or (kind == "datetime" and zone in {None, "UTC"}):
        return ColumnSum(name, column, "instant", f"sum(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {column}))")
    if kind in _TEXTS:
        digits = f"LEFT(MD5(CONVERT({column} USING utf8mb4)), 8)"
        return ColumnSum(name, column, "text", f"sum(CAST(CONV({digits}, 16, 10) AS UNSIGNED))")
    return ColumnSum(name, column)
