"""`platform suggest`: a contract or rules as code, with the evidence beside."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from pathlib import Path
from typing import Annotated

import typer

from platform_assets.entrypoints.options import HeaderRow, Json, RowsName, Sheet

commands = typer.Typer()


@commands.command()
def suggest(  # noqa: PLR0913, PLR0917 - one option per thing that can be said
    context: typer.Context,
    name: RowsName,
    dataset: Annotated[str | None, typer.Option(help="What a file's dataset is called, domain/dataset.")] = None,
    owner: Annotated[str, typer.Option(help="Who owns a file's dataset.")] = "team:unassigned",
    output: Annotated[Path | None, typer.Option(help="Write the code to this file.")] = None,
    sheet: Sheet = None,
    header_row: HeaderRow = 1,
    json: Json = False,
) -> None:
    """Suggests a whole contract for a file, or rules for a declared dataset, as Python with the evidence beside."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json
    from platform_assets.operations.profiles import profile_of, refuse_unknown_rows, rows_of, suggestions_of
    from platform_core.quality.suggest import literal
    from platform_core.quality.suggested_code import contract_code, dataset_name, file_pattern, rules_code

    location = open_location(context.obj)
    refuse_unknown_rows(location.catalog, name)
    with rows_of(name, location.catalog, location.lake, sheet=sheet, header_row=header_row) as rows:
        measured = profile_of(rows)
        suggestions = suggestions_of(rows, measured, location.catalog, location.lake)
        schema, malformed = rows.frame.collect_schema(), rows.malformed
        words = {
            "encoding": rows.encoding,
            "header": None if rows.has_header else False,
            "sheet": sheet,
            "header_row": header_row if header_row > 1 else None,
        }
        read_as = "".join(f", {word}={literal(value)}" for word, value in words.items() if value is not None)
    if malformed:
        typer.echo(f"{name}: {malformed:,} malformed records are left out; platform convert lists them.", err=True)
    code = (
        rules_code(name, suggestions)
        if name in location.catalog.datasets
        else contract_code(
            measured,
            suggestions,
            schema,
            name=dataset or dataset_name(name),
            owner=owner,
            source=f"Files({literal(file_pattern(name))}{read_as})",
        )
    )
    if output is not None:
        output.write_text(code, encoding="utf-8")
    if json:
        print_json({"name": name, "rows": measured.rows, "suggestions": list(suggestions), "code": code})
    elif output is None:
        typer.echo(code, nl=False)
