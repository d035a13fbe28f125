"""`platform dev`: the Dagster UI with its daemon, the stream worker and the catalog beside them."""

# ruff: noqa: PLC0415 - commands import what they need when called, so that help answers at once

from typing import Annotated

import typer

commands = typer.Typer()


@commands.command()
def dev(
    context: typer.Context,
    port: Annotated[int, typer.Option("--port", "-p", help="Of the UI.")] = 3000,
    host: Annotated[str, typer.Option("--host", help="Where the UI listens.")] = "127.0.0.1",
) -> None:
    """Run the Dagster UI, its daemon, the stream worker and the catalog until one asks it to end."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.development import companions_of, run_beside, ui_command

    def tell(line: str) -> None:
        print(line, flush=True)

    companions = companions_of(open_location(context.obj), tell)
    code = run_beside(ui_command(host=host, port=port), companions, tell)
    raise typer.Exit(code=code)
