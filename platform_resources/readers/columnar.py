"""Parquet and Arrow files as rows, a piece at a time."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from platform_resources.errors import ConversionError
from platform_resources.readers.damage import refuse_damage, refuse_damaged_frames
from platform_resources.readers.rows import Rows

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_MOST = 131_072
_LIVING_BYTES = 16 << 20
_GROUP_BYTES = 128 << 20
"""Uncompressed size of a row group up to which Polars reads it, which decodes it whole; Arrow reads larger ones."""

_YEARS = (1678, 2261)
"""The years that 64 bits of nanoseconds have room for as a whole."""

_PIECE_BYTES = 64 << 20
_VALUE_BYTES = 16
"""What a value may take beside its bytes once it is decoded."""

_UNPACKED, _LEAST_WIDE = 4, 16_384
"""How much larger than the file its rows are taken to be, and the fewest rows of a piece, where nothing says it."""


def parquet(path: Path, name: str) -> Rows:
    """Return the rows of a Parquet file, a piece of a row group at a time.

    Raises:
        ConversionError: It is damaged or was cut off.
    """
    import pyarrow.parquet as pq

    file = refuse_damage(
        lambda: _unless_wide(lambda: pq.ParquetFile(str(path), pre_buffer=False, buffer_size=1 << 20)), name
    )
    if file is None:
        return _wide(pl.scan_parquet(path, glob=False), path, name)
    beyond = refuse_damage(lambda: _beyond_nanoseconds(file, path, name), name)
    if beyond:
        file.close()
        file = pq.ParquetFile(str(path), pre_buffer=False, buffer_size=1 << 20, coerce_int96_timestamp_unit="us")
    facts = file.metadata
    groups = [facts.row_group(place).total_byte_size for place in range(facts.num_row_groups)]
    rows = max(64, min(_MOST, int(_LIVING_BYTES / max(sum(groups) / max(facts.num_rows, 1), 1))))
    if max(groups, default=0) <= _GROUP_BYTES and not beyond:
        file.close()
        heights = [facts.row_group(place).num_rows for place in range(facts.num_row_groups)]
        width = sum(groups) / max(facts.num_rows, 1) + _VALUE_BYTES * facts.num_columns
        return _by_polars(path, name, list(_pieces(heights, max(rows, int(_PIECE_BYTES / max(width, 1))))), rows)
    schema = _schema(file.schema_arrow)
    return Rows(schema, lambda: _frames(file.iter_batches(batch_size=rows), schema, name), total=facts.num_rows)


def _beyond_nanoseconds(file: "pq.ParquetFile", path: Path, name: str) -> bool:
    """Whether a file has instants of 96 bits, as Spark writes them, of which 64 bits of nanoseconds would make others.

    Raises:
        ConversionError: It has such instants, and others with digits below a microsecond: no type has room for both.
    """
    columns = [file.schema.column(place) for place in range(len(file.schema.names))]
    names = [column.path for column in columns if column.physical_type == "INT96"]
    plain = [column for column in names if "." not in column]
    if len(plain) < len(names):
        return True
    if not plain:
        return False
    in_nanoseconds = pl.scan_parquet(path, glob=False).select(plain)
    schema = pl.scan_parquet(path, glob=False).collect_schema()
    coarse = {**schema, **{column: pl.Datetime("us", _zone(schema[column])) for column in plain}}
    in_microseconds = pl.scan_parquet(path, glob=False, schema=coarse).select(plain)
    years = in_microseconds.select(pl.all().dt.year().is_between(*_YEARS).all()).collect().row(0)
    if all(years):
        return False
    fine = in_nanoseconds.select(
        (pl.all().dt.year().is_between(*_YEARS) & (pl.all().dt.nanosecond() % 1000 != 0)).any()
    )
    if any(fine.collect().row(0)):
        problem = (
            f"{', '.join(plain)}: has instants beyond {_YEARS[0]} to {_YEARS[1]} beside digits below a microsecond"
        )
        raise ConversionError(name, problem, fix="write them as microseconds")
    return True


def _zone(dtype: pl.DataType) -> str | None:
    return dtype.time_zone if isinstance(dtype, pl.Datetime) else None


def _pieces(heights: Sequence[int], most: int) -> Iterator[tuple[int, int]]:
    """Start and height of pieces that cut no row group without need: a cut one is unpacked once for each of its pieces.

    >>> list(_pieces([10, 10, 50, 5], 20))
    [(0, 20), (20, 20), (40, 20), (60, 15)]
    """
    start = height_together = 0
    for height in heights:
        if height_together and height_together + height > most:
            yield start, height_together
            start, height_together = start + height_together, 0
        height_together += height
        while height_together > most:
            yield start, most
            start, height_together = start + most, height_together - most
    if height_together:
        yield start, height_together


def _by_polars(path: Path, name: str, pieces: Sequence[tuple[int, int]], rows: int) -> Rows:
    """Pieces of a file whose row groups are small enough to be decoded whole: a third of Arrow's time."""
    lazy = pl.scan_parquet(path, glob=False)
    schema = refuse_damage(lazy.collect_schema, name)

    def frames() -> Iterator[pl.DataFrame]:
        for start, height in pieces:
            piece = lazy.slice(start, height).collect()
            yield from (piece[place : place + rows] for place in range(0, height, rows))

    return Rows(schema, lambda: refuse_damaged_frames(frames(), name), total=sum(height for _, height in pieces))


def _unless_wide(action: "Callable[[], Any]") -> Any:
    """Return what the action returns, or None where Arrow lacks a type.

    Polars writes integers of 128 bits, and reads them.
    """
    import pyarrow as pa

    try:
        return action()
    except pa.ArrowNotImplementedError:
        return None


def _wide(lazy: pl.LazyFrame, path: Path, name: str) -> Rows:
    """Yield the rows of a file that Polars alone reads, a piece at a time; its row groups are not known."""
    schema = refuse_damage(lazy.collect_schema, name)
    total = int(refuse_damage(lambda: lazy.select(pl.len()).collect().item(), name))
    width = max(_UNPACKED * path.stat().st_size / max(total, 1), _VALUE_BYTES * len(schema), 1)
    height = max(_LEAST_WIDE, int(_PIECE_BYTES / width))

    def frames() -> Iterator[pl.DataFrame]:
        for start in range(0, total, height):
            yield lazy.slice(start, height).collect()

    return Rows(schema, lambda: refuse_damaged_frames(frames(), name), total=total)


def arrow(path: Path, name: str) -> Rows:
    """Yield the rows of an Arrow file or stream, a record batch at a time, memory-mapped."""
    import pyarrow as pa

    def batches() -> "Iterator[pa.RecordBatch]":
        with pa.memory_map(str(path)) as source:
            if source.read(6) == b"ARROW1":
                reader = pa.ipc.open_file(source)
                yield from (reader.get_batch(place) for place in range(reader.num_record_batches))
            else:
                source.seek(0)
                yield from pa.ipc.open_stream(source)

    def arrow_schema() -> "pa.Schema":
        with pa.memory_map(str(path)) as source:
            if source.read(6) == b"ARROW1":
                return pa.ipc.open_file(source).schema
            source.seek(0)
            return pa.ipc.open_stream(source).schema

    file_schema = refuse_damage(lambda: _unless_wide(arrow_schema), name)
    if file_schema is None:
        return _wide(pl.scan_ipc(path, glob=False), path, name)
    schema = _schema(file_schema)
    return Rows(schema, lambda: _frames(batches(), schema, name))


def _frames(batches: "Iterator[pa.RecordBatch]", schema: pl.Schema, name: str) -> Iterator[pl.DataFrame]:
    def made() -> Iterator[pl.DataFrame]:
        for batch in batches:
            frame = pl.DataFrame(pl.from_arrow(batch))
            yield frame if frame.schema == schema else frame.cast(schema)

    return refuse_damaged_frames(made(), name)


def _schema(file_schema: "pa.Schema") -> pl.Schema:
    return pl.DataFrame(pl.from_arrow(file_schema.empty_table())).schema
