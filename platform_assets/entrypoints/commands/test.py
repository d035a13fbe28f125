"""`platform test`: part of the graph, run on generated rows: datasets, dbt models, assets written by hand."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from platform_assets.entrypoints.options import Json

if TYPE_CHECKING:
    from platform_assets.location import CodeLocation
    from platform_assets.operations.edges import EdgeReport
    from platform_assets.operations.mutation.mutants import Difference, Mutant
    from platform_assets.operations.pipeline_test import PipelineReport, StepReport
    from platform_assets.operations.stored_rows import StoredRows
    from platform_assets.operations.trials import Finding
    from platform_resources.settings import Settings


commands = typer.Typer()
_SHOWN = 3
_DESIGNED_ROWS = 200
"""Of each table on which changes are tried and of which rows are approved: a person reads what is made of them."""


@commands.command("test")
def run_test(  # noqa: PLR0913, PLR0917 - an option each
    context: typer.Context,
    datasets: Annotated[
        list[str], typer.Argument(help="Datasets, dbt models and assets by hand to run, or globs such as 'flights/*'.")
    ],
    rows: Annotated[int, typer.Option(min=1, help="Rows of each table that is generated.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same rows.")] = 0,
    edge_cases: Annotated[bool, typer.Option("--edge-cases", help="Also give each input edge cases.")] = False,
    faults: Annotated[bool, typer.Option("--faults", help="Also break each rule of each input; who notices?")] = False,
    mutants: Annotated[
        bool, typer.Option("--mutants", help="Also change each transform and model; who notices?")
    ] = False,
    incremental: Annotated[
        bool, typer.Option("--incremental", help="Also deliver rows in random pieces; is the table that of a rebuild?")
    ] = False,
    approve: Annotated[
        bool, typer.Option("--approve", help="Keep what is made of designed rows; later tests compare with it.")
    ] = False,
    expected: Annotated[Path, typer.Option(help="Folder of approved rows, in the repository.")] = Path("expected"),
    data: Annotated[
        str | None,
        typer.Option(
            help="Read real tables below this folder or s3:// prefix; several with commas; or as a YAML says."
        ),
    ] = None,
    select: Annotated[str, typer.Option(help="Of real tables: latest, version=N or sample=ROWS.")] = "latest",
    fallback: Annotated[
        str, typer.Option(help="Where a real table lacks, in order: endpoints, cache, synthetic, fail.")
    ] = "synthetic",
    recipe: Annotated[
        Path | None, typer.Option(help="A YAML file of tables named after datasets: it refines their generated rows.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page.")] = None,
    junit: Annotated[Path | None, typer.Option(help="Write a JUnit XML file, for CI.")] = None,
    json: Json = False,
) -> None:
    """Run datasets on generated rows in a lake that is thrown away, with all their checks."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_assets.operations import pipeline_test

    location = open_location(context.obj)
    begun = time.perf_counter()
    if recipe is not None:
        from platform_assets.operations.refined_catalog import read_document, refine_catalog

        declared, counts = refine_catalog(location.catalog, read_document(recipe), source=recipe.name)
        location = replace(location, declared=declared)
    else:
        counts = {}
    stored = _stored(location.settings, data, select, fallback, seed)
    compared: pipeline_test.Compiles = "models" if approve or expected.exists() else "nothing"
    report = pipeline_test.run_pipeline_test(
        location, datasets, rows=rows, seed=seed, stored=stored, counts=counts,
        compiles="models and tests" if mutants else compared,
    )  # fmt: skip
    seconds = time.perf_counter() - begun
    tried = _Tried()
    tried.change(location, report, expected, rows=rows, seed=seed, approve=approve, mutants=mutants)
    tried.deliver(location, report, rows=rows, seed=seed, edge_cases=edge_cases, faults=faults, incremental=incremental)
    if junit is not None:
        junit.write_text(pipeline_test.junit(report, tried.differences, seconds=seconds), encoding="utf-8")
    if html is not None:
        from platform_assets.operations.trial_page import trial_page

        html.write_text(trial_page(report, tried.findings, tried.mutants, tried.differences), encoding="utf-8")
    if json:
        print_json(tried.plain(report))
    else:
        screen().print(_page(report.steps))
        for line in [*_report_lines(report), *_origin_lines(stored), *tried.lines()]:
            screen().print(line, soft_wrap=True)
    if not tried.stands or not report.stands:
        raise typer.Exit(code=1)


@dataclass
class _Tried:
    """What a test found beyond its own run."""

    findings: "dict[str, list[Finding]]" = field(default_factory=dict)
    mutants: "list[Mutant]" = field(default_factory=list)
    differences: "list[Difference]" = field(default_factory=list)
    approved: list[Path] = field(default_factory=list)
    untried: dict[str, str] = field(default_factory=dict)

    @property
    def stands(self) -> bool:
        all_stand = all(finding.stands for findings in self.findings.values() for finding in findings)
        return all_stand and not any(difference.missing or difference.added for difference in self.differences)

    def change(
        self,
        location: "CodeLocation",
        report: "PipelineReport",
        folder: Path,
        *,
        rows: int,
        seed: int,
        approve: bool,
        mutants: bool,
    ) -> None:
        """Compare with approved rows, or approve, and try changes."""
        from platform_assets.operations.mutation.expected_rows import ExpectedRows
        from platform_assets.operations.pipeline_test import open_mutation_trial

        expected = ExpectedRows(folder)
        selected = {step.name for step in report.steps if step.selected}
        if not approve and not mutants and all(expected.rows(name) is None for name in selected):
            return
        trial = open_mutation_trial(location, report, rows=min(rows, _DESIGNED_ROWS), seed=seed, expected=expected)
        if approve:
            self.approved = trial.approve(selected)
        else:
            self.differences = trial.differences(selected)
        self.mutants = list(trial.mutants(selected)) if mutants else []

    def deliver(
        self,
        location: "CodeLocation",
        report: "PipelineReport",
        *,
        rows: int,
        seed: int,
        edge_cases: bool,
        faults: bool,
        incremental: bool,
    ) -> None:
        """Try other inputs than those that pass."""
        inputs = {name for name, dataset in location.catalog.datasets.items()
                  if dataset.source is None or not dataset.source.is_dbt}  # fmt: skip
        selected = [step.name for step in report.steps if step.selected and step.name in inputs]
        if not selected or not (edge_cases or faults or incremental):
            return
        from platform_assets.operations import incremental as pieces
        from platform_assets.operations import trials
        from platform_assets.operations.pipeline_test import open_trial

        trial = open_trial(location, selected, rows=rows, seed=seed)
        if edge_cases:
            self.findings["Edge cases"] = list(trials.try_edge_cases(trial))
        if faults:
            self.findings["Faults"] = list(trials.try_faults(trial))
        if incremental:
            self.findings["Incremental = full"] = list(pieces.try_deliveries(trial))
            self.untried = pieces.untried(trial.catalog)

    def plain(self, report: "PipelineReport") -> dict[str, object]:
        """Give everything as JSON has it."""
        return {
            "steps": [{**vars(step), "stands": step.stands} for step in report.steps],
            "edges": [{**vars(edge), "fits": edge.fits} for edge in report.edges],
            "approved_rows": self.differences,
            "edge_cases": self.findings.get("Edge cases", []),
            "faults": self.findings.get("Faults", []),
            "incremental": self.findings.get("Incremental = full", []),
            "mutants": self.mutants,
        }

    def lines(self) -> list[str]:
        """Tell everything in lines."""
        approved_lines = (
            [f"{len(self.approved)} files of approved rows; look at them, and keep them"] if self.approved else []
        )
        untried = [f"  {name}: no deliveries tried, {reason}" for name, reason in self.untried.items()]
        return [
            *approved_lines,
            *_differing(self.differences),
            *_trial_lines(self.findings),
            *_mutation(self.mutants),
            *untried,
        ]


def _stored(settings: "Settings", data: str | None, select: str, fallback: str, seed: int) -> "StoredRows | None":
    from platform_assets.operations.stored_rows import DataManagement, StoredRows
    from platform_assets.operations.stored_rows_document import read_test_data, refuse_unknown_fallbacks

    how, _, number = select.partition("=")
    if how not in {"latest", "version", "sample"} or (how == "latest") == bool(number):
        raise typer.BadParameter("write latest, version=N or sample=ROWS", param_hint="--select")
    if how == "sample" and not number.isdigit():
        raise typer.BadParameter(f"{number!r} is no number of rows", param_hint="--select")
    order = tuple(word.strip() for word in fallback.split(","))
    refuse_unknown_fallbacks(order)
    if data is None:
        return None
    if data.endswith((".yaml", ".yml", ".json")):
        stored = read_test_data(Path(data), settings)
        if stored is None:
            return None
    else:
        places = [place.strip() for place in data.split(",") if place.strip()]
        stored = StoredRows(places, settings, management=DataManagement(fallback=order))
    kind: Any = how
    stored.select, stored.seed = kind, seed
    stored.rows, stored.version = int(number) if how == "sample" else 0, number if how == "version" else None
    return stored


def _origin_lines(stored: "StoredRows | None") -> list[str]:
    """Tell where the rows of each input came from; what stood in for others in red."""
    from rich.markup import escape

    if stored is None:
        return []
    return [
        f"[bold red]{name}: FELL BACK[/] to {escape(note)}" if name in stored.fallen else f"{name}: {escape(note)}"
        for name, note in stored.notes.items()
    ]


def _trial_lines(findings: "dict[str, list[Finding]]") -> list[str]:
    from rich.markup import escape

    lines = []
    for title, own_findings in findings.items():
        lines.append(
            f"[bold]{title}[/]: {sum(finding.stands for finding in own_findings)} of {len(own_findings)} as they should"
        )
        for finding in own_findings:
            if not finding.stands:
                noticed = ", ".join(finding.noticed) or "nothing noticed it"
                lines.append(f"  [red]{finding.dataset}[/] {escape(finding.what)}: {escape(noticed)}")
            elif finding.slipped:
                lines.append(
                    f"  [yellow]{finding.dataset}[/] {escape(finding.what)}: below, "
                    f"{', '.join(finding.slipped)} saw nothing"
                )
    return lines


def _differing(differences: "list[Difference]") -> list[str]:
    from rich.markup import escape

    if not differences:
        return []
    equal = sum(not difference.missing and not difference.added for difference in differences)
    lines = [f"[bold]Approved rows[/]: {equal} of {len(differences)} assets make them"]
    for difference in differences:
        shown = [
            *(f"- {line}" for line in difference.missing[:_SHOWN]),
            *(f"+ {line}" for line in difference.added[:_SHOWN]),
        ]
        if shown:
            lines.append(
                f"  [red]{difference.asset}[/]: {len(difference.missing)} rows lack, {len(difference.added)} are others"
            )
            lines += [f"    {escape(line)}" for line in shown]
    return lines


def _mutation(mutants: "list[Mutant]") -> list[str]:
    """Tell the score by asset, and below each asset the changes that survived."""
    from rich.markup import escape

    from platform_assets.operations.mutation.mutants import by_judge

    if not mutants:
        return []
    lines = ["[bold]Changes to transforms and models[/]", f"  {_score_line(mutants)}"]
    for judge, (noticed, alone) in by_judge(mutants).items():
        lines.append(f"  {judge} noticed {noticed}, {alone} of them alone")
    for asset in dict.fromkeys(mutant.asset for mutant in mutants):
        own = [mutant for mutant in mutants if mutant.asset == asset]
        lines.append(f"  [bold]{asset}[/]: {_score_line(own)}")
        for mutant in own:
            if mutant.outcome == "survived":
                lines.append(f"    [yellow]survived[/] {escape(mutant.place)}, {mutant.kind}")
                lines += [f"      - {escape(mutant.before)}", f"      + {escape(mutant.after)}"]
    return lines


def _score_line(mutants: "list[Mutant]") -> str:
    from platform_assets.operations.mutation.mutants import by_rules, score

    outcomes = [mutant.outcome for mutant in mutants]
    noticed, share = outcomes.count("noticed"), score(mutants)
    different = noticed + outcomes.count("survived")
    known = len(by_rules(mutants))
    counted = "" if share is None else f" ({known / different:.0%}), {noticed} ({share:.0%}) with approved rows"
    return (
        f"{known} of {different} noticed by rules and tests{counted}; "
        f"{outcomes.count('equivalent')} make the same of all designed rows, {outcomes.count('raised')} cannot run"
    )


def _page(reports: "tuple[StepReport, ...]") -> Any:
    from platform_assets.entrypoints.screen import table

    numbers = ("rows", "quarantined", "passed", "warned", "failed", "seconds")
    page = table("asset", "", *numbers, numbers=numbers, fixed=("asset",))
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


def _errors(steps: "tuple[StepReport, ...]") -> list[str]:
    """Tell each error once, with all that failed by it: dbt's models are one step."""
    from rich.markup import escape

    names: dict[str, list[str]] = {}
    for step in steps:
        if step.error:
            names.setdefault(step.error, []).append(step.name)
    return [f"[red]{', '.join(failed)}[/]: {escape(error)}" for error, failed in names.items()]


def _report_lines(report: "PipelineReport") -> list[str]:
    """Tell what failed, and how many edges fit."""
    return [
        *_errors(report.steps),
        *(line for step in report.steps for line in _failures(step)),
        f"[bold]Edges[/]: {sum(edge.fits for edge in report.edges)} of {len(report.edges)} fit",
        *(line for edge in report.edges for line in _misfits(edge)),
    ]


def _failures(step: "StepReport") -> list[str]:
    from rich.markup import escape

    colours = {"WARN": "yellow"}
    return [
        f"[{colours.get(failure.severity, 'red')}]{step.name}[/] {failure.check}: {escape(failure.message)}"
        for failure in step.failures
    ]


def _misfits(edge: "EdgeReport") -> list[str]:
    from rich.markup import escape

    return [f"[red]{edge.source} to {edge.target}[/]: {escape(problem)}" for problem in edge.problems]
