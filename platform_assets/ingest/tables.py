"""Where a dataset lies: the specs of its table, its quarantine and its ingest log."""

from platform_core.contracts import Dataset, Iceberg
from platform_resources.storage import TableSpec

SOURCE, INGEST, HASH, INGESTED_AT = "_source", "_ingest_id", "_row_hash", "_ingested_at"
PROVENANCE = (SOURCE, INGEST, HASH, INGESTED_AT)


def table_spec(dataset: Dataset) -> TableSpec:
    """The spec of the dataset's table; a new major version is a new table."""
    partitions = dataset.partitions
    replaces = dataset.source is not None and dataset.source.replaces and dataset.store.mode == "merge"
    return TableSpec(
        path=f"{dataset.name}/v{dataset.major}",
        format=dataset.store.format,
        mode=dataset.store.mode,
        key=tuple(dataset.key),
        partition_column=partitions.column if partitions else None,
        partition_from_key=partitions is not None and partitions.on in dataset.key,
        replaces=SOURCE if replaces else None,
        schema_evolution=dataset.store.evolution,
        sort_by=tuple(dataset.store.sort) if isinstance(dataset.store, Iceberg) else (),
    )


def quarantine_spec(dataset: Dataset) -> TableSpec:
    """The spec of the dataset's quarantine: a new version of an input replaces the envelopes of the earlier one."""
    return TableSpec(
        path=f"{dataset.name}/v{dataset.major}__quarantine",
        mode="merge",
        key=("quarantine_id",),
        replaces="source",
    )


def ingests_spec(dataset: Dataset) -> TableSpec:
    """The spec of the dataset's ingest log: one row an input, its latest version."""
    return TableSpec(path=f"{dataset.name}/v{dataset.major}__ingests", mode="merge", key=("source",))
