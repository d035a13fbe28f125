"""`platform backtest`: what a rule would have said of what is stored."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

import runpy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from platform_assets.entrypoints.options import DatasetName, Json

if TYPE_CHECKING:
    from platform_core.quality.backtest import Verdict

commands = typer.Typer()


@commands.command()
def backtest(
    context: typer.Context,
    rule: Annotated[str, typer.Argument(help="Id of a rule of the dataset, or of one in the file of --rules.")],
    name: DatasetName,
    rules: Annotated[
        Path | None, typer.Option(help="Python file with a list SUGGESTED of rules, as platform suggest writes it.")
    ] = None,
    versions: Annotated[bool, typer.Option("--versions", help="Versions of the table, not partitions.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page with a plot to this file.")] = None,
    json: Json = False,
) -> None:
    """Judges each partition, or version, of a table by one rule: when it would have fired, and on how many rows."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json, screen, table
    from platform_assets.operations.datasets import find_dataset
    from platform_assets.operations.quality import backtest_of
    from platform_core.quality.html import document, grid, line

    location = open_location(context.obj)
    proposed = runpy.run_path(str(rules))["SUGGESTED"] if rules else ()
    verdicts = backtest_of(location, find_dataset(location.catalog, name), rule, versions=versions, proposed=proposed)
    rows = [
        [verdict.label, f"{verdict.rows:,}", f"{verdict.failed:,}",
         "-" if verdict.value is None else f"{verdict.value:.4g}", "fires" if verdict.fired else "holds",
         f"{verdict.quarantined:,}"]
        for verdict in verdicts
    ]  # fmt: skip
    headings = ["PARTITION", "ROWS", "FAILED", "VALUE", "VERDICT", "SET ASIDE"]
    if html is not None and verdicts:
        values = [float(verdict.failed) if verdict.value is None else verdict.value for verdict in verdicts]
        plot = line(values, verdicts[0].label, verdicts[-1].label, label=rule)
        html.write_text(
            document(f"{rule} on {name}", _verdict_words(verdicts), [plot, grid(headings, rows)]), encoding="utf-8"
        )
    if json:
        print_json(verdicts)
        return
    rendered = table(*headings, numbers=("ROWS", "FAILED", "VALUE", "SET ASIDE"))
    for row in rows:
        rendered.add_row(*row)
    screen().print(rendered)
    screen().print(_verdict_words(verdicts))


def _verdict_words(verdicts: "Sequence[Verdict]") -> str:
    fired = sum(verdict.fired for verdict in verdicts)
    return f"would have fired {fired} of {len(verdicts)} times"
