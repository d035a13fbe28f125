"""The commands `platform upkeep plan | apply | lifecycle | advise`."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Tables = Annotated[list[str] | None, typer.Option("--table", help="Only this dataset; repeat it for more.")]

upkeep = typer.Typer(name="upkeep", help="What tables need, what they cost, and doing it.", no_args_is_help=True)


@upkeep.command()
def plan(context: typer.Context, table: Tables = None, json: Json = False) -> None:
    """Says what every table needs, and what it would gain; changes nothing."""
    from platform_assets.entrypoints.door import Door
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_assets.entrypoints.upkeep import planned
    from platform_assets.entrypoints.upkeep_listings import surveyed
    from platform_assets.operations.upkeep.report import record

    found = planned(Door(context.obj), table or [])
    if json:
        print_json(record(found))
    else:
        screen().print(surveyed(record(found)))


@upkeep.command()
def apply(context: typer.Context, table: Tables = None, json: Json = False) -> None:
    """Carries the plan out, as a run of the asset platform/upkeep in this process."""
    from platform_assets.entrypoints.door import Door
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_assets.entrypoints.upkeep import applied
    from platform_assets.entrypoints.upkeep_listings import surveyed

    found = applied(Door(context.obj), table or [])
    if json:
        print_json(found)
    else:
        screen().print(surveyed(found))


@upkeep.command()
def lifecycle(
    context: typer.Context,
    apply: Annotated[bool, typer.Option("--apply", help="Put the rules into the bucket.")] = False,
    json: Json = False,
) -> None:
    """Compares the bucket's lifecycle rules with those that contracts and readings want."""
    from platform_assets.entrypoints.door import Door
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_assets.entrypoints.upkeep import lifecycles
    from platform_assets.entrypoints.upkeep_listings import rules

    found = lifecycles(Door(context.obj), apply=apply)
    if json:
        print_json(found)
    else:
        screen().print(rules(found))


@upkeep.command()
def advise(context: typer.Context, json: Json = False) -> None:
    """Says which partitions, machine and concurrency the tables and runs speak for, with the numbers."""
    from platform_assets.entrypoints.door import Door
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_assets.entrypoints.upkeep import advice
    from platform_assets.entrypoints.upkeep_listings import advised

    found = advice(Door(context.obj))
    if json:
        print_json(found)
    else:
        screen().print(advised(found))
