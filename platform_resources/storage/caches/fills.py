"""Rows on their way from S3 to the reader, and beside that into the cache: read once, in the files' order.

The writing is done by a thread of its own, so that the reader waits for S3 and not for the disk. What cannot be
written is left out of the cache and nothing else.
"""

import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from itertools import groupby, islice
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl

from platform_resources.settings import S3Settings
from platform_resources.storage.caches.segments import SegmentWriter
from platform_resources.storage.caches.snapshot import PATH, Snapshot, Source, key_of
from platform_resources.storage.caches.tiered import FRAMES, Cache, lacking

_WAITING = 4
_AHEAD = 8


@dataclass(frozen=True)
class Part:
    """A data file of a scan: its row in the snapshot, and what the cache has of it."""

    uri: str
    size_bytes: int
    stamp: str
    rows: int | None
    partition: dict[str, object]
    held: pl.DataFrame | None

    @property
    def key(self) -> str:
        """What the cache knows it by."""
        return key_of(self.uri, self.size_bytes, self.stamp)


class _Abandoned(Exception):
    """Ends a draft without publishing it."""


class _File:
    """One data file while it is written; every method runs in the writing thread."""

    def __init__(self, cache: Cache, part: Part, snapshot: Snapshot) -> None:
        self._cache, self._part, self._snapshot = cache, part, snapshot
        self._stack, self._failed = ExitStack(), False
        self._writer: SegmentWriter | None = None

    def append(self, frame: pl.DataFrame) -> None:
        if self._failed:
            return
        try:
            if self._writer is None:
                self._draft = self._stack.enter_context(self._cache.disk.draft(FRAMES, self._part.key))
                self._writer = SegmentWriter(self._draft)
            self._writer.append(self._snapshot.kept(frame))
            if self._draft.tell() > self._cache.disk.limit_bytes:
                self._fail()
        except (OSError, pl.exceptions.PolarsError):  # no room: Polars tells it in its own words
            self._fail()

    def publish(self, empty: pl.DataFrame) -> None:
        self.append(empty)
        if self._writer is None or self._failed:
            return
        try:
            if self._snapshot.mutable and self._cache.remote.etag(self._part.uri) != self._part.stamp:
                self._fail()
                return
            self._writer.finish()
            size = self._draft.tell()
            self._stack.close()
            self._cache.counters.add(filled=1, filled_bytes=size)
        except OSError:
            self._fail()

    def abandon(self) -> None:
        if self._writer is not None:
            self._stack.__exit__(_Abandoned, _Abandoned(), None)

    def _fail(self) -> None:
        self._failed = True
        self._cache.counters.add(refused=1)
        self.abandon()


class Fill:
    """Reads the columns that the cache lacks of some files, hands them on, and keeps them."""

    def __init__(self, cache: Cache, source: Source, s3: S3Settings) -> None:
        self._cache, self._snapshot, self._s3 = cache, source.snapshot, s3
        self._files = source.files or self._by_name
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="cache-fill")
        self._pending: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        """Return the same; at its end everything is written."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Wait until the writing thread has ended."""
        self._pool.shutdown(wait=True)

    def frames(self, parts: Sequence[Part], wanted_schema: pl.Schema) -> Iterator[tuple[Part, pl.DataFrame]]:
        """Yield the rows of each file in order, with the columns wanted; a large file comes in several frames."""
        for missing, run in groupby(parts, key=lambda part: lacking(part.held, wanted_schema)):
            if missing:
                yield from self._read(list(run), missing, wanted_schema)
            else:
                yield from ((part, part.held.select(list(wanted_schema))) for part in run if part.held is not None)

    def _read(
        self, parts: list[Part], missing: Sequence[str], wanted_schema: pl.Schema
    ) -> Iterator[tuple[Part, pl.DataFrame]]:
        schema = pl.Schema({name: wanted_schema[name] for name in missing})
        self._cache.counters.add(misses=len(parts))
        batches_by_uri = (
            self._whole_files(parts, schema) if self._takes_whole_files(schema) else self._by_file(parts, schema)
        )
        for part, batches in groupby(_all_of(parts, batches_by_uri), key=lambda pair: pair[0]):
            file, at = _File(self._cache, part, self._snapshot), 0
            try:
                for _, batch in batches:
                    if batch is None:
                        continue
                    self._do(file.append, batch)
                    yield part, _beside(part.held, at, batch).select(list(wanted_schema))
                    at += batch.height
                if part.rows is None or part.rows == at:
                    self._do(file.publish, schema.to_frame())
                    continue
            except BaseException:
                self._pool.submit(file.abandon)
                raise
            self._pool.submit(file.abandon)

    def _takes_whole_files(self, schema: pl.Schema) -> bool:
        """Return whether every column of the files is read, so that all their bytes come in any case."""
        return set(schema) == set(self._snapshot.stored)

    def _whole_files(self, parts: list[Part], schema: pl.Schema) -> Iterator[tuple[str, pl.DataFrame]]:
        """Yield the rows of files whose bytes were compared with what S3 says of them; the next ones are on their way.

        A large file goes by one on this machine's disk, so that memory holds some row groups of it.
        """
        remote, remaining = self._cache.remote, iter(parts)
        coming: deque[tuple[Part, Future[bytes | Path]]] = deque()
        with (
            tempfile.TemporaryDirectory(prefix="platform-objects-") as folder,
            ThreadPoolExecutor(max_workers=_AHEAD, thread_name_prefix="cache-get") as pool,
        ):

            def ask(many: int) -> None:
                for part in islice(remaining, many):
                    coming.append((part, pool.submit(remote.whole, part.uri, part.size_bytes, Path(folder))))

            ask(_AHEAD)
            try:
                while coming:
                    part, answer = coming.popleft()
                    content = answer.result()
                    ask(1)
                    for batch in self._batches(self._rows_of(part.uri, content, list(schema), Path(folder)), schema):
                        yield part.uri, batch
                    if isinstance(content, Path):
                        content.unlink()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _rows_of(self, uri: str, content: bytes | Path, names: Sequence[str], folder: Path) -> pl.LazyFrame:
        """Return columns of a file that is here; of one for which this disk has no room, as Polars reads it from S3."""
        if self._files == self._by_name:
            return self._parquet([str(content)] if isinstance(content, Path) else BytesIO(content), names)
        place = content if isinstance(content, Path) else folder / "small.parquet"
        if isinstance(content, bytes):
            try:
                place.write_bytes(content)
            except OSError:
                return self._files([uri], names).drop(PATH)
        return self._files([str(place)], names).drop(PATH)

    def _batches(self, lazy: pl.LazyFrame, schema: pl.Schema) -> Iterator[pl.DataFrame]:
        stored = self._snapshot.stored
        own = {name: kind for name, kind in schema.items() if kind != stored[name]}
        return (lazy.cast(own) if own else lazy).collect_batches(maintain_order=True)  # type: ignore[arg-type]

    def _by_file(self, parts: list[Part], schema: pl.Schema) -> Iterator[tuple[str, pl.DataFrame]]:
        """Yield the rows of all files as Polars reads them from S3, each batch from one file."""
        for batch in self._batches(self._files([part.uri for part in parts], list(schema)), schema):
            at = 0
            for length, path in batch[PATH].rle().struct.unnest().iter_rows():
                yield path, batch.slice(at, length).drop(PATH)
                at += length

    def _by_name(self, uris: Sequence[str], names: Sequence[str]) -> pl.LazyFrame:
        """Return columns of plain Parquet files, and of each row its file."""
        return self._parquet(list(uris), names, include_file_paths=PATH)

    def _parquet(
        self, source: list[str] | BytesIO, names: Sequence[str], *, include_file_paths: str | None = None
    ) -> pl.LazyFrame:
        return pl.scan_parquet(
            source,
            schema={name: self._snapshot.stored[name] for name in names},
            include_file_paths=include_file_paths,
            missing_columns="insert",
            extra_columns="ignore",
            cast_options=_cast_options(),
            glob=False,
            hive_partitioning=False,
            storage_options=self._s3.polars_options() if include_file_paths else None,
            credential_provider=self._s3.polars_credentials() if include_file_paths else None,
        )

    def _do(self, work: object, argument: pl.DataFrame) -> None:
        """Hand the work to the writing thread, which is never far behind."""
        self._pending.append(self._pool.submit(work, argument))  # type: ignore[arg-type]
        while len(self._pending) > _WAITING:
            self._pending.popleft().result()


def _all_of(
    parts: list[Part], rows_by_uri: Iterable[tuple[str, pl.DataFrame]]
) -> Iterator[tuple[Part, pl.DataFrame | None]]:
    """Yield each file with its rows; one without any comes once, with None."""
    places = {part.uri: number for number, part in enumerate(parts)}
    done = 0
    for path, rows in rows_by_uri:
        number = places[path]
        yield from ((part, None) for part in parts[done:number])
        done = number + 1
        yield parts[number], rows
    yield from ((part, None) for part in parts[done:])


def _beside(cached: pl.DataFrame | None, at: int, batch: pl.DataFrame) -> pl.DataFrame:
    if cached is None:
        return batch
    return cached.slice(at, batch.height).drop(batch.columns, strict=False).hstack(batch)


def _cast_options() -> pl.ScanCastOptions:
    """Return what Polars itself allows of the files of a Delta table."""
    return pl.ScanCastOptions(
        integer_cast="upcast",
        float_cast=["upcast", "downcast"],
        datetime_cast=["nanosecond-downcast", "millisecond-upcast", "convert-timezone"],
        missing_struct_fields="insert",
        extra_struct_fields="ignore",
        categorical_to_string="allow",
    )
