"""`platform reconcile`: a table compared with the database that it is loaded from."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from typing import Annotated, Any

import typer

from platform_assets.entrypoints.options import DatasetName, Json

commands = typer.Typer()


@commands.command()
def reconcile(
    context: typer.Context,
    name: DatasetName,
    sweep: Annotated[bool, typer.Option("--sweep", help="Delete rows that the database has no more.")] = False,
    reload: Annotated[bool, typer.Option("--reload", help="Have the next load read all rows again.")] = False,
    most_share: Annotated[float, typer.Option(min=0, max=1, help="Share of rows that a sweep may delete.")] = 0.1,
    json: Json = False,
) -> None:
    """Compare a dataset with its database: rows, keys, and a checksum of each column."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_result
    from platform_assets.operations.instance import open_instance
    from platform_assets.operations.reconcile import reconcile as compare
    from platform_assets.operations.reconcile import reload as read_again
    from platform_assets.operations.reconcile import report_receipt

    location = open_location(context.obj)
    if reload:
        read_again(location, name)
        typer.echo(f"The next load of {name} reads all rows again: platform catch-up, then platform reconcile {name}")
        return
    result = compare(location, name, sweep=sweep, most_share=most_share)
    with open_instance(location.settings) as instance:
        report_receipt(instance, name, result)
    print_result(result, _page, json)
    if not result.holds:
        raise typer.Exit(code=1)


def _page(result: Any) -> Any:
    from platform_assets.entrypoints.screen import table

    rendered = table("of", "count", numbers=["count"])
    for words, count in {
        "rows in the database": result.source_rows,
        "rows in the table": result.table_rows,
        "keys that wait in quarantine": result.waiting,
        "keys that the table lacks": result.missing,
        "keys that the database has no more": result.gone,
        "of these swept away": result.swept,
        **{f"buckets of 4,096 in which {name} differs": count for name, count in result.differing.items()},
    }.items():
        rendered.add_row(words, f"{count:,}")
    return rendered
