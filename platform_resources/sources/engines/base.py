"""What every database can do for a source, and how its trouble is told; no message ever holds a URL or a value."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import polars as pl

from platform_resources.sources.base import SourceUnreachable

AVERAGE_CELL_BYTES = 24
_SHORTEST_SECRET = 3
FEWEST_ROWS, MOST_ROWS = 500, 50_000


class DatabaseError(SourceUnreachable):
    """A database that cannot be read; `database` is its name in the settings."""

    def __init__(self, database: str, reason: str, *, fix: str) -> None:
        self.database, self.reason = database, f"{database}: {reason}"
        super().__init__(f"database {database!r}: {reason} Fix: {fix}")


class DatabaseGone(DatabaseError):
    """A database that does not answer, or no more; the same load may succeed later."""

    transient = True


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is read of a database.

    Attributes:
        table: A table, `schema.table` where it is not in the usual schema; or
        sql: A query, without parameters.
        cursor: The column that grows when a row is added or changed; None reads everything each time.
        key: Columns that identify a row; they order rows of one cursor value.
        lag_seconds: How long before the last highest value rows are read again, where the cursor is an instant.
        zone: The zone of timestamps without one.
    """

    table: str | None
    sql: str | None
    cursor: str | None
    key: tuple[str, ...] = ()
    lag_seconds: float = 0.0
    zone: str | None = None

    @property
    def name(self) -> str:
        """What people call it."""
        return self.table or "query"


@dataclass(frozen=True)
class State:
    """What a database says of a table at an instant.

    Attributes:
        high: The highest value of the cursor, as text; None for an empty table.
        rows: How many rows there are.
        fingerprint: Changes when a row is added, changed or deleted, as far as the database can tell cheaply.
        open_from: PostgreSQL's oldest transaction that was not over.
    """

    high: str | None = None
    rows: int = 0
    fingerprint: str = ""
    open_from: int = 0


class DatabaseEngine(Protocol):
    """One database."""

    @property
    def name(self) -> str:
        """Its name in the settings."""

    def tables(self) -> list[str]:
        """List the tables that can be read."""

    def primary_key(self, table: str) -> tuple[str, ...]:
        """Name the columns of a table's primary key; none where it has none."""

    def columns(self, query: Query) -> list[str]:
        """List the columns of a table or query."""

    def probe(self) -> str:
        """Return a text that is another after any change of the database; it costs no look at a table."""

    def state(self, query: Query) -> State:
        """Say how the table stands."""

    def rows(
        self, query: Query, *, since: State | None, columns: Sequence[str] | None, batch_bytes: int
    ) -> Iterator[pl.DataFrame]:
        """Yield the rows from `since` on, all columns as texts, ordered by cursor and key; in bounded memory."""


def rows_per_batch(columns: int, batch_bytes: int) -> int:
    """Estimate how many rows fit into a batch."""
    return max(FEWEST_ROWS, min(MOST_ROWS, batch_bytes // (AVERAGE_CELL_BYTES * 4 * max(columns, 1))))


def masked(reason: str, url: str) -> str:
    """Take the parts of a URL's password out of a driver's words.

    A password with a slash or an at-sign that is not escaped is taken for a host or a port, and quoted by the driver.
    """
    _, _, password = url.partition("://")[2].rpartition("@")[0].partition(":")
    for part in sorted(re.split(r"[/@:?#%]", password), key=len, reverse=True):
        reason = reason.replace(part, "•••") if len(part) >= _SHORTEST_SECRET else reason
    return reason


def earlier(high: str | None, lag_seconds: float) -> str | None:
    """Return the value from which a load reads: the highest, less the lag where it is an instant in ISO 8601."""
    if high is None or not lag_seconds:
        return high
    try:
        instant = datetime.fromisoformat(high)
    except ValueError:
        return high
    return (instant - timedelta(seconds=lag_seconds)).isoformat(sep=" " if " " in high else "T")
