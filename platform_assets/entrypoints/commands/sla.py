"""`platform sla`: what was promised, and how it is kept."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from typing import Annotated

import typer

from platform_assets.entrypoints.options import Json

commands = typer.Typer()


@commands.command()
def sla(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="A dataset; all that promise something without.")] = None,
    days: Annotated[float, typer.Option(help="How far back to look.")] = 30,
    json: Json = False,
) -> None:
    """Measures promises over the last days, with the error budget and its burn rate; exit code 1 where one broke."""
    from datetime import UTC, datetime

    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json, screen, table
    from platform_assets.operations.datasets import find_dataset
    from platform_assets.operations.sla import sla_of

    location = open_location(context.obj)
    if name is not None:
        find_dataset(location.catalog, name)
    datasets = sla_of(location, datetime.now(UTC), days=days, name=name)
    if json:
        print_json(datasets)
    else:
        rendered = table(
            "DATASET", "PROMISE", "PROMISED", "KEPT", "BURN", "DETAIL", numbers=("BURN",), fixed=("DATASET",)
        )
        for dataset in datasets:
            for promise in dataset.promises:
                kept_word = {True: "yes", False: "NO", None: "-"}[promise.kept]
                burn = "-" if promise.burn is None else f"{promise.burn:.2f}"
                rendered.add_row(dataset.name, promise.name, promise.promised, kept_word, burn, promise.detail)
        screen().print(rendered)
    if any(promise.kept is False for dataset in datasets for promise in dataset.promises):
        raise typer.Exit(1)
