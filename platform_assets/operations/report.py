"""A static site over everything that is known: for the platform and for each dataset. It opens from disk."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from html import escape
from pathlib import Path

import polars as pl

from platform_assets.factory.specs import type_name
from platform_assets.ingest import table_spec
from platform_assets.ingest.metrics import read_metrics
from platform_assets.location import CodeLocation
from platform_assets.operations.dataset_facts import Page
from platform_assets.operations.datasets import describe_dataset, find_dataset, list_datasets
from platform_assets.operations.profiles import profile_of, rows_of
from platform_assets.operations.quality import score_of
from platform_core.contracts import Dataset
from platform_core.lineage import Lineage
from platform_core.lineage.declared import lineage_of
from platform_core.quality.html import document, grid, line, neighbours, tiles
from platform_core.quality.metrics import Score
from platform_core.quality.profile_page import profile_sections, summary

_RUNS = 60


def write_report(location: CodeLocation, folder: Path, now: datetime, *, profiles: bool = True) -> Path:
    """Write the site and return its first page.

    Args:
        location: What to report on.
        folder: Where; pages of the same names are replaced.
        now: When.
        profiles: Whether tables are read for a profile; history and verdicts are told in any case.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lineage, scores = lineage_of(location.catalog), {}
    for name, dataset in location.catalog.datasets.items():
        measured = read_metrics(location.lake, dataset)
        scores[name] = score_of(dataset, measured)
        sections = _sections(location, dataset, measured, lineage, now, link=_file, profiles=profiles)
        (folder / _file(name)).write_text(document(name, _lead(dataset), sections), encoding="utf-8")
    index = folder / "index.html"
    first = document("Data platform", f"{now:%Y-%m-%d %H:%M} UTC", _index(location, scores, now))
    index.write_text(first, encoding="utf-8")
    return index


def dataset_report(
    location: CodeLocation, name: str, now: datetime, *, link: Callable[[str], str], profiles: bool = True
) -> str:
    """Return the page of one dataset as HTML.

    Args:
        location: What to report on.
        name: The dataset.
        now: When.
        link: Gives the address of another dataset's page, and of the first page for `index`.
        profiles: Whether the table is read for a profile.

    Raises:
        UnknownName: There is no such dataset.
    """
    dataset = find_dataset(location.catalog, name)
    measured, lineage = read_metrics(location.lake, dataset), lineage_of(location.catalog)
    sections = _sections(location, dataset, measured, lineage, now, link=link, profiles=profiles)
    return document(name, _lead(dataset), sections)


def _file(name: str) -> str:
    return f"{name.replace('/', '.')}.html"


def _link(name: str, link: Callable[[str], str] = _file) -> str:
    return f'<a href="{escape(link(name), quote=True)}" target="_top">{escape(name)}</a>'


def _lead(dataset: Dataset) -> str:
    return f"{dataset.about} Version {dataset.version}, owned by {dataset.owner}."


def _index(location: CodeLocation, scores: Mapping[str, Score], now: datetime) -> Iterator[str]:
    lines = [dataset for dataset in list_datasets(location, None, now) if dataset.name in scores]
    failed = sum(dataset.checks.failed for dataset in lines)
    aside = sum(dataset.quarantine_open or 0 for dataset in lines)
    yield f"<p>{len(lines)} datasets, {failed} failed checks, {aside} rows set aside.</p>"
    yield '<div class="scroll"><table><thead><tr><th>dataset</th><th>owner</th><th class="n">rows</th>'
    yield '<th class="n">passed</th><th class="n">warned</th><th class="n">failed</th><th class="n">set aside</th>'
    yield '<th>fresh</th><th class="n">score</th></tr></thead><tbody>'
    for dataset in lines:
        total = scores[dataset.name].total
        failed_mark = " bad" if dataset.checks.failed else ""
        warned_mark = " warn" if dataset.checks.warned else ""
        fresh = {"pass": "yes", "not_applicable": "-"}.get(dataset.freshness.state, dataset.freshness.state)
        rows = "-" if dataset.rows is None else f"{dataset.rows:,}"
        yield (
            f"<tr><td>{_link(dataset.name)}</td><td>{escape(dataset.owner)}</td><td class='n'>{rows}</td>"
            f"<td class='n'>{dataset.checks.passed}</td><td class='n{warned_mark}'>{dataset.checks.warned}</td>"
            f"<td class='n{failed_mark}'>{dataset.checks.failed}</td><td class='n'>{dataset.quarantine_open or 0}</td>"
            f"<td>{escape(fresh)}</td><td class='n'>{'-' if total is None else f'{total:.1f}'}</td></tr>"
        )
    yield "</tbody></table></div>"


def _sections(
    location: CodeLocation,
    dataset: Dataset,
    measured: pl.DataFrame,
    lineage: Lineage,
    now: datetime,
    *,
    link: Callable[[str], str],
    profiles: bool,
) -> Iterator[str]:
    page = describe_dataset(location, dataset.name, now)
    yield f'<p><a href="{escape(link("index"), quote=True)}" target="_top">All datasets</a></p>'
    yield from _contract(page)
    yield from _history(dataset, measured)
    yield from _lineage(location, dataset, lineage, link)
    if profiles and location.lake.exists(table_spec(dataset)):
        with rows_of(dataset.name, location.catalog, location.lake) as rows:
            profiled = profile_of(rows, approximate=True)
        yield f"<h2>Profile</h2><p>{escape(summary(profiled))}</p>"
        yield from profile_sections(profiled)


def _contract(page: Page) -> Iterator[str]:
    yield "<h2>Contract</h2>"
    yield grid(["column", "type", "null", "unit", "personal data", "meaning"], [
        [column.name, type_name(column.type), "yes" if column.nullable else "no", column.unit, column.pii,
         column.description]
        for column in page.columns
    ])  # fmt: skip
    yield "<h2>Rules</h2>"
    yield grid(["rule", "severity", "dimension", "last verdict", "what it found"], [
        [judged.label, judged.severity, judged.dimension, judged.status,
         "" if judged.told == judged.label else judged.told]
        for judged in sorted(page.rules, key=lambda rule: rule.status == "passed")
    ])  # fmt: skip
    if page.quarantine is not None:
        aside = page.quarantine
        yield f"<p>Set aside: {aside.open} open, {aside.replayed} replayed, {aside.discarded} discarded.</p>"


def _history(dataset: Dataset, measured: pl.DataFrame) -> Iterator[str]:
    if measured.is_empty():
        return
    score = score_of(dataset, measured)
    yield "<h2>Quality over time</h2>"
    if score.total is not None:
        parts = ", ".join(f"{name} {value:.1f}" for name, value in score.dimensions.items())
        yield f"<p>Score {score.total:.1f} of 100: the mean of {escape(parts)}.</p>"
    yield tiles(_plots(measured))


def _plots(measured: pl.DataFrame) -> Iterator[tuple[str, str]]:
    """Draw each rate that moved: by partition, as last measured, where there are several, else by run."""
    if measured["partition"].n_unique() > 2:  # noqa: PLR2004 - one name is that of the whole
        parted = measured.filter(pl.col("partition") != "").sort("partition", "at")
        by = parted.group_by("partition", "metric", "column", maintain_order=True)
        runs = by.agg(pl.col("value").last()).with_columns(pl.col("partition").alias("place"))
    else:
        by = measured.group_by("run_id", "metric", "column", maintain_order=True)
        runs = by.agg(pl.col("value").mean(), pl.col("at").first().dt.strftime("%m-%d %H:%M").alias("place"))
    for metric in ("row_count", "null_rate", "outlier_rate", "duplicate_rate"):
        for (column,), part in runs.filter(pl.col("metric") == metric).group_by("column", maintain_order=True):
            values = part["value"].to_list()[-_RUNS:]
            if len(set(values)) > 1:
                title = f"{metric.replace('_', ' ')} {column}".strip()
                first, last = part["place"][-len(values)], part["place"][-1]
                yield title, line(values, first, last, label=title)


def _lineage(location: CodeLocation, dataset: Dataset, lineage: Lineage, link: Callable[[str], str]) -> Iterator[str]:
    yield "<h2>Lineage</h2>"
    known = location.catalog.datasets
    above, below = lineage.upstream(dataset.name, depth=1), lineage.downstream(dataset.name, depth=1)
    yield neighbours(list(above), dataset.name, list(below), label=f"what {dataset.name} is made of, and who reads it")
    for title, names in (("Made of", lineage.upstream(dataset.name)), ("Read by", lineage.downstream(dataset.name))):
        links = [_link(name, link) if name in known else escape(name) for name in names]
        yield f"<p>{title}: {', '.join(links) or 'nothing'}</p>"
