"""Metrics of tables, by what was read of them; one that was written since it was read has no series."""

from collections.abc import Iterable, Iterator, Mapping

import dagster as dg

from platform_assets.factory.partitioning import partitions_definition
from platform_assets.location import CodeLocation
from platform_assets.operations.dataset_readings import DatasetReadings, behind_of
from platform_assets.operations.history import MaterialisationRecord
from platform_assets.operations.metrics.families import Family, gauge
from platform_core.contracts import Dataset

_COUNTED = (dg.TimeWindowPartitionsDefinition, dg.StaticPartitionsDefinition)
"""Partitions that are known by the declaration; of others those that are missing cannot be counted."""


def table_families(
    location: CodeLocation, readings: DatasetReadings, records: Mapping[str, MaterialisationRecord]
) -> Iterator[Family]:
    """Yield the metric families."""
    names = ("rows", "size_bytes", "quarantine_open_rows", "quality_score")
    helps = ("Rows in the table", "Bytes of the table's latest version", "Envelopes that nobody decided on",
             "Quality from 0 to 100, by the measured shares of rows that keep the rules")  # fmt: skip
    rows, size, quarantine, score = (
        gauge(f"dataset_{name}", text, "dataset") for name, text in zip(names, helps, strict=True)
    )
    partitions = gauge("dataset_partitions", "Partitions with and without rows, up to now", "dataset", "state")
    kept_ratio = gauge(
        "promise_kept_ratio",
        "The share of 30 days, or of their inputs, in which a promise was kept",
        "dataset",
        "promise",
    )
    burn = gauge("promise_budget_burn_ratio", "How often the error budget of 30 days is used up", "dataset", "promise")
    for name, dataset in location.catalog.datasets.items():
        reading = readings.newest(name, behind_of(records, name))
        if reading is None:
            continue
        values = (reading.rows, reading.size_bytes, reading.quarantined, reading.score)
        _add_known(zip((rows, size, quarantine, score), values, strict=True), name)
        for promise_name, promise in reading.promises.items():
            _add_known(((burn, promise.burn), (kept_ratio, promise.share)), name, promise_name)
        for state, number in _partition_counts(dataset, reading.partitions):
            partitions.add([name, state], number)
    for name, record in records.items():
        count = record.metadata.get("dagster/row_count")
        if name not in location.catalog.datasets and isinstance(count, int):
            rows.add([name], count)
    yield from (rows, size, quarantine, score, partitions, kept_ratio, burn)


def _add_known(values: Iterable[tuple[Family, float | None]], *labels: str) -> None:
    for family, value in values:
        if value is not None:
            family.add(list(labels), value)


def _partition_counts(dataset: Dataset, filled: int | None) -> Iterator[tuple[str, int]]:
    definition = partitions_definition(dataset.partitions) if filled is not None else None
    if definition is not None and filled is not None:
        yield "filled", filled
        if isinstance(definition, _COUNTED):
            yield "empty", max(0, definition.get_num_partitions() - filled)
