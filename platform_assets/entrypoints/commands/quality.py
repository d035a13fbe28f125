"""`platform quality history | failures`: quality over time, and what to tell whoever sent bad rows."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from pathlib import Path
from typing import Annotated

import typer

from platform_assets.entrypoints.options import DatasetName, Json

commands = typer.Typer(name="quality", help="How good datasets are, over time and for others.", no_args_is_help=True)


@commands.command()
def history(
    context: typer.Context,
    name: DatasetName,
    column: Annotated[str | None, typer.Option(help="Only this column.")] = None,
    metric: Annotated[str | None, typer.Option(help="Only this metric, such as null_rate.")] = None,
    json: Json = False,
) -> None:
    """Show what each run measured, and the score by dimension."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json, screen, styled_table
    from platform_assets.operations.datasets import find_dataset
    from platform_assets.operations.quality import quality_history

    location = open_location(context.obj)
    quality = quality_history(location, find_dataset(location.catalog, name), column=column, metric=metric)
    if json:
        print_json(quality)
        return
    rendered = styled_table(
        "AT", "PARTITION", "COLUMN", "METRIC", "VALUE", "EXPECTED", "", numbers=("VALUE",), fixed=("METRIC",)
    )  # fmt: skip
    for row in quality.measurements:
        words = {"high": row.high, "odd": row.odd, "left out": row.left_out}
        mark = ", ".join(f"[yellow]{word}[/]" for word, is_so in words.items() if is_so)
        band = "" if row.low_expected is None else f"{row.low_expected:,.4g} to {row.high_expected:,.4g}"
        at = f"{row.at:%Y-%m-%d %H:%M:%S}"
        rendered.add_row(at, row.partition, row.column, row.metric, f"{row.value:,.4g}", band, mark)
    console = screen()
    console.print(rendered)
    if quality.age_hours is not None:
        old = "old" if quality.age_hours > quality.age_limit_hours else "fresh"
        console.print(f"{old}: materialised {quality.age_hours:,.1f} h ago, of {quality.age_limit_hours:g} h at most")
    if quality.score.total is not None:
        parts = " + ".join(f"{part} {value:.1f}" for part, value in quality.score.dimensions.items())
        console.print(f"score {quality.score.total:.1f} = ({parts}) / {len(quality.score.dimensions)}")


@commands.command()
def failures(
    context: typer.Context,
    name: DatasetName,
    source: Annotated[str | None, typer.Option(help="Only the rows of this file.")] = None,
    for_supplier: Annotated[
        Path | None, typer.Option("--for-supplier", help="Write the report for whoever sent the file: .csv or .html.")
    ] = None,
    json: Json = False,
) -> None:
    """List the rows set aside by file, row and rule, in the words of whoever sent them; personal data is masked."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json, screen, table
    from platform_assets.operations.datasets import find_dataset
    from platform_assets.operations.quality import supplier_failures
    from platform_assets.operations.supplier_report import supplier_csv, supplier_page

    location = open_location(context.obj)
    failed_rows = supplier_failures(location, find_dataset(location.catalog, name), source=source)
    if for_supplier is not None:
        is_page = for_supplier.suffix == ".html"
        for_supplier.write_text(
            supplier_page(name, failed_rows) if is_page else supplier_csv(failed_rows), encoding="utf-8"
        )
    if json:
        print_json(failed_rows)
        return
    rendered = table("FILE", "ROW", "RULE", "VALUES", numbers=("ROW",))
    for failure in failed_rows:
        values = ", ".join(f"{column} {value}" for column, value in failure.values.items())
        rendered.add_row(failure.source, "-" if failure.row is None else f"{failure.row:,}", failure.sentence, values)
    screen().print(rendered)
