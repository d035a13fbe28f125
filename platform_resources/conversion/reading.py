"""Opening a source whatever it is: where it lies, what is around it, what it is, and a reader for it."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from platform_resources.conversion import binary_sources, plain
from platform_resources.conversion.csv_source import CsvSource, accepted
from platform_resources.conversion.detect import (
    SAMPLE_BYTES,
    Format,
    container_of,
    encoding_of,
    is_workbook,
    text_format,
)
from platform_resources.conversion.dialect import dialect_of
from platform_resources.conversion.json_source import JsonSource, lines_of
from platform_resources.conversion.options import Options
from platform_resources.conversion.rejects import Rejects
from platform_resources.conversion.rows import Conform, Rows
from platform_resources.errors import ConversionError
from platform_resources.settings import Settings
from platform_resources.storage.compression import Compression, compression_in
from platform_resources.storage.folder import folder_at

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_NESTED = 3
"""Archives within archives that are opened."""


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
    compression: Compression | None = None
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
    """The source, ready to be read.

    Raises:
        ConversionError: It is not there, empty, damaged, or nothing that is known here.
    """
    if table := _delta(source, bench):
        return table
    path = plain.local(source, bench.settings.s3, bench.scratch)
    size = path.stat().st_size
    if not size:
        raise ConversionError(source, "is empty", fix="send it again")
    path, compression = _unpacked(path, source, bench.scratch)
    container = container_of(plain.head(path))
    if container is None:
        return replace(_text(path, source, options, bench), compression=compression, size_bytes=size)
    rows = _typed(path, source, container, options.sheet)
    if not rows.schema:
        raise ConversionError(source, "has no columns", fix="send it again")
    return Opened(_conformed(rows, bench), container, compression, size_bytes=size)


def _delta(source: str, bench: Bench) -> Opened | None:
    """A Delta table, where the source is one."""
    on_s3 = source.startswith("s3://")
    if not on_s3 and not (Path(source).expanduser() / "_delta_log").is_dir():
        return None
    folder = folder_at(source.rstrip("/") if on_s3 else str(Path(source).expanduser()), bench.settings.s3)
    if on_s3 and not folder.entries("_delta_log"):
        return None
    options = bench.settings.s3.delta_options() if on_s3 else None
    rows = binary_sources.delta(folder.uri("").rstrip("/"), source, options)
    size = sum(entry.size_bytes for entry in folder.entries())
    return Opened(_conformed(rows, bench), "delta", size_bytes=size)


def _unpacked(path: Path, source: str, scratch: Path) -> tuple[Path, Compression | None]:
    """The file within its archive, and the outermost compression."""
    outer: Compression | None = None
    depth = 0
    while found := compression_in(plain.head(path)):
        if depth == _NESTED:
            raise ConversionError(source, f"is packed more than {_NESTED} times", fix="unpack it first")
        inner = scratch / f"unpacked-{depth}"
        inner.mkdir()
        path, outer = plain.decompressed(path, found, inner, name=source), outer or found
        depth += 1
    if not path.stat().st_size:
        raise ConversionError(source, "holds nothing", fix="send it again")
    return path, outer


def _typed(path: Path, source: str, container: Format, sheet: str | None) -> Rows:
    if container == "excel":
        with path.open("rb") as file:
            if file.read(2) == b"PK" and not is_workbook(file):
                raise ConversionError(source, "is a zip archive, and no workbook", fix="unpack it first")
        return binary_sources.excel(path, source, sheet)
    return _READERS[container](path, source)


def _text(path: Path, source: str, options: Options, bench: Bench) -> Opened:
    pieces = plain.samples(path)
    found, certain = (options.encoding, True) if options.encoding else encoding_of(pieces)
    encoding = _known(found, source)
    marked = pieces[0].startswith(b"\xef\xbb\xbf")
    if encoding != "utf-8" or marked or (b"\n" not in pieces[0] and b"\r" in pieces[0]):
        path = plain.in_utf8(path, encoding, bench.scratch, name=source)
        pieces = plain.samples(path)
    head = pieces[0].decode("utf-8", "replace")
    kind = text_format(head)
    if kind == "csv":
        opened_ = _csv(path, pieces, source, options, bench)
    else:
        lines = path if kind == "jsonl" else lines_of(path, source, bench.connection, bench.scratch)
        rows = JsonSource(lines, source, bench.rejects, bench.connection, bench.scratch, bench.conform).rows()
        opened_ = Opened(rows, kind)
    return replace(opened_, encoding=encoding, encoding_certain=certain)


def _csv(path: Path, pieces: list[bytes], source: str, options: Options, bench: Bench) -> Opened:
    head, whole = pieces[0].decode("utf-8", "replace"), path.stat().st_size <= SAMPLE_BYTES
    dialect = dialect_of(head, delimiter=options.delimiter, header=options.header, whole=whole)
    if dialect is None:
        raise ConversionError(source, "holds no row and no header", fix="send it again")
    safe = bench.scratch / "source.csv"  # a name in which DuckDB sees no pattern
    safe.symlink_to(path.absolute())
    file = CsvSource(safe, dialect, bench.rejects, bench.connection, bench.conform, options.as_text)
    guesses = file.sampled()
    return Opened(file.rows(guesses), "csv", csv=file, guesses=tuple(guesses))


def _known(encoding: str, source: str) -> str:
    try:
        "".encode(encoding)  # refuses also codecs that are none of texts, such as base64
        name = codecs.lookup(encoding).name
    except (LookupError, ValueError) as error:
        raise ConversionError(source, f"{encoding!r} is no encoding", fix="use utf-8, utf-16, cp1252, …") from error
    return "utf-8" if name == "utf-8-sig" else name


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


_READERS = {"parquet": binary_sources.parquet, "arrow": binary_sources.arrow, "avro": binary_sources.avro}
