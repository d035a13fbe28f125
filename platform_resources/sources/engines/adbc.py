"""PostgreSQL read into Arrow by ADBC: one repeatable-read snapshot on a connection of its own, batch by batch.

ADBC sends each statement as a COPY in binary, so a value comes in its Arrow type without a text in between. Statements
have no parameters, for with them it would hold the whole result.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import polars as pl

from platform_resources.sources.engines.ahead import read_ahead

_BATCH_BYTES = "adbc.postgresql.batch_size_hint_bytes"


class ConnectionLost(Exception):
    """The connection broke, or the server ended it."""


class StatementFailed(Exception):
    """The server refused the statement, or could not carry on with it."""


@dataclass(frozen=True)
class ArrowSnapshot:
    """What one transaction sees of a database."""

    connection: Any

    def row(self, sql: str) -> tuple[Any, ...]:
        """Return the one row of a statement.

        Raises:
            ConnectionLost: The server is gone.
            StatementFailed: It refuses.
        """
        with self._telling(), closing(self.connection.cursor()) as cursor:
            cursor.execute(sql)
            row: tuple[Any, ...] = cursor.fetchone()
            return row

    def frames(self, sql: str, *, batch_bytes: int) -> Iterator[pl.DataFrame]:
        """Yield the rows of a statement; a thread reads on while some are worked on.

        Raises:
            ConnectionLost: The server is gone.
            StatementFailed: It refuses, or cannot carry on.
        """
        with self._telling(), closing(self.connection.cursor()) as cursor:
            cursor.adbc_statement.set_options(**{_BATCH_BYTES: str(batch_bytes)})
            cursor.execute(sql)
            with read_ahead(cursor.fetch_record_batch(), stop=cursor.adbc_cancel) as batches:
                for batch in batches:
                    yield pl.DataFrame(pl.from_arrow(batch))

    @contextmanager
    def _telling(self) -> Iterator[None]:
        import adbc_driver_manager  # noqa: PLC0415 - an extra

        try:
            yield
        except (adbc_driver_manager.Error, OSError) as error:  # pyarrow raises an OSError amid a result
            reason = str(error).rpartition("]: ")[2].strip().splitlines()[0]
            if self._is_lost():
                raise ConnectionLost(reason) from error
            raise StatementFailed(reason) from error

    def _is_lost(self) -> bool:
        """Ask once more: behind a failed statement a server that is there refuses as a matter of state."""
        import adbc_driver_manager  # noqa: PLC0415 - an extra

        try:
            with closing(self.connection.cursor()) as cursor:
                cursor.execute("SELECT 1")
        except adbc_driver_manager.Error as error:
            return bool(error.status_code == adbc_driver_manager.AdbcStatusCode.IO)
        return False


@contextmanager
def arrow_snapshot(url: str) -> Iterator[ArrowSnapshot]:
    """Open a read-only transaction whose times are in UTC, and end it.

    Raises:
        ConnectionLost: The server cannot be reached.
    """
    import adbc_driver_manager  # noqa: PLC0415 - an extra
    import adbc_driver_postgresql.dbapi  # noqa: PLC0415 - an extra

    try:
        connection = adbc_driver_postgresql.dbapi.connect(url, autocommit=False)
    except adbc_driver_manager.Error as error:
        raise ConnectionLost(str(error).strip().splitlines()[0].rpartition("failed: ")[2]) from error
    try:
        with closing(connection.cursor()) as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute("SET TIME ZONE 'UTC'")
        yield ArrowSnapshot(connection)
    finally:
        connection.close()
