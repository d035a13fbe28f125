"""What `platform test` found, as a page that opens from disk."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from platform_assets.operations.mutants import Mutant
from platform_assets.operations.pipeline_test import StepReport
from platform_assets.operations.trials import Finding
from platform_core.contracts import Catalog
from platform_core.quality.html import document, grid


def trial_page(
    catalog: Catalog, reports: Sequence[StepReport], findings: dict[str, Sequence[Finding]], mutants: Sequence[Mutant]
) -> str:
    """Return the page: steps, the edges between them, what failed, and what trials found."""
    sections = ["<h2>Steps</h2>", _steps(reports), "<h2>Edges</h2>", _edges(catalog, reports)]
    red = [[report.name, failure.check, failure.severity, failure.message] for report in reports
           for failure in report.failures]  # fmt: skip
    errors = [[report.name, "step", "ERROR", report.error] for report in reports if report.error]
    if red or errors:
        sections += ["<h2>Does not hold</h2>", grid(["dataset", "check", "severity", "says"], [*errors, *red])]
    for title, found in findings.items():
        sections += [f"<h2>{escape(title)}</h2>", _findings(found)]
    if mutants:
        sections += ["<h2>Changes to transforms</h2>", _mutants(mutants)]
    stands = all(report.stands for report in reports)
    lead = (
        f"{len(reports)} datasets, {'all stand' if stands else 'not all stand'}; {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    )
    return document("Test of a pipeline", lead, sections)


def _steps(reports: Sequence[StepReport]) -> str:
    rows = [
        [report.name, "" if report.selected else "input", report.rows, report.quarantined, report.passed,
         len(report.failures), None if report.seconds is None else f"{report.seconds:.2f}",
         "stands" if report.stands else "does not stand"]
        for report in reports
    ]  # fmt: skip
    headings = ["dataset", "", "rows", "quarantined", "checks passed", "failed", "seconds", ""]
    return grid(headings, rows, numbers=range(2, 7))


def _edges(catalog: Catalog, reports: Sequence[StepReport]) -> str:
    """List what reads what, and whether both ends stand."""
    stands = {report.name: report.stands for report in reports}
    rows = []
    for name, own in stands.items():
        transform = catalog.transforms.get(name)
        inputs = [transform.input_name(each) for each in transform.parameters] if transform else []
        referred = [rule.dataset for rule in catalog.references_of(catalog[name])]
        for above, how in [
            *((each, "is read by") for each in inputs),
            *((each, "is referred to by") for each in referred),
        ]:
            if above in stands:
                rows.append([above, how, name, "fits" if stands[above] and own else "does not"])
    return grid(["from", "", "to", ""], rows)


def _findings(found: Sequence[Finding]) -> str:
    rows = [[each.dataset, each.what, ", ".join(each.noticed) or None, ", ".join(each.slipped) or None,
             "as it should" if each.stands else "NOT as it should"] for each in found]  # fmt: skip
    return grid(["dataset", "tried", "noticed by", "made from it unseen", ""], rows)


def _mutants(mutants: Sequence[Mutant]) -> str:
    rows = [[each.dataset, each.line, each.change, each.outcome, ", ".join(each.noticed) or None] for each in mutants]
    return grid(["dataset", "line", "change", "", "noticed by"], rows, numbers=(1,))
