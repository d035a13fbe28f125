"""Reading back what was written, with another library than the one that wrote it where there is one.

Texts are read by DuckDB in the types that were written, columnar files by Polars; the fingerprint must be that of the
rows that went in. DuckDB reads CSV and JSON; Polars wrote them. To parse a text takes as long as to write it, so that
unless all is asked for a sample is parsed, and of the rest the bytes are compared and the rows counted.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from platform_resources.conversion import engine
from platform_resources.conversion.blocks import difference, file_checksum
from platform_resources.conversion.fingerprint import Fingerprint, fingerprint_of
from platform_resources.conversion.targets import TEXTS, Prepared, Target
from platform_resources.conversion.writing import Tally
from platform_resources.errors import ConversionError, NotVerified
from platform_resources.readers.archives import decompressed
from platform_resources.readers.columnar import arrow, parquet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_NAMES: dict[type[pl.DataType], str] = {
    pl.String: "VARCHAR", pl.Boolean: "BOOLEAN", pl.Date: "DATE", pl.Float32: "FLOAT", pl.Float64: "DOUBLE",
    pl.Int8: "TINYINT", pl.Int16: "SMALLINT", pl.Int32: "INTEGER", pl.Int64: "BIGINT",
    pl.UInt8: "UTINYINT", pl.UInt16: "USMALLINT", pl.UInt32: "UINTEGER", pl.UInt64: "UBIGINT",
}  # fmt: skip


def check(
    path: Path, target: Target, fit: Prepared, tally: Tally, *, connection: "DuckDBPyConnection", scratch: Path
) -> None:
    """Read the file back and compare it with what was written.

    Of a text all bytes are read and all rows counted, and those of the sample are parsed; of other formats all are.

    Raises:
        NotVerified: It has other bytes, rows, columns or types.
        ConversionError: To read it back takes more memory than is allowed.
    """
    if target.format in TEXTS:
        path = _compared(path, target, tally, scratch)
    refuse_difference(target, tally.print_, _read_fingerprint(path, target, fit, tally, connection))


def _read_fingerprint(
    path: Path, target: Target, fit: Prepared, tally: Tally, connection: "DuckDBPyConnection"
) -> Fingerprint:
    """Return the fingerprint of a file; a text with a very long row is read once more, in larger pieces."""
    import duckdb

    longest = None
    while True:
        try:
            return fingerprint_of(_frames(path, target, fit, connection, longest))
        except duckdb.OutOfMemoryException as error:
            raise ConversionError(
                target.location, "takes more memory to be read back than is allowed",
                fix="allow more with --memory, or write Parquet",
            ) from error  # fmt: skip
        except duckdb.Error as error:
            if longest or not engine.is_too_long(error):
                raise _differs(target, f"it cannot be parsed ({type(error).__name__})") from error
            longest = max(block.size_bytes for block in tally.blocks)


def _compared(path: Path, target: Target, tally: Tally, scratch: Path) -> Path:
    """Return a text with the rows that are to be parsed.

    Once every byte of the file was found to be what was written.
    """
    if target.packed:
        refuse_checksum(target, tally.packed, file_checksum(path))
        path = decompressed(path, target.packed, scratch, name=target.location)
    part = None if all(block.parsed for block in tally.blocks) else scratch / "sample"
    if problem := difference(path, target.format, tally.blocks, part):
        raise _differs(target, problem)
    return part or path


def refuse_checksum(target: Target, wrote: int, read: int) -> None:
    """Refuse two that differ.

    Raises:
        NotVerified: They are not.
    """
    if read != wrote:
        raise _differs(target, f"its bytes have the checksum {read:08x}, and {wrote:08x} was written")


def refuse_difference(target: Target, wrote: Fingerprint, read: Fingerprint) -> None:
    """Refuse two that differ.

    Raises:
        NotVerified: They are not.
    """
    if read != wrote:
        raise _differs(
            target,
            f"{read.rows:,} rows with hash {read.hash}, and {wrote.rows:,} with {wrote.hash} were written",
        )


def _differs(target: Target, told: str) -> NotVerified:
    return NotVerified(
        target.location,
        f"what was read back differs: {told}; nothing was published",
        fix="try again; if it is the same, report it with the types of the columns, and try another format",
    )


def refuse_schema(target: Target, wrote: pl.Schema, read: pl.Schema) -> None:
    """Refuse names or types that differ.

    Raises:
        NotVerified: They are not.
    """
    if wrote != read:
        differing = [f"{name}: {wrote.get(name)} → {read.get(name)}" for name in {*wrote, *read}
                     if wrote.get(name) != read.get(name)]  # fmt: skip
        raise NotVerified(
            target.location, f"columns were read back otherwise ({'; '.join(differing) or 'in another order'})",
            fix="report it, and try another format",
        )  # fmt: skip


def _frames(
    path: Path, target: Target, fit: Prepared, connection: "DuckDBPyConnection", longest: int | None
) -> Iterator[pl.DataFrame]:
    if target.format in ("parquet", "arrow"):
        reader = parquet if target.format == "parquet" else arrow
        rows = reader(path, target.location)
        refuse_schema(target, fit.schema, rows.schema)
        return rows.frames()
    if not fit.schema:
        return iter(())
    text_query = _csv_query if target.format == "csv" else _json_query
    query = text_query(path, target, fit, longest)
    return (_typed(frame, fit.schema) for frame in engine.frames(connection, query))


def _csv_query(path: Path, target: Target, fit: Prepared, longest: int | None) -> str:
    with path.open(encoding="utf-8", newline="") as text:
        header = next(csv.reader(text, delimiter=target.delimiter), [])
    if header != list(fit.schema):
        raise NotVerified(target.location, "its header was read back otherwise", fix="rename the columns")
    columns = ", ".join(
        f"{engine.literal(f'c{place}')}: {engine.literal(duckdb_type(dtype))}"
        for place, dtype in enumerate(fit.schema.values())
    )
    names = ", ".join(f"c{place} AS {engine.quoted(name)}" for place, name in enumerate(fit.schema))
    return (
        f"SELECT {names} FROM read_csv({engine.literal(str(path))}, auto_detect = false, header = true, "  # noqa: S608
        f"delim = {engine.literal(target.delimiter)}, quote = '\"', escape = '\"', allow_quoted_nulls = false, "
        f"nullstr = '', columns = {{{columns}}}, max_line_size = {longest or engine.object_bytes(path)})"
    )


def _json_query(path: Path, target: Target, fit: Prepared, longest: int | None) -> str:
    query = engine.json_query(path, {name: duckdb_type(dtype) for name, dtype in fit.schema.items()}, longest)
    return query.replace("'newline_delimited'", "'array'") if target.format == "json" else query


def _typed(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Return a frame in the types that were written; DuckDB gives every instant in UTC."""
    frame.columns = list(schema)
    there = frame.schema  # made anew at every look, and slow for many columns
    return frame if there == schema else frame.cast(schema)


def duckdb_type(dtype: Any) -> str:
    """DuckDB's name of a type that a text can hold."""
    if isinstance(dtype, pl.Datetime):
        return "TIMESTAMPTZ" if dtype.time_zone else "TIMESTAMP_NS" if dtype.time_unit == "ns" else "TIMESTAMP"
    if isinstance(dtype, pl.Decimal):
        return f"DECIMAL({dtype.precision}, {dtype.scale})"
    if isinstance(dtype, pl.List):
        return f"{duckdb_type(dtype.inner)}[]"
    if isinstance(dtype, pl.Struct):
        return (
            f"STRUCT({', '.join(f'{engine.quoted(field.name)} {duckdb_type(field.dtype)}' for field in dtype.fields)})"
        )
    return _NAMES[dtype if isinstance(dtype, type) else type(dtype)]
