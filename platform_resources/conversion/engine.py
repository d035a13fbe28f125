"""A DuckDB session that reads files strictly: within a memory limit, in UTC, without a download.

DuckDB reads CSV and JSON several times faster than anything else here, and loosely: it takes 1.5 for the integer 2 and
0x10 for 16. So a column that is not text is read as text and cast under a guard, and a value that breaks its guard ends
the query by the name of its column.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from platform_resources.readers.dialect import PATTERNS, Dialect, Guess

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

_SHARE = 0.4
"""The share of the memory limit that DuckDB may plan with; it counts its own buffers only."""

_LEAST_BYTES = 128 << 20
BATCH_ROWS = 16_384
_AHEAD_BYTES = 16 << 20
"""What DuckDB reads ahead of who takes its rows; by default a megabyte, at which its threads stop and go."""

_BROKEN = re.compile(r"guard:(\d+);")
_TYPES: Mapping[Guess, str] = {
    "int": "BIGINT",
    "float": "DOUBLE",
    "bool": "BOOLEAN",
    "date": "DATE",
    "datetime": "TIMESTAMP",
    "instant": "TIMESTAMPTZ",
}


@contextmanager
def session(memory_bytes: int, scratch: Path) -> "Iterator[DuckDBPyConnection]":
    """Yield a connection that spills to the scratch folder."""
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "memory_limit": f"{max(int(memory_bytes * _SHARE), _LEAST_BYTES)}B",
        "temp_directory": str(scratch / "spill"),
    }
    with duckdb.connect(config=config) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("set enable_progress_bar = false")  # it would write into what a program reads
        connection.execute(f"set streaming_buffer_size = '{_AHEAD_BYTES}B'")
        yield connection


def csv_query(path: Path, dialect: Dialect, guesses: Sequence[Guess], written: str | None = None) -> str:
    """Return the statement that reads a CSV file in these types.

    And fails at a value that another type would have to hold.

    Args:
        path: The file.
        dialect: How it is written.
        guesses: The type of each column.
        written: The format of all its datetimes; DuckDB then parses them itself, in a third of the time.
    """
    native = {"datetime"} if written else set()
    selected = [
        f"{_column(place) if guess in native else _guarded(_column(place), guess, place)} AS {quoted(name)}"
        for place, (name, guess) in enumerate(zip(dialect.names, guesses, strict=True))
    ]
    types = [_TYPES[guess] if guess in native else "VARCHAR" for guess in guesses]
    return f"SELECT {', '.join(selected)} FROM {_csv(path, dialect, types, written)}"  # noqa: S608 - names and paths are quoted


def csv_checks(path: Path, dialect: Dialect, guesses: Sequence[Guess]) -> str:
    """Return the statement that says of each column whether its guess holds for all rows, and whether a float would."""
    questions = []
    for place, guess in enumerate(guesses):
        column = _column(place)
        holds = "true" if guess == "text" else _all(column, _holds(column, guess))
        matching = f"regexp_full_match({column}, {literal(PATTERNS['float'])}) AND {_holds(column, 'float')}"
        questions += [holds, _all(column, matching)]
    return f"SELECT {', '.join(questions)} FROM {_csv(path, dialect)}"  # noqa: S608 - paths are quoted


def json_query(path: Path, types: Mapping[str, str], longest: int | None = None) -> str:
    """Return the statement that reads JSON lines in these DuckDB types.

    The longest has so many bytes, where that is known.
    """
    columns = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in types.items())
    return (
        f"SELECT * FROM read_json({literal(str(path))}, format = 'newline_delimited', auto_detect = false, "  # noqa: S608
        f"columns = {{{columns}}}, maximum_object_size = {longest or object_bytes(path)})"
    )


def object_bytes(path: Path) -> int:
    """Return the size of the largest JSON object to expect: 16 MiB, or the whole file where that is a single line."""
    with path.open("rb") as source:
        first = source.readline(256 << 20)
    return max(16 << 20, min(2 * len(first) + 1024, 512 << 20))


def is_too_long(error: Exception) -> bool:
    """Whether a query ended because a line of its file is longer than it was told."""
    return "maximum_object_size" in str(error) or "Maximum line size" in str(error)


def row(connection: "DuckDBPyConnection", query: str) -> tuple[Any, ...]:
    """Return the only row of an answer; nothing stays behind that would keep the connection busy."""
    rows = connection.execute(query).fetchall()
    return tuple(rows[0]) if rows else ()


def frames(connection: "DuckDBPyConnection", query: str, rows: int = BATCH_ROWS) -> Iterator[pl.DataFrame]:
    """Yield the answer in frames, in order, while the query still runs."""
    for batch in _batches(connection.sql(query).to_arrow_reader(rows)):
        frame = pl.from_arrow(batch)
        yield frame if isinstance(frame, pl.DataFrame) else frame.to_frame()


def _batches(reader: "pa.RecordBatchReader") -> "Iterator[pa.RecordBatch]":
    """Yield the same batches; what DuckDB raises in their midst comes through Arrow, which makes an OSError of it."""
    import duckdb
    import pyarrow as pa

    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except (OSError, pa.ArrowException) as error:
            kind = duckdb.OutOfMemoryException if "Out of Memory" in str(error) else duckdb.InvalidInputException
            raise kind(str(error)) from error
        yield batch


def broken_guard(error: Exception) -> int | None:
    """Return the place of the column whose guard a value broke, from 0; None for another error."""
    match_ = _BROKEN.search(str(error))
    return int(match_.group(1)) if match_ else None


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _csv(path: Path, dialect: Dialect, types: Sequence[str] = (), written: str | None = None) -> str:
    """Return the file as a relation of texts; an unquoted empty field is null, a quoted one the empty text."""
    kinds = types or ["VARCHAR"] * len(dialect.names)
    columns = ", ".join(f"{literal(_name(place))}: {literal(kind)}" for place, kind in enumerate(kinds))
    format_ = f"timestampformat = {literal(written)}, " if written else ""
    return (
        f"read_csv({literal(str(path))}, auto_detect = false, header = {str(dialect.header).lower()}, "
        f"delim = {literal(dialect.delimiter)}, quote = {literal(dialect.quote)}, escape = {literal(dialect.quote)}, "
        f"{format_}allow_quoted_nulls = false, nullstr = '', strict_mode = true, columns = {{{columns}}})"
    )


def _all(column: str, condition: str) -> str:
    return f"bool_and({column} IS NULL OR coalesce({condition}, false))"


def _name(place: int) -> str:
    return f"c{place}"


def _column(place: int) -> str:
    return quoted(_name(place))


def _guarded(column: str, guess: Guess, place: int) -> str:
    if guess == "text":
        return column
    return (
        f"CASE WHEN {_holds(column, guess)} THEN {_value(column, guess)} WHEN {column} IS NULL THEN NULL "
        f"ELSE error('guard:{place};') END"
    )


def _value(column: str, guess: Guess) -> str:
    return f"try_cast({column} AS {_TYPES[guess]})"


def _holds(column: str, guess: Guess) -> str:
    """Whether a text says in its type what it says as a text; cheap tests first, for this is asked of every value."""
    value = _value(column, guess)
    if guess == "int":
        return f"{value}::VARCHAR = {column}"
    if guess == "float":
        return f"({value} IS NOT NULL AND {_unpadded(column)} AND {_exact(column, value)})"
    if guess == "bool":
        return f"lower({column}) IN ('true', 'false')"
    if guess == "date":
        return f"(strlen({column}) = 10 AND {value} IS NOT NULL)"
    if guess == "datetime":
        matches = f"(strlen({column}) = 19 OR regexp_full_match({column}, {literal(PATTERNS[guess])}))"
        return f"({matches} AND {value} IS NOT NULL)"
    return f"(regexp_full_match({column}, {literal(PATTERNS[guess])}) AND {value} IS NOT NULL)"


def _unpadded(column: str) -> str:
    """Whether a number has no plus, no underscore and no zero before another digit."""
    begins = f"({column} >= '-' AND {column} < '-00') OR ({column} >= '-0:' AND {column} < '00') OR {column} >= '0:'"
    return f"({begins}) AND NOT contains({column}, '_')"


def _exact(column: str, value: str) -> str:
    """Whether a double says it: in 17 digits at most, below 2^53 where it has a fraction, neither endless nor nothing.

    Most are short, and are asked nothing more.
    """
    digits = f"strlen(ltrim({column}, '-0.')) <= CASE WHEN abs({value}) < 1 THEN 17 ELSE 18 END"
    long = f"contains({column}, '.') AND abs({value}) < {2**53} AND (strlen({column}) <= 18 OR {digits})"
    powers = f"strlen({column}) <= 24 AND contains(lower({column}), 'e')"
    finite = f"isfinite({value}) OR NOT regexp_matches({column}, '[0-9]')"
    present = f"{value} != 0 OR strlen({column}) <= 5 OR NOT regexp_matches({column}, '^-?[0.]*[1-9]')"
    return f"(strlen({column}) <= 15 OR ({long}) OR ({powers})) AND ({finite}) AND ({present})"
