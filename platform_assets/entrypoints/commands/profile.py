"""`platform profile`: what a table or a file holds, measured in one pass."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from platform_assets.entrypoints.options import HeaderRow, Json, RowsName, Sheet

if TYPE_CHECKING:
    from rich.console import Group

    from platform_core.quality.profile import Profile


commands = typer.Typer()


@commands.command()
def profile(
    context: typer.Context,
    name: RowsName,
    html: Annotated[Path | None, typer.Option(help="Write a page with plots to this file.")] = None,
    approximate: Annotated[bool, typer.Option("--approximate", help="Estimate how many values differ.")] = False,
    sheet: Sheet = None,
    header_row: HeaderRow = 1,
    json: Json = False,
) -> None:
    """Measures a dataset's table or a file: nulls, values, shapes, distributions, correlations, keys."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_assets.operations.profiles import profile_of, refuse_unknown_rows, rows_of
    from platform_core.quality.profile_page import plain_profile, profile_page

    location = open_location(context.obj)
    refuse_unknown_rows(location.catalog, name)
    with rows_of(name, location.catalog, location.lake, sheet=sheet, header_row=header_row) as rows:
        measured, malformed = profile_of(rows, approximate=approximate), rows.malformed
    if malformed:
        typer.echo(f"{name}: {malformed:,} malformed records are left out; platform convert lists them.", err=True)
    if html is not None:
        html.write_text(profile_page(measured), encoding="utf-8")
    if json:
        print_json(plain_profile(measured))
        return
    screen().print(_listing(measured))
    if html is not None:
        screen().print(f"page written to {html}")


def _listing(measured: "Profile") -> "Group":
    from rich.console import Group, RenderableType
    from rich.markup import escape

    from platform_assets.entrypoints.screen import table
    from platform_core.quality.profile_page import distinct_text, lengths_text, masked_text, summary, text_of

    rendered = table(
        "COLUMN", "TYPE", "NULLS", "DISTINCT", "LEAST", "MEDIAN", "GREATEST", "MEAN", "LENGTH", "MOST FREQUENT",
        numbers=("NULLS", "DISTINCT"), fixed=("COLUMN",),
    )  # fmt: skip
    for column in measured.columns:
        top = ", ".join(f"{text_of(value)} ({count:,})" for value, count in column.top[:3])
        median = column.quantiles.get("p50")
        least, middle, greatest = (masked_text(column, value) for value in (column.minimum, median, column.maximum))
        last = top or (f"personal data: {column.pii}" if column.pii else "-")
        rendered.add_row(
            *map(escape, (column.name, column.type.split("(")[0], f"{column.null_share:.1%}", distinct_text(column))),
            *map(escape, (least, middle, greatest, text_of(column.mean), lengths_text(column), last)),
        )
    pairs = measured.correlations[:5]
    correlated = [f"{one} ~ {other} {value:+.2f}" for one, other, value in pairs]
    renderables: list[RenderableType] = [escape(f"{measured.name}: {summary(measured)}"), rendered]
    if correlated:
        renderables.append(escape(f"correlated: {'; '.join(correlated)}"))
    if measured.partitions:
        keys = list(measured.partitions)
        renderables.append(f"partitions: {len(keys)}, {keys[0]} to {keys[-1]}")
    return Group(*renderables)
