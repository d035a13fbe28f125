"""`platform dev`: the Dagster UI with its daemon, and the stream worker beside them."""

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
    """Runs the Dagster UI, its daemon and the stream worker until one asks it to end."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.development import development_commands, run_beside

    ui, worker = development_commands(open_location(context.obj), host=host, port=port)
    code = run_beside(ui, worker, lambda line: print(line, flush=True))
    raise typer.Exit(code=code)
