"""What a materialisation tells: counts that add up, and a preview with personal data masked."""

import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import dagster as dg
import polars as pl

from platform_assets.factory.checks import markdown_table
from platform_assets.ingest.ingest import Ingest
from platform_assets.ingest.intake import Intake
from platform_assets.ingest.tables import table_spec
from platform_core.contracts import Dataset, rules_of
from platform_core.privacy.masking import masked
from platform_core.quality.plot import bars, histograms, stacked_bars
from platform_core.rules.bounds import Above, AtLeast, AtMost, Below, InRange
from platform_resources.settings import Settings
from platform_resources.storage import Commit, Lake, TableSpec
from platform_resources.storage.io_manager import commit_metadata

_PREVIEW_ROWS = 8
_PLOTTED_PARTITIONS = 24
_PLOTTED_RUNS = 12
_DISTRIBUTIONS, _BINS = 9, 24


def ingest_metadata(lake: Lake, done: Sequence[Ingest], *, partitions: Sequence[str] | None) -> dict[str, Any]:
    """Return the facts of an ingest: rows in = valid + quarantined + superseded; and of its commits, as of one."""
    dataset = done[0].state.dataset
    logs = pl.concat([part.outcome.ingests for part in done])
    counts = {name: int(logs[name].sum()) for name in ("valid", "quarantined", "superseded")}
    rows = max((part.table.written for part in done), key=lambda written: written.height)
    facts = judged_metadata(dataset, [part.intake for part in done], rows, counts) | page_links(lake.settings, dataset)
    if any(part.table.rest is not None for part in done):
        facts = {name: value for name, value in facts.items() if not name.startswith("plot")}  # of a few rows only
    commits = [part.commit for part in done if part.commit is not None]
    spec = table_spec(dataset)
    if not commits:
        return {**facts, **commit_metadata(lake.location(spec), _unchanged(lake, spec), partitions=partitions)}
    whole = replace(
        commits[-1],
        rows_written=sum(commit.rows_written for commit in commits),
        rows_deleted=sum(commit.rows_deleted for commit in commits),
        size_bytes=sum(commit.size_bytes for commit in commits),
        files=sum(commit.files for commit in commits),
    )
    return {**facts, **commit_metadata(lake.location(spec), whole, partitions=partitions)}


def _unchanged(lake: Lake, spec: TableSpec) -> Commit:
    version = lake.version(spec)
    rows = None if version is None else lake.operations(spec).statistics().rows
    return Commit(version=version, changed=False, rows_total=rows)


def judged_metadata(
    dataset: Dataset, intakes: Sequence[Intake], rows: pl.DataFrame, counts: Mapping[str, int]
) -> dict[str, Any]:
    """Return the facts of judged rows, and a preview of those that are written."""
    facts: dict[str, Any] = {
        "rows_in": sum(intake.height for intake in intakes),
        "rows_valid": counts["valid"],
        "rows_quarantined": counts["quarantined"],
        "inputs": sum(len(intake.sources) + len(intake.unreadable) for intake in intakes),
        "preview": preview(dataset, rows),
        **plots(dataset, rows),
    }
    if counts["superseded"]:
        facts["rows_superseded"] = counts["superseded"]
    unread = sum(intake.refused.height for intake in intakes) - counts["quarantined"]
    if unread:
        facts["inputs_unreadable"] = unread
    return facts


def plots(dataset: Dataset, rows: pl.DataFrame) -> dict[str, dg.MarkdownMetadataValue]:
    """How full each nullable column is, and how many rows each partition of the run has; nothing without rows."""
    if rows.is_empty():
        return {}
    drawn = {}
    nullable = [column.name for column in dataset.columns if column.nullable]
    if nullable:
        filled = rows.select(pl.col(nullable).is_not_null().mean()).to_dicts()[0]
        drawn["plot_filled"] = _picture(bars(filled, title="Share of rows filled", top=1, percent=True))
    if dataset.partitions:
        counts = rows[dataset.partitions.column].value_counts(sort=False).sort(dataset.partitions.column)
        latest = dict(counts.tail(_PLOTTED_PARTITIONS).iter_rows())
        drawn["plot_partitions"] = _picture(bars(latest, title="Rows written, by partition"))
    distributions = _distributions(dataset, rows)
    if distributions:
        title = "Values of the rows written, and the bounds of the rules"
        drawn["plot_distributions"] = _picture(histograms(distributions, title=title, bounds=_bounds(dataset)))
    return drawn


def quarantine_facts(ingests: pl.DataFrame, waiting: pl.DataFrame | None) -> dict[str, Any]:
    """How many rows wait for a decision, and what became of the rows of the latest runs.

    Args:
        ingests: The log of inputs, each in its latest version.
        waiting: The open envelopes; None for a dataset without a quarantine.
    """
    facts: dict[str, Any] = {}
    if not ingests.is_empty():
        facts["plot_rows"] = _picture(rows_by_run(ingests))
    if waiting is not None:
        facts["quarantine_open"] = waiting.height
    return facts


def rows_by_run(ingests: pl.DataFrame) -> str:
    """Draw what became of the rows of the latest runs, as SVG; an input counts for the run of its latest version."""
    runs = (
        ingests.group_by("run_id")
        .agg(pl.col("ingested_at").max(), pl.col("valid", "quarantined", "superseded").sum())
        .sort("ingested_at", "run_id")
        .tail(_PLOTTED_RUNS)
    )
    counts = {f"{at:%m-%d %H:%M:%S} {run_id[:8]}": parts for run_id, at, *parts in runs.iter_rows()}
    names = ("valid", "quarantined", "superseded")
    return stacked_bars(counts, names, title="Rows in, by run of the latest version")


def _bounds(dataset: Dataset) -> dict[str, list[tuple[str, float]]]:
    """Return what the rules allow of each column of numbers: a sign and a number."""
    bounds: dict[str, list[tuple[str, float]]] = {}
    for rule in rules_of(dataset):
        if isinstance(rule, InRange):
            limits = [
                ("≥" if rule.include_min else ">", rule.min_value),
                ("≤" if rule.include_max else "<", rule.max_value),
            ]
        elif isinstance(rule, AtLeast | Above | AtMost | Below):
            limits = [(rule.sign, rule.bound)]
        else:
            continue
        numbers = [(sign, float(value)) for sign, value in limits if isinstance(value, int | float | Decimal)]
        bounds.setdefault(rule.column, []).extend(numbers)
    return bounds


def _distributions(dataset: Dataset, rows: pl.DataFrame) -> dict[str, tuple[float, float, list[int]]]:
    """Count the values of columns of numbers, which are no personal data, in equally wide bins."""
    counted = {}
    names = [column.name for column in dataset.columns if column.dtype.is_numeric() and not column.pii]
    for name in names[:_DISTRIBUTIONS]:
        values = rows[name].cast(pl.Float64).drop_nulls().drop_nans()
        low, high = values.min(), values.max()
        if isinstance(low, float) and isinstance(high, float) and math.isfinite(low) and math.isfinite(high):
            counts = (
                values.hist(bin_count=_BINS, include_breakpoint=False)["count"].to_list()
                if low < high
                else [values.len()]
            )
            counted[name] = (low, high, counts)
    return counted


def page_links(settings: Settings, dataset: Dataset) -> dict[str, dg.MetadataValue[Any]]:
    """Where the catalog shows the dataset's profile and history, and what its rules set aside."""
    pages = ["report", *(["quarantine"] if dataset.quarantine else [])]
    return {page: dg.MetadataValue.url(f"{settings.catalog_url}/#/{page}/{dataset.name}") for page in pages}


def _picture(svg: str) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md(f"![](data:image/svg+xml;base64,{b64encode(svg.encode()).decode()})")


def preview(dataset: Dataset, rows: pl.DataFrame) -> dg.MarkdownMetadataValue:
    """Return the first rows as a table, personal data masked."""
    shown = rows.select(column.name for column in dataset.columns).head(_PREVIEW_ROWS)
    return dg.MetadataValue.md(markdown_table(masked(shown, dataset.columns).to_dicts()))
