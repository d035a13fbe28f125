"""`platform report`: a static site over everything that is known."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from pathlib import Path
from typing import Annotated

import typer

from platform_assets.entrypoints.options import Json

commands = typer.Typer()


@commands.command()
def report(
    context: typer.Context,
    output: Annotated[
        Path | None, typer.Option(help="Folder of the site; report in the platform's state without.")
    ] = None,
    profiles: Annotated[bool, typer.Option("--profiles/--no-profiles", help="Read the tables for profiles.")] = True,
    json: Json = False,
) -> None:
    """Write a site that opens from disk: contracts, rules, verdicts, quality over time, lineage, profiles."""
    from datetime import UTC, datetime

    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json
    from platform_assets.operations.report import write_report

    location = open_location(context.obj)
    folder = output or Path(location.settings.state) / "report"
    index = write_report(location, folder, datetime.now(UTC), profiles=profiles)
    if json:
        print_json({"index": str(index), "pages": len(list(folder.glob("*.html")))})
    else:
        typer.echo(f"open {index}")
