"""What every database can do for a source, and how its trouble is told; no message ever holds a URL or a value."""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

import polars as pl

from platform_resources.sources.base import ColumnTally, SourceUnreachable, Tally

_SHORTEST_SECRET = 3
FIRST_ROWS, MOST_ROWS, GROWTH = 8, 50_000, 16
_LARGE = "1e290"
"""Of floats that are smaller, no table has so many that their sum lies beyond the range."""


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
        types: By column, the type that the contract gives it; an engine may send its values in it, or as texts.
    """

    table: str | None
    sql: str | None
    cursor: str | None
    key: tuple[str, ...] = ()
    lag_seconds: float = 0.0
    zone: str | None = None
    types: Mapping[str, pl.DataType] = field(default_factory=dict, hash=False)

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
        columns: The columns in their order, with their types in the database's words.
        version: The contract's version that the columns were read for.
    """

    high: str | None = None
    rows: int = 0
    fingerprint: str = ""
    open_from: int = 0
    columns: Mapping[str, str] = field(default_factory=dict)
    version: str = ""


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

    def types(self, query: Query) -> dict[str, str]:
        """Say by column which type the database declares, in its own words; empty where it declares none."""

    def probe(self) -> str:
        """Return a text that is another after any change of the database; it costs no look at a table."""

    def state(self, query: Query) -> State:
        """Say how the table stands."""

    def rows(self, query: Query, *, since: State | None, columns: Sequence[str] | None, batch_bytes: int) -> "Rows":
        """Yield the rows from `since` on, ordered by cursor and key, in bounded memory.

        Columns are texts, or in the types that the query wants.

        What the database counts of the same rows, in the same snapshot, is the generator's value; None where only
        some columns are read.
        """


Rows = Generator[pl.DataFrame, None, Tally | None]

VALUE = "\0"
"""Stands for a value until a statement is sent."""


@dataclass(frozen=True)
class ServerDatabase(ABC):
    """A database behind a driver of Python's DB-API, whose statements and trouble are told alike; its URL is not."""

    name: str
    url: str = field(repr=False)

    @property
    @abstractmethod
    def driver_error(self) -> type[Exception]:
        """The class of the driver's errors."""

    @abstractmethod
    def is_gone(self, error: Any) -> bool:
        """Tell a server that went away, or is shut down, from one that refuses what it was asked."""

    @abstractmethod
    def reason(self, error: Exception) -> str:
        """Say what the driver says, in one line."""

    def run(self, cursor: Any, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Send a statement; each `VALUE` in it stands for a parameter.

        Raises:
            DatabaseError: The server refuses it, or is gone.
        """
        try:
            if parameters:  # then the driver takes a percent sign of a name or query for a place of a value
                cursor.execute(sql.replace("%", "%%").replace(VALUE, "%s"), list(parameters))
            else:
                cursor.execute(sql)
        except self.driver_error as error:
            raise self.trouble(error) from error

    def fetch(self, cursor: Any, size: int) -> list[tuple[Any, ...]]:
        """Fetch the next rows; none at the end.

        Raises:
            DatabaseError: The server cannot read on, or is gone.
        """
        try:
            return list(cursor.fetchmany(size))
        except self.driver_error as error:
            raise self.trouble(error) from error

    def trouble(self, error: Exception) -> DatabaseError:
        """Say what happened amid the work, and what to do."""
        if self.is_gone(error):
            fix = "see that the server is up; the next run begins at the same place."
            return DatabaseGone(self.name, f"it went away amid its work ({self.reason(error)}).", fix=fix)
        fix = "correct table, query, cursor or key of the source."
        return DatabaseError(self.name, f"it cannot be read ({self.reason(error)}).", fix=fix)


@dataclass(frozen=True)
class ColumnSum:
    """How a statement counts one column.

    Attributes:
        name: The column.
        column: The same in SQL.
        kind: Of its total, as `ColumnTally` says; empty where only values are counted.
        total: The total in SQL.
    """

    name: str
    column: str
    kind: str = ""
    total: str = "NULL"


def counting(sums: Sequence[ColumnSum]) -> str:
    """Write what a statement selects to count rows and columns."""
    return ", ".join(["count(*)", *(f"count({column_sum.column}), {column_sum.total}" for column_sum in sums)])


def counted(row: Sequence[Any], sums: Sequence[ColumnSum]) -> Tally:
    """Read what such a statement counted; a sum of no value is none, and so is one without end."""
    filled, totals = row[1::2], [None if total is None else _finite(total) for total in row[2::2]]
    columns = {
        each.name: ColumnTally(int(count), "" if total is None and count else each.kind, total)
        for each, count, total in zip(sums, filled, totals, strict=True)
    }
    return Tally(int(row[0]), columns)


def _finite(total: Any) -> Any:
    number = Decimal(total) if isinstance(total, str) else total  # sums beyond 64 bits come as texts
    return number if isinstance(number, int) or math.isfinite(number) else None


def sum_of_fractions(column: str) -> str:
    """Write the sum of a column of floats as SQL; null where one is so large that sums of such end beyond the range."""
    fits = f"abs({column}) < {_LARGE}"
    return f"CASE WHEN max(abs({column})) < {_LARGE} THEN sum(CASE WHEN {fits} THEN {column} END) END"


def rows_after(frame: pl.DataFrame, batch_bytes: int) -> int:
    """Say how many rows to fetch next, by the size of those before: a quarter of a batch's bytes, for it is copied.

    The number grows step by step, so that a table of records of 50 MB is not fetched by the thousand.
    """
    row_bytes = max(int(frame.estimated_size()) // max(frame.height, 1), 1)
    return max(1, min(MOST_ROWS, GROWTH * frame.height, batch_bytes // (4 * row_bytes)))


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
