"""PostgreSQL: rows by ADBC in one repeatable-read snapshot, in the contract's types where the server has the same.

Every other value is cast to text by the server, and typed by the contract. Questions beside rows go by psycopg2.

A transaction that was open when a load began may commit rows whose cursor lies behind the load's highest value. So a
load also takes every row that such a transaction, or a later one, wrote: those whose `xmin` is not older than the
oldest transaction that was open then (`pg_snapshot_xmin`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import polars as pl

from platform_resources.sources.base import Tally
from platform_resources.sources.engines.adbc import ArrowSnapshot, ConnectionLost, StatementFailed, arrow_snapshot
from platform_resources.sources.engines.base import (
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
    sum_of_fractions,
)

_WRAPS = 1 << 32
_PLACE = re.compile(r'"lsn(?:_proc|_commit)?":(\d+)')
"""In a position of Debezium: a place in the log, as a number."""
_TLS = ("sslmode", "sslrootcert", "sslcert", "sslkey")
_PATIENCE = {"connect_timeout": "10", "keepalives_idle": "60", "keepalives_interval": "10", "keepalives_count": "6"}
"""Without these a server that vanished from the network is waited for two hours; what the URL says goes before."""


@dataclass(frozen=True)
class PostgreSQLDatabase(ServerDatabase):
    """A PostgreSQL database."""

    @property
    def driver_error(self) -> type[Exception]:
        """Those of psycopg2."""
        import psycopg2  # noqa: PLC0415 - an extra

        error: type[Exception] = psycopg2.Error
        return error

    def is_gone(self, error: Any) -> bool:
        """Without a code the connection broke; SQLSTATE 57 is a server that shuts down."""
        return error.pgcode is None or error.pgcode.startswith("57")

    def reason(self, error: Exception) -> str:
        """Give the first line."""
        return str(error).strip().splitlines()[0]

    def tables(self) -> list[str]:
        """List tables and views of all schemas but the system's; a partition is read with its table."""
        sql = (
            "SELECT CASE table_schema WHEN 'public' THEN table_name ELSE table_schema || '.' || table_name END "
            "FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND NOT "
            "EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relispartition "
            "AND n.nspname = table_schema AND c.relname = table_name) ORDER BY 1"
        )
        with self._cursor() as cursor:
            self.run(cursor, sql)
            return [name for (name,) in cursor.fetchall()]

    def primary_key(self, table: str) -> tuple[str, ...]:
        """Name the columns of the primary key, in its order."""
        sql = (
            "SELECT a.attname FROM pg_index i CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k(attnum, place) "
            "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum "
            "WHERE i.indisprimary AND i.indrelid = " + VALUE + "::regclass ORDER BY k.place"
        )
        with self._cursor() as cursor:
            self.run(cursor, sql, [".".join(map(_quoted, table.split(".")))])
            return tuple(name for (name,) in cursor.fetchall())

    def columns(self, query: Query) -> list[str]:
        """List the columns."""
        with self._cursor() as cursor:
            return [name for name, _ in self._described(cursor, query)]

    def types(self, query: Query) -> dict[str, str]:
        """Say the types with their lengths; of a query without."""
        with self._cursor() as cursor:
            if query.table is None:
                described = self._described(cursor, query)
                self.run(cursor, f"SELECT {', '.join(f'format_type({kind}, NULL)' for _, kind in described)}")
                return dict(zip((name for name, _ in described), cursor.fetchone(), strict=True))
            sql = (
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
                f"WHERE attrelid = {VALUE}::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
            )
            self.run(cursor, sql, [_relation(query)])
            return dict(cursor.fetchall())

    def probe(self) -> str:
        """Return the snapshot of transactions: whoever writes takes a number, which moves it."""
        with self._cursor() as cursor:
            self.run(cursor, "SELECT pg_current_snapshot()::text")
            return str(cursor.fetchone()[0])

    def state(self, query: Query) -> State:
        """Count and measure in one snapshot, which also says which transactions are open.

        Every version of a row carries the transaction that wrote it, so their sum changes with any change of the table.
        Of a view or a query the rows themselves are added up.
        """
        high = "NULL" if query.cursor is None else f"max(t.{_quoted(query.cursor)})::text"
        with self._cursor() as cursor:
            written = (
                "t.xmin::text::bigint" if self._has_versions(cursor, query) else "hashtextextended((t.*)::text, 0)"
            )
            self.run(cursor, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
            (open_from,) = cursor.fetchone()
            self.run(cursor, f"SELECT {high}, count(*), coalesce(sum({written}), 0) FROM {_relation(query)} AS t")
            highest, rows, transactions = cursor.fetchone()
            return State(highest, rows, f"{rows} {transactions} {highest}", open_from)

    def rows(self, query: Query, *, since: State | None, columns: Sequence[str] | None, batch_bytes: int) -> Rows:
        """Have the rows of one snapshot counted, and yield them."""
        with self._cursor() as cursor:
            described = [(name, kind) for name, kind in self._described(cursor, query)
                         if columns is None or name in columns]  # fmt: skip
            condition, parameters = self._since(query, since, has_versions=self._has_versions(cursor, query))
            source = f"FROM {_relation(query)} AS t{_written(cursor, condition, parameters)}"
            reached = self._patient_url(host=cursor.connection.info.host)
        order = [*([query.cursor] if query.cursor else []), *query.key]
        ordered = f" ORDER BY {', '.join(f't.{_quoted(name)}' for name in order)}" if order else ""
        tally, odd_times = None, {name for name, kind in described if kind in _TIMES}
        with self._telling(), arrow_snapshot(reached) as snapshot:
            if columns is None:
                tally, odd_times = _count(snapshot, described, query.zone, source)
            shown = [
                _as_sent(name, kind, query, is_odd=name in odd_times) + f" AS {_quoted(name)}"
                for name, kind in described
            ]
            statement = f"SELECT {', '.join(shown)} {source}{ordered}"
            yield from snapshot.frames(statement, batch_bytes=max(batch_bytes // 4, 1))
        return tally

    def capture_properties(self, table: str, *, slot: str) -> Mapping[str, str]:
        """Say how Debezium reaches a table; password and TLS are those of this connection, wherever they came from.

        Raises:
            DatabaseError: The server is gone, or keeps no changes for others.
            DatabaseGone: Somebody else reads the slot, perhaps a process of ours that is ending.
        """
        with self._cursor() as cursor:
            self.run(cursor, "SELECT current_setting('wal_level'), current_schema()")
            level, schema = cursor.fetchone()
            self.run(
                cursor, f"SELECT active_pid FROM pg_replication_slots WHERE active AND slot_name = {VALUE}", [slot]
            )
            if (reader := cursor.fetchone()) is not None:
                fix = "stop the other capture, which has another state folder, or give one PLATFORM_ENVIRONMENT."
                reason = f"its slot {slot} is read by another process now (server process {reader[0]})."
                raise DatabaseGone(self.name, reason, fix=fix)
            if level != "logical":
                fix = "set wal_level = logical and restart the server."
                raise DatabaseError(self.name, f"it tells no changes: its wal_level is {level}.", fix=fix)
            reached = cursor.connection.info
            given = reached.dsn_parameters
            tls = {f"database.{name}": given[name] for name in _TLS if given.get(name)}
            return {
                **tls,
                "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
                "plugin.name": "pgoutput",
                "database.hostname": "localhost" if (reached.host or "/").startswith("/") else reached.host,
                "database.port": str(reached.port),
                "database.user": reached.user,
                "database.password": reached.password or "",
                "database.dbname": reached.dbname,
                "slot.name": slot,
                "publication.name": slot,
                "publication.autocreate.mode": "filtered",
                "table.include.list": re.escape(table if "." in table else f"{schema}.{table}"),
            }

    def table_identity(self, table: str) -> str:
        """Return the table's number in the catalogue."""
        with self._cursor() as cursor:
            self.run(cursor, f"SELECT {VALUE}::regclass::oid", [".".join(map(_quoted, table.split(".")))])
            return str(cursor.fetchone()[0])

    def has_changes(self, slot: str, position: str) -> bool:
        """Say whether the slot is there and not beyond the position: it keeps nothing before what was acknowledged.

        Debezium makes a new one where it is missing, and passes over what was committed before it.
        """
        confirmed = f"SELECT confirmed_flush_lsn - '0/0' FROM pg_replication_slots WHERE slot_name = {VALUE}"
        with self._cursor() as cursor:
            self.run(cursor, confirmed, [slot])
            found = cursor.fetchone()
        places = [int(place) for place in _PLACE.findall(position)]
        return found is not None and (found[0] is None or not places or max(places) >= found[0])

    def present_place(self, note: str) -> Mapping[str, str | int]:
        """Write the note into the log of changes, where Debezium reads it behind all that was committed before."""
        if note:
            with self._cursor() as cursor:
                self.run(cursor, "SET TRANSACTION READ WRITE")
                self.run(cursor, f"SELECT pg_logical_emit_message(true, {VALUE}, '')", [note])
                cursor.connection.commit()
        return {}

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Say of what went wrong with a snapshot what `trouble` says of the rest."""
        try:
            yield
        except ConnectionLost as error:
            fix = "see that the server is up; the next run begins at the same place."
            reason = f"it went away amid its work ({masked(str(error), self.url)})."
            raise DatabaseGone(self.name, reason, fix=fix) from error
        except StatementFailed as error:
            fix = "correct table, query, cursor or key of the source."
            raise DatabaseError(self.name, f"it cannot be read ({error}).", fix=fix) from error

    def _patient_url(self, **words: str) -> str:
        """Write the URL with our patience, and further words; what it says itself goes before."""
        words = {"application_name": "platform", **_PATIENCE, **words}
        is_said = {"host"} if urlsplit(self.url).hostname else set()
        added = urlencode({name: value for name, value in words.items()
                           if f"{name}=" not in self.url and name not in is_said})  # fmt: skip
        return f"{self.url}{'&' if '?' in self.url else '?'}{added}"

    def _has_versions(self, cursor: Any, query: Query) -> bool:
        """Whether rows carry the transaction that wrote them: those of tables do, of views and foreign tables not."""
        if query.table is None:
            return False
        self.run(cursor, f"SELECT relkind IN ('r', 'p', 'm') FROM pg_class WHERE oid = {VALUE}::regclass",
                  [_relation(query)])  # fmt: skip
        return bool(cursor.fetchone()[0])

    def _since(self, query: Query, since: State | None, *, has_versions: bool) -> tuple[str, list[Any]]:
        if query.cursor is None or since is None or since.high is None:
            return "", []
        column = f"t.{_quoted(query.cursor)}"
        conditions, parameters = (
            [f"{column} >= {VALUE}", f"{column} IS NULL"],
            [earlier(since.high, query.lag_seconds)],
        )
        if has_versions:
            conditions.append(f"age(t.xmin) <= age({VALUE}::text::xid)")
            parameters.append(str(since.open_from % _WRAPS))
        return f" WHERE {' OR '.join(conditions)}", parameters

    def _described(self, cursor: Any, query: Query) -> list[tuple[str, int]]:
        self.run(cursor, f"SELECT * FROM {_relation(query)} AS t LIMIT 0")
        return [(column.name, column.type_code) for column in cursor.description]

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        import psycopg2  # noqa: PLC0415 - an extra

        try:
            connection = psycopg2.connect(self._patient_url())
        except psycopg2.Error as error:
            reason = masked(str(error).strip().splitlines()[0].rpartition("failed: ")[2], self.url)
            fix = f"correct PLATFORM_DATABASE_{self.name.upper()}, or start the server."
            raise DatabaseGone(self.name, f"it cannot be reached ({reason}).", fix=fix) from error
        try:
            connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
            with connection.cursor() as cursor:
                cursor.execute("SET TIME ZONE 'UTC'")
                yield cursor
        finally:
            connection.close()


def open_database(name: str, url: str) -> PostgreSQLDatabase:
    """Open a PostgreSQL URL; a driver named after a plus sign is left out."""
    scheme, _, rest = url.partition("://")
    return PostgreSQLDatabase(name, f"{scheme.partition('+')[0]}://{rest}")


_BYTES, _BOOLEAN, _TIMESTAMP = 17, 16, 1114
"""Type codes (`pg_type.oid`) whose text is another than what a contract reads."""
_ARRAYS = {1000, 1001, 1005, 1007, 1016, 1009, 1015, 1021, 1022, 1115, 1182, 1185, 1231, 2951}


def _as_text(name: str, kind: int, zone: str | None) -> str:
    column = f"t.{_quoted(name)}"
    if kind == _BYTES:
        return f"replace(encode({column}, 'base64'), E'\\n', '')"
    if kind == _TIMESTAMP and zone is not None:
        return f"({column} AT TIME ZONE '{_zone_name(zone)}')::text"
    return f"to_json({column})::text" if kind in _ARRAYS else f"{column}::text"


def _as_sent(name: str, kind: int, query: Query, *, is_odd: bool) -> str:
    """Write a column in the contract's type where each of its values has one, and else as text.

    A day or instant is odd, and sent as text, where the column has values that Arrow has not, such as `infinity`. The
    others among them then read as they do in a load without any, so that a row is known again.
    """
    wanted = query.types.get(name)
    column, placed = f"t.{_quoted(name)}", _placed(name, kind, query.zone)
    if kind in _NUMBERS and wanted == pl.Int64:
        return f"{column}::bigint"
    if kind in _FRACTIONS and wanted == pl.Float64:
        return f"{column}::text::float8" if kind == _REAL else column  # as text a real is 1.1, and not 1.10000002
    if kind == _BOOLEAN and wanted == pl.Boolean:
        return column
    if kind == _DAY and wanted == pl.Date:
        return f"{column}::text" if is_odd else column
    if wanted == pl.Datetime("us", "UTC") and (kind == _INSTANT or (kind == _TIMESTAMP and query.zone is not None)):
        iso = f"""to_char({placed}, 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""
        return f"CASE WHEN {placed} {_FITS} THEN {iso} ELSE {placed}::text END" if is_odd else placed
    return _as_text(name, kind, query.zone)


def _placed(name: str, kind: int, zone: str | None) -> str:
    """Write a time, as an instant where its zone is known."""
    column = f"t.{_quoted(name)}"
    return f"({column} AT TIME ZONE '{_zone_name(zone)}')" if kind == _TIMESTAMP and zone is not None else column


def _count(
    snapshot: ArrowSnapshot, described: Sequence[tuple[str, int]], zone: str | None, source: str
) -> tuple[Tally, set[str]]:
    """Have a load's rows counted, and name the columns with days and instants beyond the years 1 to 9999."""
    sums = [_sum(name, kind, zone) for name, kind in described]
    times = [name for name, kind in described if kind in _TIMES]
    fitting = [
        f"coalesce(bool_and({_placed(name, kind, zone)} {_FITS}), true)" for name, kind in described if kind in _TIMES
    ]
    row = snapshot.row(f"SELECT {', '.join([counting(sums), *fitting])} {source}")
    counts, fit = row[: len(row) - len(times)], row[len(row) - len(times) :]
    return counted(counts, sums), {name for name, fits in zip(times, fit, strict=True) if not fits}


def _written(cursor: Any, sql: str, parameters: Sequence[Any]) -> str:
    """Write parameters into a part of a statement, as the driver quotes them."""
    if not parameters:
        return sql
    text = cursor.mogrify(sql.replace("%", "%%").replace(VALUE, "%s"), list(parameters))
    return text.decode() if isinstance(text, bytes) else str(text)


def _relation(query: Query) -> str:
    if query.table is None:
        return f"({query.sql})"
    return ".".join(map(_quoted, query.table.split(".")))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_NUMBERS, _NUMERIC, _FRACTIONS, _TEXTS = {20, 21, 23}, 1700, {700, 701}, {25, 1042, 1043}
_REAL = 700
_DAY, _INSTANT = 1082, 1184
_TIMES = {_DAY, _INSTANT, _TIMESTAMP}
_FITS = "BETWEEN '0001-01-01' AND '9999-12-31 23:59:59.999999'"


def _sum(name: str, kind: int, zone: str | None) -> ColumnSum:
    """Say how a column is counted: numbers as they are, texts by their MD5, times from 1970 on."""
    column = f"t.{_quoted(name)}"
    if kind in _NUMBERS:
        return ColumnSum(name, column, "number", f"sum({column}::numeric)::text")
    if kind == _NUMERIC:
        column = f"nullif({column}, 'NaN')"
        return ColumnSum(name, column, "number", f"sum({column})::text")
    if kind in _FRACTIONS:
        column = f"nullif({column}, 'NaN')"
        # as text a real is the number that the table gets: 1.1, and not 1.10000002
        exact = f"{column}::text::float8" if kind == _REAL else column
        return ColumnSum(name, column, "number", sum_of_fractions(exact))
    if kind == _BOOLEAN:
        return ColumnSum(name, column, "flag", f"sum({column}::int)")
    if kind == _DAY:
        days = f"sum(CASE WHEN isfinite({column}) THEN {column} - date '1970-01-01' END)"
        return ColumnSum(name, column, "day", f"CASE WHEN bool_and(isfinite({column})) THEN {days} END")
    if kind in {_TIMESTAMP, _INSTANT}:
        placed = _placed(name, kind, zone)
        return ColumnSum(name, column, "instant", f"sum((extract(epoch FROM {placed}) * 1000000)::numeric)::text")
    if kind in _TEXTS:
        return ColumnSum(name, column, "text", f"sum(('x' || left(md5({column}::text), 8))::bit(32)::bigint)::text")
    return ColumnSum(name, column)


def _zone_name(zone: str) -> str:
    return zone.replace("'", "")
