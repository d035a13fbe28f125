"""A table's rows through the cache, lazily: what a query does not ask for is neither read nor kept.

Polars says which columns and rows are wanted when the query runs. Then:

- all of it is kept: it is mapped, and S3 is not asked again;
- it is not, and the query wants whole columns of whole files: they are read as without a cache, and kept on the way;
- it is not, and the query looks for some rows or the first ones: Polars reads from S3 as without a cache, because it
  may skip row groups. Only when the same is asked a second time are the columns read whole, and kept.

So a first read never costs more bytes than without a cache.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from hashlib import sha256
from typing import Any

import polars as pl
from polars.io.plugins import register_io_source

from platform_resources.settings import S3Settings
from platform_resources.storage.caches.fills import Fill, Part
from platform_resources.storage.caches.snapshot import FILES, Snapshot, Source, key_of
from platform_resources.storage.caches.tiered import Cache, lacking, width
from platform_resources.vendor.polars_internals import skip_batch_predicate

_ROWS = "__platform_rows"  # a column that costs nothing; the count of rows asks for the first one
_LARGEST_SHARE = 2
MOST_FILES = 16_384  # each is a mapping, of which Linux grants 65,530 a process


class CachedScan:
    """One snapshot of one table."""

    def __init__(self, cache: Cache, source: Source, s3: S3Settings) -> None:
        self.cache, self.snapshot, self._s3, self._source = cache, source.snapshot, s3, source

    def lazy(self, location: str, telling: Callable[[], AbstractContextManager[None]]) -> pl.LazyFrame:
        """Return the rows; the plan names the table's place, as that of a scan of files does.

        Args:
            location: that place.
            telling: within it errors are told in our words.
        """

        def read(*asked: Any) -> Iterator[pl.DataFrame]:
            with telling():
                yield from self._read(*asked)

        source = register_io_source(
            read,
            schema={_ROWS: pl.Null(), **self.snapshot.schema},
            is_pure=True,
            explain_name=location,
        )
        return source.drop(_ROWS)

    def frame(self, names: list[str]) -> pl.DataFrame:
        """Return columns of all rows as collecting them would, but without a query, which takes longer than the rest.

        What is kept is shared with every other reader, but for the frame itself, which whoever gets it may change.
        """
        return pl.concat(self._read(names, None, None, None), rechunk=False).clone()

    def _read(
        self, with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _batch: int | None
    ) -> Iterator[pl.DataFrame]:
        names = [_ROWS, *self.snapshot.schema] if with_columns is None else with_columns
        try:
            empty = True
            for rows in _first(self._rows(names, predicate, n_rows), n_rows):
                yield rows
                empty = False
            if empty:
                kinds = {_ROWS: pl.Null(), **self.snapshot.schema}
                yield pl.DataFrame(schema={name: kinds[name] for name in names})
        finally:
            self.cache.record(soon=True)

    def _rows(self, names: list[str], predicate: pl.Expr | None, n_rows: int | None) -> Iterator[pl.DataFrame]:
        """Yield the columns named of the rows that pass."""
        looked = predicate.meta.root_names() if predicate is not None else []
        wanted_schema, files = self._schema_of([*names, *looked]), self._pruned(predicate)
        if not wanted_schema and (files["rows"].null_count() or files.is_empty()):
            yield from self._through(names, files, predicate, n_rows)
            return
        parts = self._parts(files, wanted_schema)
        missing = [part for part in parts if lacking(part.held, wanted_schema)]
        if missing and self._passes(parts, missing, wanted_schema, predicate, n_rows):
            yield from self._through(names, files, predicate, n_rows)
            return
        if not missing:
            yield from (self._served(part, names, predicate) for part in parts)
            return
        with Fill(self.cache, self._source, self._s3) as fill:
            for part, frame in fill.frames(parts, wanted_schema):
                yield _passing(_labelled(frame, part, self.snapshot), names, predicate)

    def _parts(self, files: pl.DataFrame, wanted_schema: pl.Schema) -> list[Part]:
        """Return the files with what is kept of them."""
        labels, parts = files.columns[len(FILES) :], list[Part]()
        for uri, size, stamp, rows, *values in files.rows():
            cached = self._cached(key_of(uri, size, stamp), wanted_schema) if wanted_schema else None
            parts.append(Part(uri, size, stamp, rows, dict(zip(labels, values, strict=True)), cached))
        return parts

    def _cached(self, key: str, wanted_schema: pl.Schema) -> pl.DataFrame | None:
        names = self.snapshot.kept_as
        if not names:
            return self.cache.frame(key, wanted_schema)
        cached = self.cache.frame(key, pl.Schema({names[name]: kind for name, kind in wanted_schema.items()}))
        return None if cached is None else self.snapshot.named(cached)

    def _passes(
        self,
        parts: list[Part],
        missing: list[Part],
        wanted_schema: pl.Schema,
        predicate: pl.Expr | None,
        n_rows: int | None,
    ) -> bool:
        """Return whether the query is better left to Polars alone."""
        if n_rows is not None or self._large(missing, wanted_schema):
            return True
        looked = set(predicate.meta.root_names()) if predicate is not None else set()
        if looked <= set(self.snapshot.partition_columns):
            return False
        query = "\n".join([*sorted(wanted_schema), *sorted(part.key for part in parts)])
        return not self.cache.seen(sha256(query.encode()).hexdigest())

    def _large(self, missing: list[Part], wanted_schema: pl.Schema) -> bool:
        """Return whether what is missing would take more than half of the cache, and push out all the rest."""
        limit = self.cache.settings.limit_bytes // _LARGEST_SHARE
        row = sum(map(width, wanted_schema.values()))
        return sum((part.rows * row) if part.rows is not None else part.size_bytes for part in missing) > limit

    def _through(
        self, names: list[str], files: pl.DataFrame, predicate: pl.Expr | None, n_rows: int | None
    ) -> Iterator[pl.DataFrame]:
        """Yield the rows as Polars reads them without a cache."""
        self.cache.counters.add(misses=files.height)
        if names == [_ROWS] and predicate is None:  # Polars counts by the files' footers if it is asked just that
            count = self._source.native().select(pl.len()).collect().item()
            yield pl.DataFrame({_ROWS: pl.repeat(None, count, dtype=pl.Null(), eager=True)})
            return
        lazy = self._source.native().with_columns(pl.lit(None).alias(_ROWS))
        lazy = lazy if predicate is None else lazy.filter(predicate)
        lazy = lazy.select(names)
        yield from (lazy if n_rows is None else lazy.head(n_rows)).collect_batches(maintain_order=True)

    def _served(self, part: Part, names: list[str], predicate: pl.Expr | None) -> pl.DataFrame:
        """Return the rows of a file that is kept; whole columns are taken as they are, with no query of their own."""
        cached = part.held if part.held is not None else pl.DataFrame(height=part.rows or 0)
        if predicate is None and names == cached.columns and not part.partition:
            return cached
        if predicate is None and set(names) <= set(cached.columns) - set(part.partition):
            return cached.select(names)
        return _passing(_labelled(cached, part, self.snapshot), names, predicate)

    def _schema_of(self, names: list[str]) -> pl.Schema:
        """Return the columns that lie in the files."""
        stored_names = set(names) & set(self.snapshot.stored)
        kinds = {name: kind for name, kind in self.snapshot.schema.items() if name in stored_names}
        return pl.Schema(kinds, check_dtypes=False)

    def _pruned(self, predicate: pl.Expr | None) -> pl.DataFrame:
        """Return the files of which a row may pass, judged by their partitions."""
        files, schema = self.snapshot.files, self.snapshot.schema
        labels = self.snapshot.partition_columns
        looked = [] if predicate is None else [name for name in predicate.meta.root_names() if name in schema]
        if predicate is None or not set(labels) & set(looked):
            return files
        skip = skip_batch_predicate(predicate, {name: schema[name] for name in looked})
        if skip is None:
            return files
        bounds = [
            bound for name in dict.fromkeys(looked) for bound in _bounds(name, schema[name], known=name in labels)
        ]
        facts = files.select(pl.col("rows").fill_null(1).cast(pl.UInt32).alias("len"), *bounds)
        return files.filter(~facts.select(skip.fill_null(value=False)).to_series())


def _first(frames: Iterator[pl.DataFrame], count: int | None) -> Iterator[pl.DataFrame]:
    """Yield as many rows as were asked for, and asks for no frame beyond them."""
    if count is None:
        yield from frames
        return
    for rows in frames:
        yield rows.head(count)
        count -= rows.height
        if count <= 0:
            return


def _bounds(name: str, kind: pl.DataType, *, known: bool) -> list[pl.Expr]:
    value = pl.col(name) if known else pl.lit(None, dtype=kind)
    nulls = pl.when(pl.col(name).is_null()).then(pl.col("rows").fill_null(1)).otherwise(0) if known else pl.lit(None)
    return [value.alias(f"{name}_min"), value.alias(f"{name}_max"), nulls.cast(pl.UInt32).alias(f"{name}_nc")]


def _labelled(frame: pl.DataFrame, part: Part, snapshot: Snapshot) -> pl.DataFrame:
    """Return the rows of a file with the columns that its place says, and the one that costs nothing."""
    labels = [pl.lit(value, dtype=snapshot.schema[name]).alias(name) for name, value in part.partition.items()]
    return frame.with_columns(pl.lit(None).alias(_ROWS), *labels)


def _passing(frame: pl.DataFrame, names: list[str], predicate: pl.Expr | None) -> pl.DataFrame:
    return (frame if predicate is None else frame.filter(predicate)).select(names)
