"""`platform table` for people: versions, files, rows and what an operation did or would do."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table

from platform_assets.entrypoints.screen import at, count, joined, number, plain, table
from platform_assets.entrypoints.tables import RowsRead
from platform_resources.storage.operations import OperationResult, TableStatistics, TableVersion

_SHOWN_PARTITIONS, _SHOWN_FILES = 24, 12
_STEP = 1000
_UNITS = ("B", "kB", "MB", "GB", "TB")
_DONE = {
    "compact": ("would pack", "packed"),
    "zorder": ("would rewrite", "rewrote"),
    "vacuum": ("would delete", "deleted"),
    "expire": ("would forget", "forgot"),
    "restore": ("would restore", "restored"),
}


def size(bytes_: int) -> str:
    """A size in the unit that leaves at most three digits before the point.

    >>> size(999), size(1_500_000)
    ('999 B', '1.5 MB')
    """
    value, unit = float(bytes_), 0
    while value >= _STEP and unit < len(_UNITS) - 1:
        value, unit = value / _STEP, unit + 1
    return f"{value:.3g} {_UNITS[unit]}" if unit else f"{bytes_} B"


def versions(found: Sequence[TableVersion], now: datetime) -> Table:
    """The history of a table, newest first."""
    counted = ("rows in", "rows out", "files in", "files out")
    made = table("version", "at", "operation", *counted, "said", numbers=counted, fixed=("version", "at"))
    for each in found:
        numbers = (each.rows_added, each.rows_deleted, each.files_added, each.files_removed)
        said = joined([f"{name}={value}" for name, value in each.said.items()], "")
        made.add_row(each.version, at(each.at, now), plain(each.operation), *map(number, numbers), plain(said))
    return made


def statistics(found: TableStatistics) -> Group:
    """Files and sizes, partition by partition."""
    counted = ("files", "size", "rows", "small files", "of size")
    made = table("partition", *counted, numbers=counted, fixed=("partition",))
    for each in found.partitions[:_SHOWN_PARTITIONS]:
        made.add_row(
            plain(each.partition or "-"), number(each.files), size(each.size_bytes), number(each.rows),
            number(each.small_files), size(each.small_bytes),
        )  # fmt: skip
    if len(found.partitions) > _SHOWN_PARTITIONS:
        made.add_row(f"[dim]and {len(found.partitions) - _SHOWN_PARTITIONS} more: --json shows all[/]")
    made.add_row(
        "[bold]all[/]", number(found.files), size(found.size_bytes), number(found.rows), number(found.small_files),
        size(found.small_bytes),
    )  # fmt: skip
    small = f"small: below {size(found.small_below_bytes)}"
    return Group(f"[bold]{found.table}[/]  {found.format}, version {found.version or '-'}; {small}", "", made)


def rows(found: RowsRead) -> RenderableType:
    """Rows as a table."""
    if not found.rows:
        return "no rows"
    made = table(*found.rows[0], fixed=found.rows[0])
    for each in found.rows:
        made.add_row(*(plain(value) for value in each.values()))
    return made


def result(found: OperationResult, *, how: str = "") -> Group:
    """What an operation did, or would do and how to let it."""
    verb = _DONE[found.operation][0 if found.dry_run else 1]
    if not found.changed:
        return Group(f"[bold]{found.table}[/]  {found.operation}: nothing to do")
    lines = [f"[bold]{found.table}[/]  {found.operation} {verb} {_told(found)}"]
    lines += [f"  {plain(name)}" for name in found.files[:_SHOWN_FILES]]
    if len(found.files) > _SHOWN_FILES:
        lines.append(f"  [dim]and {len(found.files) - _SHOWN_FILES} more: --json shows all[/]")
    if found.dry_run and how:
        lines.append(f"[dim]Nothing was changed; {how} does it.[/]")
    return Group(*lines)


def _told(found: OperationResult) -> str:
    if found.operation == "expire":
        return f"{count(len(found.versions_removed), 'version')}: {joined(found.versions_removed)}"
    removed = f"{count(found.files_removed, 'file')} of {size(found.bytes_removed)}"
    added = f"{count(found.files_added, 'file')} of {size(found.bytes_added)}"
    if found.operation == "restore":
        return f"version {found.restored}: {removed} out, {added} back in"
    if found.operation == "vacuum":
        return removed
    return f"{removed} into {found.files_added:,}{'' if found.dry_run else f' of {size(found.bytes_added)}'}"
