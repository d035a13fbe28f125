"""`platform table …`: what a stored table was and is, time travel, upkeep."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Group, RenderableType
from rich.table import Table

from platform_assets.entrypoints.options import DatasetName, Json
from platform_assets.entrypoints.screen import at as instant_text
from platform_assets.entrypoints.screen import count, joined, number, plain, print_json, print_result, screen, size
from platform_assets.entrypoints.screen import styled_table as new_table

if TYPE_CHECKING:
    from platform_assets.operations.tables import RowsRead
    from platform_resources.storage.operations import OperationResult, TableStatistics, TableVersion

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

_SHOWN_PARTITIONS, _SHOWN_FILES = 24, 12
_DONE = {
    "compact": ("would pack", "packed"),
    "zorder": ("would rewrite", "rewrote"),
    "vacuum": ("would delete", "deleted"),
    "expire": ("would forget", "forgot"),
    "restore": ("would restore", "restored"),
}

commands = typer.Typer(name="table", help="Stored tables: history, time travel, upkeep.", no_args_is_help=True)


@commands.command()
def history(
    context: typer.Context,
    name: DatasetName,
    which: Which = "table",
    limit: Annotated[int, typer.Option(min=0, help="How many of the newest versions; 0 for all.")] = 20,
    json: Json = False,
) -> None:
    """List the versions of a table, newest first: when, by what, how many rows and files."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.tables import table_operations

    versions = table_operations(open_location(context.obj), name, which).history(limit or None)
    print_result(versions, lambda listed: _versions_table(listed, datetime.now(UTC)), json)


@commands.command()
def statistics(context: typer.Context, name: DatasetName, which: Which = "table", json: Json = False) -> None:
    """Count files, sizes, rows and small files of the latest version, partition by partition."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.tables import table_operations

    print_result(table_operations(open_location(context.obj), name, which).statistics(), _statistics_table, json)


@commands.command()
def read(  # noqa: PLR0913, PLR0917 - one parameter an option
    context: typer.Context,
    name: DatasetName,
    which: Which = "table",
    version: Version = None,
    at: At = None,
    column: Annotated[list[str] | None, typer.Option(help="Only this column; may repeat.")] = None,
    partition: Partitions = None,
    limit: Annotated[int, typer.Option(min=1, help="How many rows at most.")] = 20,
    unmask: Annotated[bool, typer.Option("--unmask", help="Show personal data; in development only.")] = False,
    json: Json = False,
) -> None:
    """Show rows of a table as they are, or as they were at a version or an instant; personal data is masked."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.tables import RowChoice, parse_instant, read_rows

    choice = RowChoice(version, parse_instant(version, at), tuple(column or ()), tuple(partition or ()), limit)
    print_result(read_rows(open_location(context.obj), name, which, choice, unmask=unmask), _rows_table, json)


@commands.command()
def compact(
    context: typer.Context,
    name: DatasetName,
    which: Which = "table",
    partition: Partitions = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Packs small files into larger ones; rows and earlier versions stay."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.tables import table_operations

    result = table_operations(open_location(context.obj), name, which).compact(partitions=partition, dry_run=dry_run)
    _print_operation(result, json=json, how="the command without --dry-run")


@commands.command()
def zorder(
    context: typer.Context,
    name: DatasetName,
    columns: Annotated[list[str], typer.Argument(help="The columns by which rows are looked for.")],
    partition: Partitions = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Write the rows anew so that those near in all of the columns share files, which a filter on them then skips."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.tables import table_operations

    result = table_operations(open_location(context.obj), name, "table").zorder(
        columns, partitions=partition, dry_run=dry_run
    )
    _print_operation(result, json=json, how="the command without --dry-run")


@commands.command()
def vacuum(
    context: typer.Context,
    name: DatasetName,
    which: Which = "table",
    keep: Keep = "7d",
    apply: Apply = False,
    json: Json = False,
) -> None:
    """Delete files that no kept version needs, and what killed writers left; says so first, does it with --apply."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.tables import parse_retention, table_operations

    location = open_location(context.obj)
    _print_operation(
        table_operations(location, name, which).vacuum(keep=parse_retention(location, keep), dry_run=not apply),
        json=json,
    )


@commands.command()
def expire(
    context: typer.Context,
    name: DatasetName,
    which: Which = "table",
    keep: Keep = "7d",
    apply: Apply = False,
    json: Json = False,
) -> None:
    """Forgets old versions, so that a vacuum may delete their files; says so first, does it with --apply."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.tables import parse_retention, table_operations

    location = open_location(context.obj)
    _print_operation(
        table_operations(location, name, which).expire(keep=parse_retention(location, keep), dry_run=not apply),
        json=json,
    )


@commands.command()
def restore(
    context: typer.Context,
    name: DatasetName,
    version: Version = None,
    at: At = None,
    apply: Apply = False,
    json: Json = False,
) -> None:
    """Make an earlier version current again, as a new version; says so first, does it with --apply."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.errors import RequestError
    from platform_assets.operations.tables import parse_instant, table_operations

    moment = parse_instant(version, at)
    if version is None and moment is None:
        raise RequestError("--version or --at: neither is given. Fix: choose from platform table history.")
    result = table_operations(open_location(context.obj), name, "table").restore(version, at=moment, dry_run=not apply)
    _print_operation(result, json=json)


@commands.command()
def register(context: typer.Context, name: DatasetName, json: Json = False) -> None:
    """Tells the Iceberg catalogue of a table whose files are in the lake, when the catalogue was lost."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.tables import register_table

    version = register_table(open_location(context.obj), name)
    if json:
        print_json({"table": name, "version": version})
    else:
        screen().print(f"{name} is in the catalogue, at version {version}")


def _print_operation(result: OperationResult, *, json: bool, how: str = "--apply") -> None:
    print_result(result, lambda done: _result_text(done, how=how), json)


def _versions_table(versions: Sequence[TableVersion], now: datetime) -> Table:
    """Return the history of a table, newest first."""
    counted = ("rows in", "rows out", "files in", "files out")
    rendered = new_table("version", "at", "operation", *counted, "said", numbers=counted, fixed=("version", "at"))
    for version in versions:
        numbers = (version.rows_added, version.rows_deleted, version.files_added, version.files_removed)
        details = joined([f"{name}={value}" for name, value in version.said.items()], "")
        rendered.add_row(
            version.version,
            instant_text(version.at, now),
            plain(version.operation),
            *map(number, numbers),
            plain(details),
        )
    return rendered


def _statistics_table(statistics: TableStatistics) -> Group:
    """Files and sizes, partition by partition."""
    counted = ("files", "size", "rows", "small files", "of size")
    rendered = new_table("partition", *counted, numbers=counted, fixed=("partition",))
    for partition in statistics.partitions[:_SHOWN_PARTITIONS]:
        rendered.add_row(
            plain(partition.partition or "-"), number(partition.files), size(partition.size_bytes),
            number(partition.rows), number(partition.small_files), size(partition.small_bytes),
        )  # fmt: skip
    if len(statistics.partitions) > _SHOWN_PARTITIONS:
        rendered.add_row(f"[dim]and {len(statistics.partitions) - _SHOWN_PARTITIONS} more: --json shows all[/]")
    rendered.add_row(
        "[bold]all[/]", number(statistics.files), size(statistics.size_bytes), number(statistics.rows),
        number(statistics.small_files), size(statistics.small_bytes),
    )  # fmt: skip
    small = f"small: below {size(statistics.small_below_bytes)}"
    return Group(
        f"[bold]{statistics.table}[/]  {statistics.format}, version {statistics.version or '-'}; {small}", "", rendered
    )


def _rows_table(read: RowsRead) -> RenderableType:
    """Rows as a table."""
    if not read.rows:
        return "no rows"
    rendered = new_table(*read.rows[0], fixed=read.rows[0])
    for row in read.rows:
        rendered.add_row(*(plain(value) for value in row.values()))
    return Group(rendered, *(f"read as {plain(words)}" for words in read.conversions))


def _result_text(result: OperationResult, *, how: str = "") -> Group:
    """Return what an operation did, or would do and how to let it."""
    verb = _DONE[result.operation][0 if result.dry_run else 1]
    if not result.changed:
        return Group(f"[bold]{result.table}[/]  {result.operation}: nothing to do")
    lines = [f"[bold]{result.table}[/]  {result.operation} {verb} {_amounts(result)}"]
    lines += [f"  {plain(name)}" for name in result.files[:_SHOWN_FILES]]
    if len(result.files) > _SHOWN_FILES:
        lines.append(f"  [dim]and {len(result.files) - _SHOWN_FILES} more: --json shows all[/]")
    if result.dry_run and how:
        lines.append(f"[dim]Nothing was changed; {how} does it.[/]")
    return Group(*lines)


def _amounts(result: OperationResult) -> str:
    if result.operation == "expire":
        return f"{count(len(result.versions_removed), 'version')}: {joined(result.versions_removed)}"
    removed = f"{count(result.files_removed, 'file')} of {size(result.bytes_removed)}"
    added = f"{count(result.files_added, 'file')} of {size(result.bytes_added)}"
    if result.operation == "restore":
        return f"version {result.restored}: {removed} out, {added} back in"
    if result.operation == "vacuum":
        return removed
    return f"{removed} into {result.files_added:,}{'' if result.dry_run else f' of {size(result.bytes_added)}'}"
