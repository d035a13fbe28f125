"""`platform discover`: contracts proposed for the tables of a database."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from pathlib import Path
from typing import Annotated, Any

import typer

from platform_assets.entrypoints.options import Json

commands = typer.Typer()


@commands.command()
def discover(
    context: typer.Context,
    connection: Annotated[str, typer.Argument(help="Name of the database: shop for PLATFORM_DATABASE_SHOP.")],
    domain: Annotated[str | None, typer.Option(help="Domain of the datasets; the connection's name without.")] = None,
    owner: Annotated[str, typer.Option(help="Who owns the datasets.")] = "team:unassigned",
    rows: Annotated[int, typer.Option(min=1, help="Rows of each table that are looked at.")] = 5000,
    out: Annotated[Path | None, typer.Option(help="Folder to write a module for each table to.")] = None,
    json: Json = False,
) -> None:
    """Propose contracts for all tables of a database."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_assets.operations.discovered_tables import discover_tables

    settings = open_location(context.obj).settings
    tables = list(discover_tables(connection, settings, domain=domain or connection, owner=owner, sample_rows=rows))
    existing_modules = _write(tables, out) if out is not None else []
    if json:
        print_json(tables)
    else:
        screen().print(_page(tables, out))
        for module in existing_modules:
            screen().print(f"{module} was there before, and was left as it is")


def _write(tables: Any, out: Path) -> list[Path]:
    """Write the modules of a package, and return those that were there before, which somebody may have edited."""
    out.mkdir(parents=True, exist_ok=True)
    existing_modules = []
    for module, code in {
        out / "__init__.py": "",
        **{out / f"{table.dataset.rpartition('/')[2]}.py": table.code for table in tables if table.code},
    }.items():
        if not module.exists():
            module.write_text(code, encoding="utf-8")
        elif code:
            existing_modules.append(module)
    return existing_modules


def _page(tables: Any, out: Path | None) -> Any:
    from platform_assets.entrypoints.screen import table as empty_table

    page = empty_table("table", "rows", "key", "cursor", "module", numbers=("rows",), fixed=("table", "module"))
    for table in tables:
        module = "no row to look at" if not table.code else str(out) if out is not None else "with --out"
        if out is not None and table.code:
            module = str(out / f"{table.dataset.rpartition('/')[2]}.py")
        page.add_row(table.table, f"{table.rows:,}", ", ".join(table.key) or "-", table.cursor or "-", module)
    return page
