"""`platform dbt`: what a dbt model needs."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from typing import Annotated

import typer

from platform_assets.entrypoints.options import Json

commands = typer.Typer(name="dbt", help="dbt models beside the datasets.", no_args_is_help=True)


@commands.callback()
def models() -> None:
    """Keep `new` a command of the group, of which it is the only one."""


@commands.command()
def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the model, as domain/model.")],
    source: Annotated[str, typer.Option(help="The dataset that it is made from.")],
    json: Json = False,
) -> None:
    """Write the files of a new mart: SQL that runs, and its columns with descriptions and tests."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json
    from platform_assets.operations.new_model import create_model

    files = [str(path) for path in create_model(open_location(context.obj), name, source)]
    if json:
        print_json({"files": files})
        return
    typer.echo("\n".join(files))
    typer.echo(f"\nNext: change the SQL and the columns, then dg launch --assets {name}, or make demo")
