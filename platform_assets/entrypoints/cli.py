"""`platform`: the command line, and the edge where errors become one readable message.

Commands import what they need when they are called, so that `platform --help` answers at once.
"""

# ruff: noqa: PLC0415, FBT002 - see above: Dagster alone takes seconds; and Typer makes flags of booleans

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from platform_assets.entrypoints.cache_commands import cache
from platform_assets.entrypoints.convert_command import convert
from platform_assets.entrypoints.dataset_commands import datasets
from platform_assets.entrypoints.discover_command import discover
from platform_assets.entrypoints.interrupts import heed_interrupts
from platform_assets.entrypoints.lineage_commands import lineage
from platform_assets.entrypoints.object_commands import objects
from platform_assets.entrypoints.profile_command import profile
from platform_assets.entrypoints.quarantine_commands import quarantine
from platform_assets.entrypoints.suggest_command import suggest
from platform_assets.entrypoints.synth_command import synth
from platform_assets.entrypoints.table_commands import table
from platform_assets.entrypoints.upkeep_commands import upkeep

app = typer.Typer(
    name="platform",
    help="What datasets there are, how they stand, and what was set aside of them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(cache)
app.add_typer(datasets)
app.add_typer(lineage)
app.add_typer(objects)
app.add_typer(quarantine)
app.add_typer(upkeep)
app.add_typer(table)
app.command()(convert)
app.command()(discover)
app.command()(profile)
app.command()(synth)
app.command()(suggest)


@app.callback()
def options(
    context: typer.Context,
    package: Annotated[
        str, typer.Option(help="Root below which datasets are declared, such as my_company.domains.")
    ] = "platform_assets.domains",
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """What datasets there are, how they stand, and what was set aside of them."""
    context.obj = package
    context.meta["debug"] = debug


@app.command()
def demo() -> None:
    """Runs the whole graph on real input, and shows what there is."""
    from platform_assets.entrypoints.demo import run

    if not run():
        raise typer.Exit(code=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 if the command did its work, 1 if it could not, 2 if it was not understood."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is None:
        heed_interrupts()
    try:
        app(given, prog_name="platform")
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except Exception as error:
        if "--debug" in given:
            raise
        _tell(error)
        return 1
    return 0


def _tell(error: Exception) -> None:
    """Returns when the error is told on standard error; one that nobody foresaw says its kind and where to look."""
    from rich.markup import escape

    from platform_assets.entrypoints.screen import errors

    message = escape(str(error).strip())
    if not _foreseen(error):
        message = (
            f"{type(error).__name__}: {message}\nThis was not foreseen; platform --debug ... shows where it arose."
        )
    errors().print(f"[bold red]Error:[/] {message}")


def _foreseen(error: Exception) -> bool:
    import dagster as dg

    from platform_assets.entrypoints.door import CommandError
    from platform_core.errors import CoreError
    from platform_resources.errors import ResourceError

    return isinstance(error, CommandError | CoreError | ResourceError | dg.Failure)
