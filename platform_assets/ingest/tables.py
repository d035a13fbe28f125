"""Where a dataset lies: the specs of its table, its quarantine, its superseded rows and its ingest log."""

from platform_core.contracts import Dataset, Iceberg
from platform_core.ingest import HASH, INGEST, INGESTED_AT, PROVENANCE, SOURCE
from platform_resources.storage import TableSpec

__all__ = [
    "HASH", "INGEST", "INGESTED_AT", "PROVENANCE", "SOURCE", "SUPERSEDED_ID", "ingests_spec", "quarantine_spec",
    "superseded_spec", "table_spec", "verdicts_spec",
]  # fmt: skip

SUPERSEDED_ID = "_superseded_id"


def table_spec(dataset: Dataset) -> TableSpec:
    """Return the spec of the dataset's table; a new major version is a new table."""
    partitions = dataset.partitions
    replaces = dataset.source is not None and dataset.source.replaces and dataset.store.mode == "merge"
    adds = dataset.source is not None and dataset.source.extra_columns == "add"
    return TableSpec(
        path=f"{dataset.name}/v{dataset.major}",
        format=dataset.store.format,
        mode=dataset.store.mode,
        key=tuple(dataset.key),
        partition_column=partitions.column if partitions else None,
        partition_from_key=partitions is not None and set(partitions.columns) <= set(dataset.key),
        replaces=SOURCE if replaces else None,
        schema_evolution="add" if adds else dataset.store.evolution,
        sort_by=tuple(dataset.store.sort) if isinstance(dataset.store, Iceberg) else (),
    )


def quarantine_spec(dataset: Dataset) -> TableSpec:
    """Return the spec of the dataset's quarantine.

    A new version of an input replaces the envelopes of the earlier one.
    """
    return TableSpec(
        path=f"{dataset.name}/v{dataset.major}__quarantine",
        mode="merge",
        key=("quarantine_id",),
        replaces="source",
    )


def ingests_spec(dataset: Dataset) -> TableSpec:
    """Return the spec of the dataset's ingest log: one row an input, its latest version."""
    return TableSpec(
        path=f"{dataset.name}/v{dataset.major}__ingests", mode="merge", key=("source",), schema_evolution="add"
    )


def verdicts_spec(dataset: Dataset) -> TableSpec:
    """Return the spec of the verdicts by place.

    What each rule found in each partition, or among the rows of each source.
    """
    return TableSpec(path=f"{dataset.name}/v{dataset.major}__verdicts", mode="merge", key=("rule", "place"))


def superseded_spec(dataset: Dataset) -> TableSpec:
    """Return the spec of the valid rows that a newer input overtook: they stand again when it gives their key up.

    A part a source, so that what a file brings is compared with what it brought before, and with nothing else.
    """
    return TableSpec(
        path=f"{dataset.name}/v{dataset.major}__superseded",
        mode="merge",
        key=(SUPERSEDED_ID,),
        partition_column=SOURCE,
        partition_from_key=True,
        schema_evolution="add",
    )
