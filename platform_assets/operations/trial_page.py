"""What `platform test` found, as a page that opens from disk."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape

from platform_assets.operations.edges import EdgeReport
from platform_assets.operations.mutation.mutants import Difference, Mutant, by_rules, score
from platform_assets.operations.pipeline_test import PipelineReport, StepReport
from platform_assets.operations.trials import Finding
from platform_core.quality.html import document, grid


def trial_page(
    report: PipelineReport,
    findings: Mapping[str, Sequence[Finding]],
    mutants: Sequence[Mutant],
    differences: Sequence[Difference] = (),
) -> str:
    """Return the page: steps, the edges between them, what failed, and what trials found."""
    sections = ["<h2>Steps</h2>", _steps(report.steps), "<h2>Edges</h2>", _edges(report.edges)]
    red = [[step.name, failure.check, failure.severity, failure.message] for step in report.steps
           for failure in step.failures]  # fmt: skip
    errors = [[step.name, "step", "ERROR", step.error] for step in report.steps if step.error]
    if red or errors:
        sections += ["<h2>Does not hold</h2>", grid(["asset", "check", "severity", "says"], [*errors, *red])]
    for title, finding in findings.items():
        sections += [f"<h2>{escape(title)}</h2>", _findings(finding)]
    if differences:
        sections += ["<h2>Approved rows</h2>", _differences(differences)]
    if mutants:
        sections += ["<h2>Changes to transforms and models</h2>", _scores(mutants), _mutants(mutants)]
    stands = "all stand" if report.stands else "not all stand"
    lead = f"{len(report.steps)} assets, {len(report.edges)} edges; {stands}; {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    return document("Test of a pipeline", lead, sections)


def _steps(steps: Sequence[StepReport]) -> str:
    rows = [
        [step.name, "" if step.selected else "input", step.rows, step.quarantined, step.passed,
         len(step.failures), None if step.seconds is None else f"{step.seconds:.2f}",
         None if step.peak_memory_bytes is None else f"{step.peak_memory_bytes / 2**20:,.0f}",
         "stands" if step.stands else "does not stand"]
        for step in steps
    ]  # fmt: skip
    headings = ["asset", "", "rows", "quarantined", "checks passed", "failed", "seconds", "peak MiB", ""]
    return grid(headings, rows, numbers=range(2, 8))


def _edges(edges: Sequence[EdgeReport]) -> str:
    """List what reads what, by which columns, and whether both ends fit."""
    rows = [[edge.source, "is read by" if edge.how == "input" else "is referred to by", edge.target,
             ", ".join(edge.columns) or None, "; ".join(edge.problems) or "fits"] for edge in edges]  # fmt: skip
    return grid(["from", "", "to", "columns", ""], rows)


def _findings(findings: Sequence[Finding]) -> str:
    rows = [[finding.dataset, finding.what, ", ".join(finding.noticed) or None, ", ".join(finding.slipped) or None,
             "as it should" if finding.stands else "NOT as it should"] for finding in findings]  # fmt: skip
    return grid(["dataset", "tried", "noticed by", "made from it unseen", ""], rows)


def _differences(differences: Sequence[Difference]) -> str:
    rows = [[difference.asset, len(difference.missing), len(difference.added), _first(difference.missing),
             _first(difference.added)]
            for difference in differences]  # fmt: skip
    return grid(["asset", "lacking", "others", "approved", "made"], rows, numbers=(1, 2))


def _first(lines: Sequence[str]) -> str | None:
    return next(iter(lines), None)


def _scores(mutants: Sequence[Mutant]) -> str:
    rows = []
    for asset in dict.fromkeys(mutant.asset for mutant in mutants):
        own = [mutant for mutant in mutants if mutant.asset == asset]
        share = score(own)
        counts = [sum(mutant.outcome == outcome for mutant in own)
                  for outcome in ("noticed", "survived", "equivalent", "raised")]  # fmt: skip
        known, different = len(by_rules(own)), counts[0] + counts[1]
        shares: list[str | None] = [None, None]
        if share is not None:
            shares = [f"{known / different:.0%}", f"{share:.0%}"]
        rows.append([asset, *shares, known, *counts])
    headings = ["asset", "by rules and tests", "with approved rows", "by rules and tests", "noticed", "survived",
                "same result", "cannot run"]  # fmt: skip
    return grid(headings, rows, numbers=range(1, 8))


def _mutants(mutants: Sequence[Mutant]) -> str:
    """List the changes, those that survived first."""
    order = ["survived", "noticed", "equivalent", "raised"]
    rows = [[mutant.asset, mutant.place, mutant.kind, mutant.before, mutant.after, mutant.outcome,
             ", ".join(mutant.noticed) or None]
            for mutant in sorted(mutants, key=lambda candidate: order.index(candidate.outcome))]  # fmt: skip
    return grid(["asset", "place", "kind", "before", "after", "", "noticed by"], rows)
