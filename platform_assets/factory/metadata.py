"""What a materialisation tells: counts that add up, and a preview with personal data masked."""

from base64 import b64encode
from typing import Any

import dagster as dg
import polars as pl

from platform_assets.factory.checks import markdown_table
from platform_assets.ingest.intake import Intake
from platform_core.contracts import Dataset
from platform_core.privacy.masking import masked
from platform_core.quality.plot import bars

_PREVIEW_ROWS = 8
_PLOTTED_PARTITIONS = 24


def intake_metadata(dataset: Dataset, intake: Intake) -> dict[str, Any]:
    """The facts of an ingest: rows in = valid + quarantined + superseded."""
    quarantined = int(intake.ingests["quarantined"].sum())
    facts: dict[str, Any] = {
        "rows_in": intake.height,
        "rows_valid": intake.rows.height,
        "rows_quarantined": quarantined,
        "inputs": len(intake.sources) + len(intake.unreadable),
        "preview": preview(dataset, intake.rows),
        **plots(dataset, intake.rows),
    }
    if intake.superseded:
        facts["rows_superseded"] = intake.superseded
    unread = intake.refused.height - quarantined
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
    return drawn


def _picture(svg: str) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md(f"![](data:image/svg+xml;base64,{b64encode(svg.encode()).decode()})")


def preview(dataset: Dataset, rows: pl.DataFrame) -> dg.MarkdownMetadataValue:
    """The first rows as a table, personal data masked."""
    shown = rows.select(column.name for column in dataset.columns).head(_PREVIEW_ROWS)
    return dg.MetadataValue.md(markdown_table(masked(shown, dataset.columns).to_dicts()))
