"""Quality over time: after each write a row a measurement, in a table of the dataset's own."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from platform_assets.ingest.stored import as_declared
from platform_assets.ingest.tables import SOURCE, table_spec
from platform_core.contracts import Dataset
from platform_core.quality.metrics import METRICS, metrics_of
from platform_core.quality.results import RuleResult
from platform_resources.storage import Lake, TableSpec


def metrics_spec(dataset: Dataset) -> TableSpec:
    """Return the spec of the dataset's measurements; they are only ever added to."""
    return TableSpec(path=f"{dataset.name}/v{dataset.major}__metrics", mode="append")


def record_metrics(
    lake: Lake,
    dataset: Dataset,
    rows: pl.DataFrame | pl.LazyFrame,
    results: Sequence[RuleResult],
    *,
    run_id: str,
    at: datetime,
) -> None:
    """Add what is measured of a run's rows; a retry of the run adds nothing twice."""
    measured = metrics_of(dataset, rows, results, run_id=run_id, at=at)
    if not measured.is_empty():
        lake.write(metrics_spec(dataset), measured, transaction=f"metrics-{run_id}")


def read_metrics(lake: Lake, dataset: Dataset) -> pl.DataFrame:
    """Return the measurements of a dataset, oldest first; empty where nothing was measured."""
    spec = metrics_spec(dataset)
    return lake.read(spec).sort("at", maintain_order=True) if lake.exists(spec) else pl.DataFrame(schema=METRICS)


def rows_of_sources(lake: Lake, dataset: Dataset, sources: Sequence[str]) -> pl.LazyFrame:
    """Give the table's rows that some sources brought, as they are now written, without reading them yet."""
    beside = [SOURCE, *([dataset.partitions.column] if dataset.partitions else [])]
    rows = as_declared(lake.scan(table_spec(dataset)), dataset, beside=beside)
    return rows.filter(pl.col(SOURCE).is_in(list(sources))).drop(SOURCE)
