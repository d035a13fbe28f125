"""`platform init`: a project of one's own beside the platform, which works at once."""

# ruff: noqa: PLC0415 - commands import what they need when called, so that help answers at once

from pathlib import Path
from typing import Annotated

import typer

commands = typer.Typer()


@commands.command()
def init(
    name: Annotated[str, typer.Argument(help="Name of the package, such as my_company.")],
    folder: Annotated[Path | None, typer.Option(help="Where to put it; a folder of that name here without.")] = None,
) -> None:
    """Make a project: a package with one dataset, dbt, Dagster's settings, a Makefile and tests."""
    from platform_assets.operations.new_project import create_project

    target = folder or Path(name)
    files = create_project(name, target)
    typer.echo("\n".join(str(target / file) for file in files))
    typer.echo(f"\nNext: cd {target} && make demo")
