"""The facts of one table, for the core to plan with: its files, what nobody needs of it, who reads it."""

import json

from platform_assets.operations.upkeep.readings import Readings
from platform_assets.operations.upkeep.tables import KeptTable
from platform_core.upkeep import DataFile, Dead, TableFacts, kept_for
from platform_core.upkeep.plan import REWRITABLE
from platform_resources.s3 import bucket_and_key
from platform_resources.storage import Lake
from platform_resources.storage.bucket_rules import data_prefixes
from platform_resources.storage.operations import ZORDER, TableOperations


def facts_of(lake: Lake, table: KeptTable, readings: Readings) -> TableFacts | None:
    """Return what is known of a table, or None where nothing was ever written; no data is read."""
    if not lake.exists(table.spec):
        return None
    operations = lake.operations(table.spec)
    location = lake.location(table.spec)
    on_s3 = location.startswith("s3://")
    return TableFacts(
        name=table.name,
        format=table.spec.format,
        files=[
            DataFile(path="", size_bytes=file.size_bytes, rows=file.rows, partition=file.partition)
            for file in operations.files()
        ],
        dead=_dead(operations, table, readings),
        partitions=table.partitions,
        retention=table.retention,
        history=readings.of(table),
        ordered_by=_ordered_by(operations, table),
        on_s3=on_s3,
        prefix=bucket_and_key(location)[1] if on_s3 else "",
        data_prefixes=data_prefixes(table.spec),
        whole_readers=table.whole_readers,
    )


def _dead(operations: TableOperations, table: KeptTable, readings: Readings) -> Dead:
    """Return what a vacuum and an expiry would find, both as dry runs."""
    if table.spec.format not in REWRITABLE:
        return Dead()
    duration = kept_for(table.retention, readings.longest(table))
    vacuum, expiry = operations.vacuum(keep=duration, dry_run=True), operations.expire(keep=duration, dry_run=True)
    return Dead(
        files=vacuum.files_removed,
        size_bytes=vacuum.bytes_removed,
        versions=len(expiry.versions_removed),
        kept=duration,
        hidden=table.spec.format == "iceberg",
    )


def _ordered_by(operations: TableOperations, table: KeptTable) -> tuple[str, ...]:
    """Return the columns of the last Z-order that the log remembers."""
    if table.spec.format not in REWRITABLE:
        return ()
    columns_text = next(
        (operation.said[ZORDER] for operation in operations.history() if ZORDER in operation.said), "[]"
    )
    return tuple(json.loads(columns_text))
