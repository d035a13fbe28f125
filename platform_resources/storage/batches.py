"""Rows that come in batches: kept in memory while they are few, else in files on the local disk.

A write needs its rows more than once: to check them, to write them, and to write them again after a conflict.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from platform_resources.scratch import WRITING, scratch_folder
from platform_resources.storage import columns

_FILE_BYTES = 64 << 20


@dataclass(frozen=True)
class SpooledRows:
    """Rows in files on disk, all of one schema, in the order in which they came; files may have further columns."""

    files: tuple[Path, ...]
    schema: pl.Schema
    height: int

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield the rows in frames of some 64 MB."""
        for file in self.files:
            yield pl.read_ipc(file, columns=list(self.schema))

    def lazy(self) -> pl.LazyFrame:
        """Return the rows lazily."""
        rows = pl.scan_ipc(list(self.files)) if self.files else pl.LazyFrame(schema=self.schema)
        return rows.select(list(self.schema))

    def fitted(self, schema: pl.Schema) -> Iterator[pl.DataFrame]:
        """Yield the rows with the columns of a schema, in its order; those that they lack are null."""
        for frame in self.frames():
            yield frame.select(self._columns(schema))

    def lazily_fitted(self, schema: pl.Schema) -> pl.LazyFrame:
        """Return the same rows lazily."""
        return self.lazy().select(self._columns(schema))

    def _columns(self, schema: pl.Schema) -> list[pl.Expr]:
        return [
            pl.col(name).cast(kind) if name in self.schema else pl.lit(None, dtype=kind).alias(name)
            for name, kind in schema.items()
        ]


Frames = pl.DataFrame | pl.LazyFrame | Iterable[pl.DataFrame] | SpooledRows


@contextmanager
def gathered(
    table: str, frames: Frames, check: Callable[[pl.DataFrame], None], *, in_memory_bytes: int
) -> Iterator[pl.DataFrame | SpooledRows]:
    """Yield all rows: a frame, or files that are removed at the end where they would take too much memory.

    Args:
        table: the dataset's path, for messages.
        frames: a frame, or batches of one schema; a column of nulls takes its type from the first batch. Rows that lie
            on the disk already stay there, as long as each column is in a type that is kept.
        check: raises where a batch must not be written; it sees each batch once, with logical types.
        in_memory_bytes: the size up to which rows stay in memory.

    Raises:
        SchemaMismatch: a batch has other columns than the first.
    """
    if isinstance(frames, SpooledRows) and _is_kept_as_it_is(table, frames):
        for batch in frames.frames():
            check(batch)
        yield frames
        return
    with scratch_folder(WRITING) as scratch:
        waiting, waiting_bytes, files, height = list[pl.DataFrame](), 0, list[Path](), 0
        schema: pl.Schema | None = None
        for batch in _in_batches(frames):
            frame = columns.to_logical(table, batch)
            if schema is None:
                schema = frame.schema
            elif frame.schema != schema:
                frame = columns.fit(table, frame, schema, "refuse")
            check(frame)
            waiting.append(frame)
            waiting_bytes += int(frame.estimated_size())
            height += frame.height
            if waiting_bytes > (_FILE_BYTES if files else in_memory_bytes):
                files += _spool(waiting, scratch, len(files))
                waiting, waiting_bytes = [], 0
        if not files:
            yield pl.concat(waiting, rechunk=False) if waiting else pl.DataFrame()
            return
        files += _spool(waiting, scratch, len(files))
        yield SpooledRows(tuple(files), schema or pl.Schema(), height)


def _is_kept_as_it_is(table: str, rows: SpooledRows) -> bool:
    return columns.to_logical(table, pl.DataFrame(schema=rows.schema)).schema == rows.schema


def _in_batches(frames: Frames) -> Iterable[pl.DataFrame]:
    if isinstance(frames, pl.DataFrame):
        return [frames]
    if isinstance(frames, pl.LazyFrame):
        return collected(frames)
    return frames.frames() if isinstance(frames, SpooledRows) else frames


def collected(frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Yield a lazy frame's rows in batches, and an empty frame with its columns where it has none."""
    count = 0
    for batch in frame.collect_batches(maintain_order=True, engine="streaming"):
        count += 1
        yield batch
    if not count:
        yield pl.DataFrame(schema=frame.collect_schema())


def _spool(frames: list[pl.DataFrame], folder: Path, number: int) -> list[Path]:
    """Write frames to files of at most some 64 MB each, and return them."""
    files = list[Path]()
    whole = pl.concat(frames, rechunk=False) if frames else pl.DataFrame()
    rows = max(1, int(whole.height * _FILE_BYTES / max(1, whole.estimated_size())))
    for part in whole.iter_slices(rows):
        files.append(folder / f"{number + len(files):08}.arrow")
        part.write_ipc(files[-1], compression="lz4")
    return files
