"""The command `platform convert`."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from platform_resources.conversion import Verify

_WITH_REJECTS = 3


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
    sheet: Annotated[str | None, typer.Option(help="Sheet of a workbook; the first without.")] = None,
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
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Converts a file: what it is is found out from its content, and what was written is read back and compared."""
    from platform_assets.entrypoints.conversions import page, run
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_resources.conversion import Options

    options = Options(
        to=to, compression=compression, encoding=encoding, delimiter=delimiter, header=header, as_text=text,
        sheet=sheet, overwrite=overwrite, rejects=rejects, memory_bytes=_bytes(memory),
        verify=_verify(verify),
    )  # fmt: skip
    done = run(source, target, options, package=context.obj, contract=contract)
    if json:
        print_json(done)
    else:
        screen().print(page(done))
    if done.rejected:
        raise typer.Exit(code=_WITH_REJECTS)


def _verify(text: str) -> "Verify":
    from platform_resources.conversion import VERIFY

    found = next((each for each in VERIFY if each == text), None)
    if found is None:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(VERIFY)}", param_hint="--verify")
    return found


def _bytes(text: str | None) -> int | None:
    """A size such as `800MB`, `2GiB` or `1000000` in bytes."""
    import re

    if text is None:
        return None
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(i?)b?", text.strip().lower())
    if found is None:
        raise typer.BadParameter(f"{text!r} is no size; write 800MB, 2GiB or a number of bytes", param_hint="--memory")
    base = 1024 if found.group(3) else 1000
    return int(float(found.group(1)) * base ** " kmgt".index(found.group(2) or " "))
