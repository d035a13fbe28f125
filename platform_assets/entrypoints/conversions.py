"""`platform convert`: a contract's types for the converter, progress for the eye, and one table of what was done."""

# ruff: noqa: PLC0415 - a conversion without a contract needs neither Dagster nor the datasets

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import polars as pl
from rich.markup import escape
from rich.table import Table

from platform_assets.entrypoints.screen import count, errors, facts, plain
from platform_resources.conversion import Conversion, Options, convert
from platform_resources.settings import Settings

if TYPE_CHECKING:
    from platform_resources.conversion import Conform, Progress

_COLUMNS_SHOWN = 40
_UNIT = 1000


def run(source: str, target: str, options: Options, *, package: str, contract: str | None) -> Conversion:
    """Converts the file, showing how far it is.

    Raises:
        UnknownName: There is no dataset of the contract's name.
        ConversionError: The file cannot be converted; nothing was written.
    """
    conform = None if contract is None else _conform(package, contract)
    with _progress(source) as progress:
        return convert(
            source, target, settings=Settings.from_environment(), options=options, conform=conform, progress=progress
        )


def _conform(package: str, contract: str) -> "Conform":
    """A function that gives rows a contract's types, as an ingest does."""
    from platform_assets.entrypoints.door import Door
    from platform_core.quality import conform

    dataset = Door(package).dataset(contract)

    def typed(raw: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        done = conform(raw, dataset)
        return done.frame, done.unreadable

    return typed


@contextmanager
def _progress(source: str) -> "Iterator[Progress]":
    """Yields what to tell the rows written so far; they show on a terminal only."""
    from rich.progress import Progress as Bar
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    console = errors()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"Converting {escape(PurePosixPath(source).name)}", total=None, told="")
        yield lambda rows: bar.update(task, told=count(rows, "row"))


def page(done: Conversion) -> Table:
    """What was done, a line each."""
    return facts(_pairs(done))


def _pairs(done: Conversion) -> Iterator[tuple[str, str]]:
    yield "source", plain(done.source)
    yield "is", escape(", ".join(_kind(done)))
    yield "target", plain(done.target)
    yield "rows", f"{done.rows:,} written"
    if done.rejected:
        yield "set aside", f"[yellow]{count(done.rejected, 'row')}[/] in {plain(done.rejects)}"
    shown = [f"{name} {kind}" for name, kind in list(done.columns.items())[:_COLUMNS_SHOWN]]
    more = f" and {len(done.columns) - _COLUMNS_SHOWN} more" if len(done.columns) > _COLUMNS_SHOWN else ""
    yield "columns", escape(", ".join(shown) + more)
    for name, told in done.changes.items():
        yield "changed", f"[yellow]{plain(name)}[/]: {plain(told)}"
    if done.nulled:
        yield "changed", f"[yellow]{count(done.nulled, 'NaN or infinite value')}[/] became null: JSON has none"
    if done.content_hash:
        yield "hash", done.content_hash
    yield "size", f"{_size(done.read_bytes)} read, {_size(done.written_bytes)} written"
    yield "took", f"{done.seconds:.1f} s, {_size(int(done.read_bytes / max(done.seconds, 0.001)))}/s, by {done.engine}"
    yield "verified", done.verified


def _kind(done: Conversion) -> Iterator[str]:
    yield done.source_format
    if done.source_compression:
        yield f"in {done.source_compression}"
    if done.encoding:
        yield done.encoding if done.encoding_certain else f"{done.encoding} (a guess: name its --encoding)"
    if done.delimiter:
        yield f"delimiter {done.delimiter!r}"


def _size(value: int) -> str:
    """A number of bytes in the unit in which it has at most three digits before the point."""
    size, units = float(value), ["B", "kB", "MB", "GB", "TB"]
    while size >= _UNIT and len(units) > 1:
        size, units = size / _UNIT, units[1:]
    return f"{size:,.0f} {units[0]}" if units[0] == "B" else f"{size:,.1f} {units[0]}"
