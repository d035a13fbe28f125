"""`platform catch-up`: what is stale is brought up to date in this process, with no daemon running."""

# ruff: noqa: PLC0415 - commands import what they need when called, so that help answers at once

import typer

commands = typer.Typer()


@commands.command("catch-up")
def catch_up(context: typer.Context) -> None:
    """Take in what landed and makes what is stale, in this process; then shows what there is."""
    typer.echo("Looking for what is new …", err=True)  # before the imports, which take seconds
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.progress import catch_up as catch_up_
    from platform_assets.entrypoints.progress import progress_console
    from platform_assets.operations.instance import open_instance

    location = open_location(context.obj)
    with open_instance(location.settings) as instance:
        was_stale, stands = catch_up_(location, instance, progress_console())
    if not was_stale:
        typer.echo("Everything was up to date." if stands else "Nothing else was new.")
    if not stands:
        raise typer.Exit(code=1)
