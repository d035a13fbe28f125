"""PostgreSQL by psycopg2: COPY in one repeatable-read snapshot, every value cast to text by the server.

A transaction that was open when a load began may commit rows whose cursor lies behind the load's highest value. So a
load also takes every row that such a transaction, or a later one, wrote: those whose `xmin` is not older than the
oldest transaction that was open then (`pg_snapshot_xmin`).
"""

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import polars as pl

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
from platform_resources.sources.engines.copying import copied_rows

_WRAPS = 1 << 32
_PLACE = re.compile(r'"lsn(?:_proc|_commit)?":(\d+)')
"""In a position of Debezium: a place in the log, as a number."""
_TLS = ("sslmode", "sslrootcert", "sslcert", "sslkey")
_PATIENCE = {"connect_timeout": 10, "keepalives_idle": 60, "keepalives_interval": 10, "keepalives_count": 6}
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
        """List tables and views of all schemas but the system's."""
        sql = (
            "SELECT CASE table_schema WHEN 'public' THEN table_name ELSE table_schema || '.' || table_name END "
            "FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
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
        """Yield the rows from one snapshot by COPY; then have them counted in it."""
        with self._cursor() as cursor:
            described = [(name, kind) for name, kind in self._described(cursor, query)
                         if columns is None or name in columns]  # fmt: skip
            names = [name for name, _ in described]
            shown = ", ".join(_as_text(name, kind, query.zone) for name, kind in described)
            condition, parameters = self._since(query, since, has_versions=self._has_versions(cursor, query))
            order = [*([query.cursor] if query.cursor else []), *query.key]
            ordered = f" ORDER BY {', '.join(f't.{_quoted(name)}' for name in order)}" if order else ""
            sql = f"SELECT {shown} FROM {_relation(query)} AS t{condition}{ordered}"
            yield from self._copied(cursor, sql, parameters, names, batch_bytes // 4)
            if columns is not None:
                return None
            sums = [_sum(name, kind, query.zone) for name, kind in described]
            self.run(cursor, f"SELECT {counting(sums)} FROM {_relation(query)} AS t{condition}", parameters)
            return counted(cursor.fetchone(), sums)

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

    def _copied(
        self, cursor: Any, sql: str, parameters: Sequence[Any], names: Sequence[str], piece_bytes: int
    ) -> Iterator[pl.DataFrame]:
        """Yield the rows of a statement by COPY, some at a time; a thread reads on while some are worked on."""
        null = f"null-{secrets.token_hex(12)}"  # no value can be taken for it
        statement = cursor.mogrify(sql.replace("%", "%%").replace(VALUE, "%s"), list(parameters)) if parameters else sql
        text = statement.decode() if isinstance(statement, bytes) else statement
        copy = f"COPY ({text}) TO STDOUT (FORMAT csv, NULL '{null}', FORCE_QUOTE *, ENCODING 'UTF8')"
        with copied_rows(
            lambda sink: cursor.copy_expert(copy, sink), piece_bytes, stop=cursor.connection.cancel
        ) as parts:
            try:
                for part in parts:
                    yield pl.read_csv(
                        part,
                        has_header=False,
                        new_columns=list(names),
                        infer_schema=False,
                        null_values=[null],
                        empty_string_is_null=False,
                    )
            except self.driver_error as error:
                raise self.trouble(error) from error

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
            options = {name: value for name, value in _PATIENCE.items() if f"{name}=" not in self.url}
            connection = psycopg2.connect(self.url, application_name="platform", **options)
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


def _relation(query: Query) -> str:
    if query.table is None:
        return f"({query.sql})"
    return ".".join(map(_quoted, query.table.split(".")))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_NUMBERS, _NUMERIC, _FRACTIONS, _TEXTS = {20, 21, 23}, 1700, {700, 701}, {25, 1042, 1043}
_REAL = 700
_DAY, _INSTANT = 1082, 1184


def _sum(name: str, kind: int, zone: str | None) -> ColumnSum:
    """Say how a column is counted: numbers as they are, texts by their MD5, times from 1970 on."""
    column = f"t.{_quoted(name)}"
    if kind in _NUMBERS:
        return ColumnSum(name, column, "number", f"sum({column}::numeric)")
    if kind == _NUMERIC:
        column = f"nullif({column}, 'NaN')"
        return ColumnSum(name, column, "number", f"sum({column})")
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
        placed = f"({column} AT TIME ZONE '{_zone_name(zone)}')" if kind == _TIMESTAMP and zone is not None else column
        return ColumnSum(name, column, "instant", f"sum((extract(epoch FROM {placed}) * 1000000)::numeric)")
    if kind in _TEXTS:
        return ColumnSum(name, column, "text", f"sum(('x' || left(md5({column}::text), 8))::bit(32)::bigint)")
    return ColumnSum(name, column)


def _zone_name(zone: str) -> str:
    return zone.replace("'", "")
