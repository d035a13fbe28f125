"""`platform test`: part of the graph, run on generated rows."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from platform_assets.entrypoints.options import Json

if TYPE_CHECKING:
    from platform_assets.operations.pipeline_test import StepReport


commands = typer.Typer()


@commands.command("test")
def run_test(
    context: typer.Context,
    datasets: Annotated[list[str], typer.Argument(help="Datasets to run, or globs such as 'flights/*'.")],
    rows: Annotated[int, typer.Option(min=1, help="Rows of each table that is generated.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same rows.")] = 0,
    junit: Annotated[Path | None, typer.Option(help="Write a JUnit XML file, for CI.")] = None,
    json: Json = False,
) -> None:
    """Run datasets on generated rows in a lake that is thrown away, with all their checks."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_assets.operations import pipeline_test

    begun = time.perf_counter()
    reports = pipeline_test.run_pipeline_test(open_location(context.obj), datasets, rows=rows, seed=seed)
    seconds = time.perf_counter() - begun
    if junit is not None:
        junit.write_text(pipeline_test.junit(reports, seconds=seconds), encoding="utf-8")
    if json:
        print_json([{**vars(report), "stands": report.stands} for report in reports])
    else:
        screen().print(_page(reports))
        for report in reports:
            for line in _trouble(report):
                screen().print(line, soft_wrap=True)
    if not all(report.stands for report in reports):
        raise typer.Exit(code=1)


def _page(reports: "list[StepReport]") -> Any:
    from platform_assets.entrypoints.screen import table

    numbers = ("rows", "quarantined", "passed", "warned", "failed", "seconds")
    page = table("dataset", "", *numbers, numbers=numbers, fixed=("dataset",))
    for report in reports:
        warned = sum(failure.severity == "WARN" for failure in report.failures)
        page.add_row(
            report.name,
            "" if report.selected else "input",
            "-" if report.rows is None else f"{report.rows:,}",
            f"{report.quarantined:,}",
            str(report.passed),
            str(warned),
            str(len(report.failures) - warned),
            "-" if report.seconds is None else f"{report.seconds:.1f}",
        )
    return page


def _trouble(report: "StepReport") -> list[str]:
    from rich.markup import escape

    lines = [f"[red]{report.name}[/]: {escape(report.error)}"] if report.error else []
    for failure in report.failures:
        colour = "yellow" if failure.severity == "WARN" else "red"
        lines.append(f"[{colour}]{report.name}[/] {failure.check}: {escape(failure.message)}")
    return lines
