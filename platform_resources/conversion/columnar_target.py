"""Rows as columns: Parquet, Arrow files, the batches of a Delta commit. Many hands make them ready, one writes them."""

# ruff: noqa: PLC0415 - vendors, and what imports them, are imported by the conversions that use them

import base64
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from platform_resources.conversion.dictionaries import Dictionaries, has_categories
from platform_resources.conversion.targets import Prepared, Target
from platform_resources.conversion.writing import Chunk, Tally, chunk_of, in_order

if TYPE_CHECKING:
    import pyarrow as pa
    from arro3.core import RecordBatchReader

_RARE = 0.2
"""The share of values of a column that differ, up to which Parquet keeps a dictionary of them. To build one for others
takes a sixth of the time of writing, and the file becomes larger."""

_ARROW_SCHEMA = "ARROW:schema"

_TELLING_ROWS = 65_536
"""So many rows tell which columns repeat themselves: 2,000 days look rare among 4,096 rows, and are not."""


def write_parquet(frames: Iterator[pl.DataFrame], path: Path, target: Target, fit: Prepared, tally: Tally) -> None:
    """Write all rows into the file, a row group a chunk; the first ones, which are small, are one together."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    chunks = in_order(frames, lambda frame: partial(chunk_of, frame, fit, _to_pages), tally)
    as_views = _fits_views(fit.schema)
    schema = _to_pages(pl.DataFrame(schema=fit.schema)).schema
    first = pa.Table.from_batches([], schema) if (table := _telling(chunks, tally)) is None else table
    with pq.ParquetWriter(
        str(path), schema, compression=target.pages, use_dictionary=_repeating(first), store_schema=not as_views
    ) as writer:
        writer.write_table(first, row_group_size=max(1, first.num_rows))
        for chunk in _behind(
            chunks, lambda written: writer.write_table(written.content, row_group_size=max(1, written.rows))
        ):
            tally.add(chunk)
        if as_views:
            encoded_schema = base64.b64encode(_arrow_schema(fit).serialize().to_pybytes())
            writer.add_key_value_metadata({_ARROW_SCHEMA: encoded_schema.decode()})


def _behind(chunks: Iterator[Chunk], write: Callable[[Chunk], None]) -> Iterator[Chunk]:
    """Yield the chunks, each while it is written in a hand of its own: a source that is not read from stands still."""
    writing: Future[None] | None = None
    with ThreadPoolExecutor(1) as hand:
        for chunk in chunks:
            if writing:
                writing.result()
            writing = hand.submit(write, chunk)
            yield chunk
        if writing:
            writing.result()


def write_arrow(frames: Iterator[pl.DataFrame], path: Path, target: Target, fit: Prepared, tally: Tally) -> None:
    """Write all rows into the Arrow file, a record batch a chunk."""
    import pyarrow as pa

    codec = None if target.pages == "none" else target.pages
    options = pa.ipc.IpcWriteOptions(compression=codec, unify_dictionaries=False)
    chunks = in_order(frames, lambda frame: partial(chunk_of, frame, fit, pl.DataFrame.to_arrow), tally)
    if has_categories(fit.schema):
        _write_categories(chunks, path, _arrow_schema(fit), options, tally)
        return
    with pa.OSFile(str(path), "wb") as out, pa.ipc.new_file(out, _arrow_schema(fit), options=options) as writer:
        for chunk in _behind(chunks, lambda written: writer.write_table(written.content)):
            tally.add(chunk)


def _write_categories(
    chunks: Iterator[Chunk], path: Path, schema: "pa.Schema", options: "pa.ipc.IpcWriteOptions", tally: Tally
) -> None:
    """Write the chunks into the Arrow file, with all categories of all of them."""
    import pyarrow as pa

    met, stream = Dictionaries(schema), path.with_name(f"{path.name}-chunks")

    def keep(chunk: Chunk) -> None:
        writer.write_table(chunk.content)
        met.learn(chunk.content)  # not beside the writing: Arrow puts other dictionaries into nested columns in place

    try:
        with pa.OSFile(str(stream), "wb") as spool, pa.ipc.new_stream(spool, schema, options=options) as writer:
            for chunk in _behind(chunks, keep):
                tally.add(chunk)
        with pa.OSFile(str(path), "wb") as out, pa.ipc.new_file(out, schema, options=options) as writer:
            for rows in met.common(stream):
                writer.write_table(rows)
    finally:
        stream.unlink(missing_ok=True)


def delta_batches(frames: Iterator[pl.DataFrame], fit: Prepared, tally: Tally) -> Iterator[Any]:
    """Yield the rows as record batches in types that Delta has."""
    for chunk in in_order(
        frames, lambda frame: partial(chunk_of, frame, fit, lambda rows: [*delta_reader(rows)]), tally
    ):
        yield from chunk.content
        tally.add(chunk)


def delta_reader(rows: pl.DataFrame) -> "RecordBatchReader":
    """Rows in the types Delta has, each column marked with its own."""
    from arro3.core import RecordBatchReader

    from platform_resources.storage.formats.delta_frames import stored

    return RecordBatchReader.from_arrow(stored(rows))


def _telling(chunks: Iterator[Chunk], tally: Tally) -> "pa.Table | None":
    """Return the first chunks together: enough to tell what repeats itself, never more than the plan wants at once."""
    import pyarrow as pa

    tables = []
    while tally.rows < min(_TELLING_ROWS, tally.plan.rows) and (chunk := next(chunks, None)):
        tables.append(chunk.content)
        tally.add(chunk)
    return pa.concat_tables(tables) if tables else None


def _repeating(rows: "pa.Table") -> list[str] | bool:
    """Return the columns that say the same again and again."""
    import pyarrow as pa

    if any(pa.types.is_nested(field.type) for field in rows.schema):
        return True  # within a nested column it is not known
    counts = pl.DataFrame(rows).select(pl.all().n_unique())
    return [count.name for count in counts if count.item() <= _RARE * rows.num_rows]


def _to_pages(rows: pl.DataFrame) -> "pa.Table":
    """Rows for Parquet; texts stay where they are, for Arrow writes Polars' views of them."""
    newest = pl.CompatLevel.newest() if _fits_views(rows.schema) else None
    return rows.to_arrow(compat_level=newest)


def _fits_views(schema: pl.Schema) -> bool:
    """Whether Arrow writes all columns from views, which it cannot within dictionaries and nested columns."""
    return not any(dtype.is_nested() or isinstance(dtype, pl.Categorical | pl.Enum) for dtype in schema.values())


def _arrow_schema(fit: Prepared) -> "pa.Schema":
    """Return the types that readers of the file are told: those that every Arrow has."""
    return pl.DataFrame(schema=fit.schema).to_arrow().schema
