"""`platform expectations export | import`: rules as suites of Great Expectations, and back."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from pathlib import Path
from typing import Annotated

import typer

from platform_assets.entrypoints.options import DatasetName, Json

commands = typer.Typer(name="expectations", help="Rules as suites of Great Expectations 1.x.", no_args_is_help=True)


@commands.command()
def export(
    context: typer.Context,
    name: DatasetName,
    output: Annotated[Path | None, typer.Option(help="Write the suite to this file.")] = None,
    json: Json = False,
) -> None:
    """Write the rules of a dataset as a suite; rules without a counterpart are named on standard error."""
    import json as plain_json

    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import errors, print_json
    from platform_assets.operations.datasets import find_dataset
    from platform_core.interchange.expectations import to_suite

    suite, left_out = to_suite(find_dataset(open_location(context.obj).catalog, name))
    if output is not None:
        output.write_text(plain_json.dumps(suite, indent=2, ensure_ascii=False, default=str), encoding="utf-8")
    if json or output is None:
        print_json(suite)
    for omission in left_out:
        errors().print(f"left out: {omission}", markup=False)


@commands.command(name="import")
def import_suite(
    file: Annotated[Path, typer.Argument(help="A suite, as Great Expectations stores it (JSON).")],
    json: Json = False,
) -> None:
    """Turn a suite into rules; expectations without a counterpart are named."""
    from platform_assets.entrypoints.screen import errors, print_json, screen, table
    from platform_core.interchange.expectations import from_suite
    from platform_resources.documents import read_document

    imported = from_suite(read_document(file))
    if json:
        print_json({
            "name": imported.name,
            "rules": [
                {"id": rule.id, "kind": rule.kind, "label": rule.label, "severity": rule.severity}
                for rule in imported.rules
            ],
            "left_out": list(imported.left_out),
        })  # fmt: skip
        return
    rendered = table("RULE", "SAYS", "SEVERITY", fixed=("RULE",))
    for rule in imported.rules:
        rendered.add_row(rule.id, rule.label, rule.severity)
    screen().print(rendered)
    for omission in imported.left_out:
        errors().print(f"left out: {omission}", markup=False)
