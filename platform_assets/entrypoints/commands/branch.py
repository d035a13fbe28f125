"""`platform branch …`: a branch of the lake's data, in which a change is tried on real tables without a copy."""

# ruff: noqa: PLC0415 - commands import what they need when called, so that help answers at once

from typing import TYPE_CHECKING, Annotated, Any

import typer

from platform_assets.entrypoints.options import Json

if TYPE_CHECKING:
    from platform_assets.operations.branches import BranchFacts, TableDifference

commands = typer.Typer(
    name="branch", help="Branches of data: try a change on real tables without a copy.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="Name of the branch: small letters, digits, - and _.")]


@commands.command()
def new(context: typer.Context, name: Name, json: Json = False) -> None:  # noqa: FBT002
    """Make a branch of the tables as they are now; copies nothing."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import count, print_result
    from platform_assets.operations.branches import new_branch

    def render(branch: "BranchFacts") -> str:
        return (
            f"branch {branch.name} of {count(branch.tables, 'table')}; nothing was copied. "
            f"Work in it by platform branch run {branch.name} DATASET, or platform --branch {branch.name} …"
        )

    print_result(new_branch(open_location(context.obj).settings, name), render, json)


@commands.command("list")
def list_all(context: typer.Context, json: Json = False) -> None:  # noqa: FBT002
    """List the branches: since when, of how many tables, and which of them they changed."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_result, table
    from platform_assets.operations.branches import list_branches

    def render(branches: "list[BranchFacts]") -> Any:
        page = table("branch", "since", "tables", "changed", numbers=("tables",), fixed=("branch", "since"))
        for branch in branches:
            page.add_row(branch.name, f"{branch.created_at:%Y-%m-%d %H:%M}", f"{branch.tables:,}",
                         ", ".join(branch.changed) or "-")  # fmt: skip
        return page if branches else "no branches"

    print_result(list_branches(open_location(context.obj).settings), render, json)


@commands.command()
def env(context: typer.Context, name: Name, json: Json = False) -> None:  # noqa: FBT002
    """Print the variables by which dagster dev and other tools work in a branch, for eval."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json
    from platform_assets.operations.branches import branch_settings

    variables = branch_settings(open_location(context.obj).settings, name)
    if json:
        print_json(variables)
        return
    from shlex import quote

    for variable, value in variables.items():
        print(f"export {variable}={quote(value)}")


@commands.command()
def run(
    context: typer.Context,
    name: Name,
    assets: Annotated[list[str], typer.Argument(help="Assets to make in the branch, with all that is made from them.")],
) -> None:
    """Materialises assets, and everything made from them, in a branch."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import plain, screen
    from platform_assets.operations.branches import run_in_branch
    from platform_assets.operations.catch_up import why

    failed = False
    for event in run_in_branch(open_location(context.obj), name, assets):
        if event.is_step_materialization and event.asset_key is not None:
            rows = event.step_materialization_data.materialization.metadata.get("dagster/row_count")
            counted = "" if rows is None else f"  {rows.value:,} rows"
            screen().print(f"{event.asset_key.to_user_string()} {event.partition or ''}{counted}")
        elif event.is_step_failure:
            failed = True
            screen().print(f"[red]{event.step_key}[/]: {plain(why(event))}", soft_wrap=True)
    if failed:
        raise typer.Exit(code=1)


@commands.command()
def diff(
    context: typer.Context,
    name: Name,
    datasets: Annotated[list[str] | None, typer.Argument(help="Only these datasets; all without.")] = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Compare what a branch changed with what it began with: rows by key, values by column, columns, checks."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_assets.operations.branches import compare_branch

    table_differences = list(compare_branch(open_location(context.obj), name, datasets or ()))
    if json:
        print_json(table_differences)
        return
    for difference in table_differences:
        for line in _lines(difference):
            screen().print(line, soft_wrap=True)
    if not table_differences:
        screen().print(f"branch {name} changed nothing")


@commands.command()
def promote(context: typer.Context, name: Name, json: Json = False) -> None:  # noqa: FBT002
    """Make what a branch changed the environment's, by reference: no row is read or computed."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_assets.operations.branches import promote_branch

    changes = promote_branch(open_location(context.obj), name)
    if json:
        print_json(changes)
        return
    for change in changes:
        screen().print(f"{change.path}  promoted")
    if not changes:
        screen().print(f"branch {name} changed nothing")


@commands.command()
def drop(context: typer.Context, name: Name) -> None:
    """Remove a branch, with the tables that were materialised in it."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import count, screen
    from platform_assets.operations.branches import drop_branch

    files = drop_branch(open_location(context.obj).settings, name)
    screen().print(f"branch {name} is gone, with {count(files, 'file')} of its own")


def _lines(difference: "TableDifference") -> list[str]:
    from rich.markup import escape

    lines = [f"[bold]{difference.name}[/]  {_headline(difference)}"]
    changes = difference.changes
    if changes is not None:
        lines += [f"  column {name}: new, {kind}" for name, kind in changes.new_columns.items()]
        lines += [f"  column {name}: gone" for name in changes.lost_columns]
        lines += [f"  column {name}: {kinds}" for name, kinds in changes.retyped.items()]
        for column in changes.columns:
            lines.append(f"  {column.column}: {column.rows:,} rows differ")
            for example in column.examples:
                key = ", ".join(f"{part}={value}" for part, value in example.key.items())
                lines.append(escape(f"    {key}: {example.before} -> {example.after}"))
    lines += [
        f"  check {check.rule}: {_number(check.before)} -> {_number(check.after)} rows failed"
        for check in difference.checks
    ]
    return lines


def _headline(difference: "TableDifference") -> str:
    moved = "; [yellow]changed in the environment, too: cannot be promoted[/]" if difference.moved_on else ""
    changes = difference.changes
    if changes is None:
        return f"{'new' if difference.is_new else 'cannot be compared'}, {difference.rows:,} rows{moved}"
    if changes.is_empty:
        return f"written anew, the same {difference.rows:,} rows{moved}"
    return f"{changes.added:,} added, {changes.removed:,} removed, {changes.changed:,} changed{moved}"


def _number(failed: int | None) -> str:
    return "-" if failed is None else f"{failed:,}"
