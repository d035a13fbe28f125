"""DuckDB: what an engine left in its file, what it shall find there, and sums that it computes fast; all as Arrow."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class DuckDBFile:
    """A DuckDB file that nobody is writing just now."""

    path: Path

    def read(self, relation: str) -> "pa.Table":
        """Return the rows of a table, named as SQL names it; instants are in UTC, whatever the machine's zone."""
        with self._open() as connection:
            return connection.sql(f"from {relation}").to_arrow_table()

    def count(self, relation: str) -> int:
        """Return the number of rows of a table."""
        with self._open() as connection:
            rows = connection.execute(f"select count(*) from {relation}").fetchall()  # noqa: S608 - a name from dbt
        return int(rows[0][0])

    def tables(self) -> frozenset[str]:
        """Return the tables as dbt names them: "database"."schema"."table"; none where there is no file yet."""
        if not self.path.exists():
            return frozenset()
        query = "select database_name, schema_name, table_name from duckdb_tables() where not internal"
        with self._open() as connection:
            rows = connection.execute(query).fetchall()
        return frozenset(".".join(f'"{part}"' for part in parts) for parts in rows)

    def put(self, relation: str, rows: "pa.Table") -> None:
        """Make a table, named as SQL names it, hold these rows and no others."""
        schema = relation.rpartition(".")[0]
        with self._open(read_only=False) as connection:
            connection.execute(f"create schema if not exists {schema}")
            connection.register("rows_of_the_lake", rows)
            connection.execute(f"create or replace table {relation} as from rows_of_the_lake")

    def drop(self, relation: str) -> None:
        """Remove a table, if it is there."""
        with self._open(read_only=False) as connection:
            connection.execute(f"drop table if exists {relation}")

    @contextmanager
    def _open(self, *, read_only: bool = True) -> "Iterator[DuckDBPyConnection]":
        import duckdb

        config: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
        with duckdb.connect(str(self.path), read_only=read_only, config=config) as connection:
            connection.execute("set TimeZone = 'UTC'")
            yield connection


@contextmanager
def text_sums() -> "Iterator[Callable[[pl.Series], int]]":
    """Give what adds up the first eight digits of the MD5 of each text, as databases can; nulls count nothing.

    Python computes a million MD5 in two seconds, DuckDB in 0.2.
    """
    import duckdb

    with duckdb.connect(config={"threads": 1}) as connection:

        def sum_texts(texts: pl.Series) -> int:
            connection.register("texts", texts.alias("text").to_frame().to_arrow())
            digits = connection.execute("SELECT sum(('0x' || left(md5(text), 8))::UINTEGER) FROM texts").fetchall()
            connection.unregister("texts")
            return int(digits[0][0] or 0)

        yield sum_texts
