"""The commands `platform datasets` and `platform datasets show`."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

datasets = typer.Typer(name="datasets", help="What datasets there are, and how they stand.")


@datasets.callback(invoke_without_command=True)
def list_all(
    context: typer.Context,
    domain: Annotated[str | None, typer.Option(help="Only the datasets of this domain.")] = None,
    json: Json = False,
) -> None:
    """Lists all datasets: owner, version, storage, rows, checks, quarantine, freshness."""
    if context.invoked_subcommand is not None:
        return
    from datetime import UTC, datetime

    from platform_assets.entrypoints.datasets import lines
    from platform_assets.entrypoints.door import Door
    from platform_assets.entrypoints.listings import listing
    from platform_assets.entrypoints.screen import print_json, screen

    now = datetime.now(UTC)
    found = lines(Door(context.obj), domain, now)
    if json:
        print_json(found)
        return
    console = screen()
    console.print(listing(found, console, now))


@datasets.command()
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Its name, domain/dataset.")],
    json: Json = False,
) -> None:
    """Shows one dataset: contract, last materialisation, checks, freshness, quarantine, inputs."""
    from datetime import UTC, datetime

    from platform_assets.entrypoints.dataset_facts import json_of
    from platform_assets.entrypoints.datasets import page
    from platform_assets.entrypoints.door import Door
    from platform_assets.entrypoints.listings import page as rendered
    from platform_assets.entrypoints.screen import print_json, screen

    now = datetime.now(UTC)
    found = page(Door(context.obj), name, now)
    if json:
        print_json(json_of(found))
    else:
        screen().print(rendered(found, now))
