"""The commands `platform table …`: what a stored table was and is, time travel, upkeep."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from platform_resources.storage.operations import OperationResult

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Name = Annotated[str, typer.Argument(help="Name of the dataset, domain/dataset.")]
Which = Annotated[
    Literal["table", "quarantine", "ingests"],
    typer.Option("--of", help="The dataset's table, its quarantine, or its ingest log."),
]
Partitions = Annotated[list[str] | None, typer.Option("--partition", help="Only this partition; may repeat.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")]
Apply = Annotated[bool, typer.Option("--apply", help="Do it; without, only say what would be done.")]
Keep = Annotated[str, typer.Option(help="Keep what is younger: days or hours, such as 7d or 36h.")]
Version = Annotated[str | None, typer.Option(help="A version, as platform table history lists it.")]
At = Annotated[
    str | None, typer.Option(help="The version of an instant, such as 2024-05-31T12:00; UTC without a zone.")
]

table = typer.Typer(name="table", help="Stored tables: history, time travel, upkeep.", no_args_is_help=True)


@table.command()
def history(
    context: typer.Context,
    name: Name,
    which: Which = "table",
    limit: Annotated[int, typer.Option(min=0, help="How many of the newest versions; 0 for all.")] = 20,
    json: Json = False,
) -> None:
    """Lists the versions of a table, newest first: when, by what, how many rows and files."""
    from datetime import UTC, datetime

    from platform_assets.entrypoints.door import Door
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_assets.entrypoints.table_pages import versions
    from platform_assets.entrypoints.tables import operations

    found = operations(Door(context.obj), name, which).history(limit or None)
    if json:
        print_json(found)
    else:
        screen().print(versions(found, datetime.now(UTC)))


@table.command()
def statistics(context: typer.Context, name: Name, which: Which = "table", json: Json = False) -> None:
    """Counts files, sizes, rows and small files of the latest version, partition by partition."""
    from platform_assets.entrypoints.door import Door
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_assets.entrypoints.table_pages import statistics as rendered
    from platform_assets.entrypoints.tables import operations

    found = operations(Door(context.obj), name, which).statistics()
    if json:
        print_json(found)
    else:
        screen().print(rendered(found))


@table.command()
def read(  # noqa: PLR0913, PLR0917 - one parameter an option
    context: typer.Context,
    name: Name,
    which: Which = "table",
    version: Version = None,
    at: At = None,
    column: Annotated[list[str] | None, typer.Option(help="Only this column; may repeat.")] = None,
    partition: Partitions = None,
    limit: Annotated[int, typer.Option(min=1, help="How many rows at most.")] = 20,
    unmask: Annotated[bool, typer.Option("--unmask", help="Show personal data; in development only.")] = False,
    json: Json = False,
) -> None:
    """Shows rows of a table as they are, or as they were at a version or an instant; personal data is masked."""
    from platform_assets.entrypoints.door import Door
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_assets.entrypoints.table_pages import rows
    from platform_assets.entrypoints.tables import Wanted, one_of
    from platform_assets.entrypoints.tables import read as rows_of

    wanted = Wanted(version, one_of(version, at), tuple(column or ()), tuple(partition or ()), limit)
    found = rows_of(Door(context.obj), name, which, wanted, unmask=unmask)
    if json:
        print_json(found)
    else:
        screen().print(rows(found))


@table.command()
def compact(
    context: typer.Context,
    name: Name,
    which: Which = "table",
    partition: Partitions = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Packs small files into larger ones; rows and earlier versions stay."""
    from platform_assets.entrypoints.door import Door
    from platform_assets.entrypoints.tables import operations

    found = operations(Door(context.obj), name, which).compact(partitions=partition, dry_run=dry_run)
    _tell(found, json=json, how="the command without --dry-run")


@table.command()
def zorder(
    context: typer.Context,
    name: Name,
    columns: Annotated[list[str], typer.Argument(help="The columns by which rows are looked for.")],
    partition: Partitions = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Writes the rows anew so that those near in all of the columns share files, which a filter on them then skips."""
    from platform_assets.entrypoints.door import Door
    from platform_assets.entrypoints.tables import operations

    found = operations(Door(context.obj), name, "table").zorder(columns, partitions=partition, dry_run=dry_run)
    _tell(found, json=json, how="the command without --dry-run")


@table.command()
def vacuum(
    context: typer.Context,
    name: Name,
    which: Which = "table",
    keep: Keep = "7d",
    apply: Apply = False,
    json: Json = False,
) -> None:
    """Deletes files that no kept version needs, and what killed writers left; says so first, does it with --apply."""
    from platform_assets.entrypoints.door import Door
    from platform_assets.entrypoints.tables import kept, operations

    door = Door(context.obj)
    _tell(operations(door, name, which).vacuum(keep=kept(door, keep), dry_run=not apply), json=json)


@table.command()
def expire(
    context: typer.Context,
    name: Name,
    which: Which = "table",
    keep: Keep = "7d",
    apply: Apply = False,
    json: Json = False,
) -> None:
    """Forgets old versions, so that a vacuum may delete their files; says so first, does it with --apply."""
    from platform_assets.entrypoints.door import Door
    from platform_assets.entrypoints.tables import kept, operations

    door = Door(context.obj)
    _tell(operations(door, name, which).expire(keep=kept(door, keep), dry_run=not apply), json=json)


@table.command()
def restore(
    context: typer.Context,
    name: Name,
    version: Version = None,
    at: At = None,
    apply: Apply = False,
    json: Json = False,
) -> None:
    """Makes an earlier version current again, as a new version; says so first, does it with --apply."""
    from platform_assets.entrypoints.door import CommandError, Door
    from platform_assets.entrypoints.tables import one_of, operations

    moment = one_of(version, at)
    if version is None and moment is None:
        raise CommandError("--version or --at: neither is given. Fix: choose from platform table history.")
    found = operations(Door(context.obj), name, "table").restore(version, at=moment, dry_run=not apply)
    _tell(found, json=json)


@table.command()
def register(context: typer.Context, name: Name, json: Json = False) -> None:
    """Tells the Iceberg catalogue of a table whose files are in the lake, when the catalogue was lost."""
    from platform_assets.entrypoints.door import Door
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_assets.entrypoints.tables import register as registered

    version = registered(Door(context.obj), name)
    if json:
        print_json({"table": name, "version": version})
    else:
        screen().print(f"{name} is in the catalogue, at version {version}")


def _tell(found: "OperationResult", *, json: bool, how: str = "--apply") -> None:
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_assets.entrypoints.table_pages import result

    if json:
        print_json(found)
    else:
        screen().print(result(found, how=how))
