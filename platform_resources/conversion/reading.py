"""Opening a source whatever it is: where it lies, what is around it, what it is, and a reader for it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from platform_resources.conversion import locations
from platform_resources.conversion.csv_source import CsvSource, accepted
from platform_resources.conversion.json_source import JsonSource
from platform_resources.conversion.options import Options
from platform_resources.errors import ConversionError
from platform_resources.readers import texts
from platform_resources.readers.archives import Packing, unpacked
from platform_resources.readers.avro import avro
from platform_resources.readers.columnar import arrow, parquet
from platform_resources.readers.damage import refuse_damage
from platform_resources.readers.detection import (
    SAMPLE_BYTES,
    Format,
    container_of,
    text_format,
)
from platform_resources.readers.dialect import dialect_of, refuse_malformed_header
from platform_resources.readers.excel import excel
from platform_resources.readers.rejects import Rejects
from platform_resources.readers.rows import Conform, Rows
from platform_resources.settings import Settings
from platform_resources.storage.folder import folder_at

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_DELTA_ROWS = 16_384


@dataclass(frozen=True)
class Opened:
    """A source, and what was found out about it.

    Attributes:
        rows: Its rows.
        format: What it is.
        compression: Around it.
        encoding: Of a text.
        encoding_certain: False where the encoding is a guess.
        size_bytes: As it lies there.
        csv: The file, where it is CSV.
        guesses: The types of its columns, where they were guessed.
    """

    rows: Rows
    format: Format
    compression: Packing | None = None
    encoding: str | None = None
    encoding_certain: bool = True
    size_bytes: int = 0
    csv: CsvSource | None = None
    guesses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bench:
    """What a reader works with: settings, a scratch folder, an engine, a place for bad rows, and a contract's types."""

    settings: Settings
    scratch: Path
    connection: "DuckDBPyConnection"
    rejects: Rejects
    conform: Conform | None = None


def opened(source: str, options: Options, bench: Bench) -> Opened:
    """Return the source, ready to be read.

    Raises:
        ConversionError: It is not there, empty, damaged, or nothing that is known here.
    """
    if table := _delta(source, bench):
        return table
    path = locations.local(source, bench.settings.s3, bench.scratch)
    size = path.stat().st_size
    if not size:
        raise ConversionError(source, "is empty", fix="send it again")
    path, compression = unpacked(path, source, bench.scratch)
    container = container_of(texts.head(path))
    if container is None:
        return replace(_text(path, source, options, bench), compression=compression, size_bytes=size)
    rows = _typed(path, source, container, options, bench)
    if not rows.schema:
        raise ConversionError(source, "has no columns", fix="send it again")
    return Opened(_conformed(rows, bench), container, compression, size_bytes=size)


def _delta(source: str, bench: Bench) -> Opened | None:
    """Return a Delta table, where the source is one."""
    on_s3 = source.startswith("s3://")
    if not on_s3 and not (Path(source).expanduser() / "_delta_log").is_dir():
        return None
    folder = folder_at(source.rstrip("/") if on_s3 else str(Path(source).expanduser()), bench.settings.s3)
    if on_s3 and not folder.entries("_delta_log"):
        return None
    options = bench.settings.s3.delta_options() if on_s3 else None
    rows = _delta_rows(folder.uri("").rstrip("/"), source, options)
    size = sum(entry.size_bytes for entry in folder.entries())
    return Opened(_conformed(rows, bench), "delta", size_bytes=size)


def _delta_rows(location: str, name: str, options: dict[str, str] | None) -> Rows:
    """Read a Delta table as it is now, in the types that were written."""
    from deltalake import DeltaTable

    from platform_resources.storage.formats.delta_frames import restored  # noqa: PLC0415 - imports it too

    table = refuse_damage(lambda: DeltaTable(location, storage_options=options), name)
    frame = restored(table)
    schema = frame.collect_schema()
    return Rows(schema, lambda: frame.collect_batches(chunk_size=_DELTA_ROWS, maintain_order=False, engine="streaming"))


def _typed(path: Path, source: str, container: Format, options: Options, bench: Bench) -> Rows:
    if container == "excel":
        return excel(path, source, bench.rejects, options.sheet, options.header_row)
    return _READERS[container](path, source)


def _text(path: Path, source: str, options: Options, bench: Bench) -> Opened:
    text = texts.open_text(path, bench.scratch, name=source, encoding=options.encoding)
    kind = text_format(text.head, source)
    if kind == "csv":
        opened_ = _csv(text, source, options, bench)
    else:
        opened_ = Opened(
            JsonSource(
                text.path, source, kind == "jsonl", bench.rejects, bench.connection, bench.scratch, bench.conform
            ).rows(),
            kind,
        )
    return replace(opened_, encoding=text.encoding, encoding_certain=text.certain)


def _csv(text: texts.Text, source: str, options: Options, bench: Bench) -> Opened:
    whole = text.path.stat().st_size <= SAMPLE_BYTES
    dialect = dialect_of(text.head, delimiter=options.delimiter, header=options.header, whole=whole)
    if dialect is None:
        raise ConversionError(source, "holds no row and no header", fix="send it again")
    refuse_malformed_header(text.head, dialect, source)
    safe = bench.scratch / "source.csv"  # a name in which DuckDB sees no pattern
    safe.symlink_to(text.path.absolute())
    file = CsvSource(safe, dialect, bench.rejects, bench.connection, bench.conform, options.as_text)
    guesses = file.sampled()
    return Opened(file.rows(guesses), "csv", csv=file, guesses=tuple(guesses))


def _conformed(rows: Rows, bench: Bench) -> Rows:
    """Typed rows in a contract's types; a row that has none is set aside with its number."""
    conform = bench.conform
    if conform is None:
        return rows

    def frames() -> Iterator[pl.DataFrame]:
        bench.rejects.restart()
        number = 1
        for raw in rows.frames():
            frame, unreadable = conform(raw)
            lines = np.arange(number, number + raw.height, dtype=np.int64)
            yield accepted(frame, unreadable, raw, lines, bench.rejects)
            number += raw.height

    return Rows(conform(pl.DataFrame(schema=rows.schema))[0].schema, frames, total=rows.total)


_READERS = {"parquet": parquet, "arrow": arrow, "avro": avro}
