"""`platform test`: part of the graph, run on generated rows."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from platform_assets.entrypoints.options import Json

if TYPE_CHECKING:
    from platform_assets.operations.mutants import Mutant
    from platform_assets.operations.pipeline_test import StepReport
    from platform_assets.operations.stored_rows import StoredRows
    from platform_assets.operations.trials import Finding
    from platform_resources.settings import Settings


commands = typer.Typer()


@commands.command("test")
def run_test(  # noqa: PLR0913, PLR0917 - an option each
    context: typer.Context,
    datasets: Annotated[list[str], typer.Argument(help="Datasets to run, or globs such as 'flights/*'.")],
    rows: Annotated[int, typer.Option(min=1, help="Rows of each table that is generated.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same rows.")] = 0,
    edge_cases: Annotated[bool, typer.Option("--edge-cases", help="Also give each input edge cases.")] = False,
    faults: Annotated[bool, typer.Option("--faults", help="Also break each rule of each input; who notices?")] = False,
    mutants: Annotated[bool, typer.Option("--mutants", help="Also change each transform; who notices?")] = False,
    incremental: Annotated[
        bool, typer.Option("--incremental", help="Also deliver rows in random pieces; is the table that of a rebuild?")
    ] = False,
    data: Annotated[
        str | None, typer.Option(help="Read real tables below this folder or s3:// prefix; several with commas.")
    ] = None,
    select: Annotated[str, typer.Option(help="Of real tables: latest, version=N or sample=ROWS.")] = "latest",
    fallback: Annotated[str, typer.Option(help="Where a real table lacks: synthetic, or fail.")] = "synthetic",
    html: Annotated[Path | None, typer.Option(help="Write a page.")] = None,
    junit: Annotated[Path | None, typer.Option(help="Write a JUnit XML file, for CI.")] = None,
    json: Json = False,
) -> None:
    """Run datasets on generated rows in a lake that is thrown away, with all their checks."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_assets.operations import mutants as mutation
    from platform_assets.operations import pipeline_test, trials

    location = open_location(context.obj)
    begun = time.perf_counter()
    stored = _stored(location.settings, data, select, fallback, seed)
    reports = pipeline_test.run_pipeline_test(location, datasets, rows=rows, seed=seed, stored=stored)
    seconds = time.perf_counter() - begun
    findings: dict[str, Any] = {}
    changed: list[Any] = []
    untried: dict[str, str] = {}
    if edge_cases or faults or mutants or incremental:
        trial = pipeline_test.open_trial(location, datasets, rows=rows, seed=seed)
        findings |= {"Edge cases": list(trials.try_edge_cases(trial))} if edge_cases else {}
        findings |= {"Faults": list(trials.try_faults(trial))} if faults else {}
        if incremental:
            from platform_assets.operations.incremental import try_deliveries
            from platform_assets.operations.incremental import untried as untried_of

            findings["Incremental = full"], untried = list(try_deliveries(trial)), untried_of(trial.catalog)
        changed = list(mutation.try_mutants(trial)) if mutants else []
    if junit is not None:
        junit.write_text(pipeline_test.junit(reports, seconds=seconds), encoding="utf-8")
    if html is not None:
        from platform_assets.operations.trial_page import trial_page

        html.write_text(trial_page(location.catalog, reports, findings, changed), encoding="utf-8")
    if json:
        steps = [{**vars(report), "stands": report.stands} for report in reports]
        tried = {"edge_cases": findings.get("Edge cases", []), "faults": findings.get("Faults", []), "mutants": changed,
                 "incremental": findings.get("Incremental = full", [])}  # fmt: skip
        print_json({"steps": steps, **tried} if findings or changed else steps)
    else:
        screen().print(_page(reports))
        lines = [line for report in reports for line in _trouble(report)]
        lines += [f"{name}: {note}" for name, note in (stored.notes if stored else {}).items()]
        lines += _tried(findings, changed)
        lines += [f"  {name}: no deliveries tried, {reason}" for name, reason in untried.items()]
        for line in lines:
            screen().print(line, soft_wrap=True)
    stand = all(finding.stands for found in findings.values() for finding in found)
    if not stand or not all(report.stands for report in reports):
        raise typer.Exit(code=1)


def _stored(settings: "Settings", data: str | None, select: str, fallback: str, seed: int) -> "StoredRows | None":
    from platform_assets.operations.stored_rows import FALLBACKS, StoredRows

    how, _, number = select.partition("=")
    if how not in {"latest", "version", "sample"} or (how == "latest") == bool(number):
        raise typer.BadParameter("write latest, version=N or sample=ROWS", param_hint="--select")
    if how == "sample" and not number.isdigit():
        raise typer.BadParameter(f"{number!r} is no number of rows", param_hint="--select")
    if fallback not in FALLBACKS:
        raise typer.BadParameter(f"{fallback!r} is none of {', '.join(FALLBACKS)}", param_hint="--fallback")
    if data is None:
        return None
    rows = int(number) if how == "sample" else 0
    version = number if how == "version" else None
    kind: Any = how
    places = [place.strip() for place in data.split(",") if place.strip()]
    return StoredRows(places, settings, kind, version, rows, seed, fallback)


def _tried(findings: "dict[str, list[Finding]]", mutants: "list[Mutant]") -> list[str]:
    from rich.markup import escape

    lines = []
    for title, found in findings.items():
        lines.append(f"[bold]{title}[/]: {sum(each.stands for each in found)} of {len(found)} as they should")
        for each in found:
            if not each.stands:
                noticed = ", ".join(each.noticed) or "nothing noticed it"
                lines.append(f"  [red]{each.dataset}[/] {escape(each.what)}: {escape(noticed)}")
            elif each.slipped:
                lines.append(
                    f"  [yellow]{each.dataset}[/] {escape(each.what)}: below, {', '.join(each.slipped)} saw nothing"
                )
    if mutants:
        outcomes = [mutant.outcome for mutant in mutants]
        differ = len(outcomes) - outcomes.count("equivalent")
        lines.append(f"[bold]Changes to transforms[/]: {outcomes.count('noticed')} of {differ} noticed, "
                     f"{outcomes.count('equivalent')} without effect on these rows")  # fmt: skip
        lines += [f"  [yellow]{mutant.dataset}[/] line {mutant.line}: {escape(mutant.change)} survived"
                  for mutant in mutants if mutant.outcome == "survived"]  # fmt: skip
    return lines


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
