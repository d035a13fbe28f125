"""`platform convert`: one file into another, with progress for the eye and one table of what was done."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from platform_assets.entrypoints.options import HeaderRow, Json, Sheet
from platform_assets.entrypoints.screen import count, errors, facts, plain, print_result, size

if TYPE_CHECKING:
    import polars as pl

    from platform_resources.conversion import Conform, Conversion, Progress, Verify

_WITH_REJECTS = 3
_COLUMNS_SHOWN = 40

commands = typer.Typer()


@commands.command()
def convert(  # noqa: PLR0913, PLR0917 - Typer makes an option of each thing that may be known
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="A file, a Delta table's folder, or s3://bucket/key.")],
    target: Annotated[
        str, typer.Argument(help="The same; its name says the format, .gz, .zst, .bz2 or .sz around it.")
    ],
    to: Annotated[
        str | None,
        typer.Option(help="Format to write: csv, json, jsonl, parquet, arrow or delta; by the name without."),
    ] = None,
    compression: Annotated[
        str | None,
        typer.Option(help="gz, zst, bz2, snappy or none around texts; zstd, snappy, gzip, lz4 or none within."),
    ] = None,
    contract: Annotated[
        str | None, typer.Option(help="Dataset whose contract gives columns and types, domain/dataset.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of a text; found out without.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Delimiter of a CSV file; found out without.")] = None,
    header: Annotated[
        bool | None, typer.Option("--header/--no-header", show_default=False, help="Whether the first row has names.")
    ] = None,
    text: Annotated[bool, typer.Option("--text", help="Leave all columns of a CSV file texts.")] = False,
    sheet: Sheet = None,
    header_row: HeaderRow = 1,
    malformed: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of malformed rows beyond which all is refused; none without."),
    ] = None,
    rejects: Annotated[str | None, typer.Option(help="Where malformed rows go; TARGET.rejects.jsonl without.")] = None,
    memory: Annotated[
        str | None, typer.Option(help="Memory to stay within, such as 800MB or 2GiB; PLATFORM_MEMORY_BYTES without.")
    ] = None,
    verify: Annotated[
        str, typer.Option(help="sample or full: how much of a text is parsed again; its bytes are all compared.")
    ] = "sample",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what stands under the target's name.")
    ] = False,
    json: Json = False,
) -> None:
    """Convert a file: what it is is found out from its content, and what was written is read back and compared."""
    from platform_resources.conversion import Options
    from platform_resources.conversion import convert as convert_file
    from platform_resources.settings import Settings

    options = Options(
        to=to, compression=compression, encoding=encoding, delimiter=delimiter, header=header, as_text=text,
        sheet=sheet, header_row=header_row, malformed=malformed, overwrite=overwrite, rejects=rejects,
        memory_bytes=_bytes(memory), verify=_verify(verify),
    )  # fmt: skip
    conform = None if contract is None else _conform(context.obj, contract)
    with _progress(source) as progress:
        conversion = convert_file(
            source, target, settings=Settings.from_environment(), options=options, conform=conform, progress=progress
        )
    print_result(conversion, lambda done: facts(_pairs(done)), json)
    if conversion.rejected:
        raise typer.Exit(code=_WITH_REJECTS)


def _conform(package: str, contract: str) -> Conform:
    """Make a function that gives rows a contract's types, as an ingest does."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.datasets import find_dataset
    from platform_core.quality import conform

    dataset = find_dataset(open_location(package).catalog, contract)

    def typed(raw: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        conformed = conform(raw, dataset)
        return conformed.frame, conformed.unreadable

    return typed


def _verify(text: str) -> Verify:
    from platform_resources.conversion import VERIFY

    verify = next((name for name in VERIFY if name == text), None)
    if verify is None:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(VERIFY)}", param_hint="--verify")
    return verify


def _bytes(text: str | None) -> int | None:
    """Read a size such as `800MB`, `2GiB` or `1000000` in bytes."""
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(i?)b?", text.strip().lower())
    if match is None:
        raise typer.BadParameter(f"{text!r} is no size; write 800MB, 2GiB or a number of bytes", param_hint="--memory")
    base = 1024 if match.group(3) else 1000
    return int(float(match.group(1)) * base ** " kmgt".index(match.group(2) or " "))


@contextmanager
def _progress(source: str) -> Iterator[Progress]:
    """Yield what to tell the rows written so far; they show on a terminal only."""
    from rich.progress import Progress as Bar
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    console = errors()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[rows]}"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"Converting {escape(PurePosixPath(source).name)}", total=None, rows="")
        yield lambda rows: bar.update(task, rows=count(rows, "row"))


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
    for name, change in done.changes.items():
        yield "changed", f"[yellow]{plain(name)}[/]: {plain(change)}"
    if done.nulled:
        yield "changed", f"[yellow]{count(done.nulled, 'NaN or infinite value')}[/] became null: JSON has none"
    if done.content_hash:
        yield "hash", done.content_hash
    yield "size", f"{size(done.read_bytes)} read, {size(done.written_bytes)} written"
    yield "took", f"{done.seconds:.1f} s, {size(int(done.read_bytes / max(done.seconds, 0.001)))}/s, by {done.engine}"
    yield "verified", done.verified


def _kind(done: Conversion) -> Iterator[str]:
    yield done.source_format
    if done.source_compression:
        yield f"in {done.source_compression}"
    if done.encoding:
        yield done.encoding if done.encoding_certain else f"{done.encoding} (a guess: name its --encoding)"
    if done.delimiter:
        yield f"delimiter {done.delimiter!r}"
