"""What the cache has to know of an Iceberg table: its files, and by which field ids its columns are found in them."""

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from platform_resources.storage.caches.snapshot import FILES, PATH, Snapshot
from platform_resources.storage.formats.iceberg_frames import logical_schema, physical_schema, scan_files

if TYPE_CHECKING:
    from pyiceberg.schema import Schema
    from pyiceberg.table import FileScanTask, Table


def snapshot_of(table: "Table", proof: str, column: str | None) -> Snapshot | None:
    """Return the snapshot of the table as it was opened, proved by the ETag of its metadata file.

    None is for a table whose files do not say all of its rows: another engine deleted single ones, or wrote files that
    are no Parquet.

    Args:
        table: as it was opened.
        proof: the ETag under which its metadata was seen before it was opened.
        column: the one that tells the partition, or None.
    """
    tasks = list(table.scan().plan_files()) if table.current_snapshot() is not None else []
    if any(task.delete_files or task.file.file_format.name != "PARQUET" for task in tasks):
        return None
    schema = table.schema()
    logical, stored = logical_schema(schema), physical_schema(schema)
    label = column if column is not None and _tells(table, tasks, column) and logical[column] == pl.String else None
    return Snapshot(
        version=table.metadata_location,
        proof=proof,
        schema=logical,
        stored=pl.Schema({name: kind for name, kind in stored.items() if name != label}),
        files=_files(tasks, label),
        kept_as=_kept_as(schema),
        said=schema.model_dump_json(),
    )


def read_kept(
    snapshot: Snapshot, uris: Sequence[str], names: Sequence[str], options: dict[str, Any] | None
) -> pl.LazyFrame:
    """Return columns of data files as they are stored, and the file of each row."""
    from pyiceberg.schema import Schema

    schema = Schema.model_validate_json(snapshot.said)
    return scan_files(schema, uris, options, include_file_paths=PATH).select(*names, PATH)


def _tells(table: "Table", tasks: "Sequence[FileScanTask]", column: str) -> bool:
    """Return whether each file holds rows of one value of the column, which its partition says as it is."""
    fields, number = table.spec().fields, table.spec().spec_id
    if len(fields) != 1 or str(fields[0].transform) != "identity":
        return False
    source = table.schema().find_column_name(fields[0].source_id)
    return source == column and all(task.file.spec_id == number for task in tasks)


def _files(tasks: "Sequence[FileScanTask]", label: str | None) -> pl.DataFrame:
    files = [task.file for task in tasks]
    known = {
        "uri": [file.file_path for file in files],
        "size_bytes": [file.file_size_in_bytes for file in files],
        "stamp": [""] * len(files),
        "rows": [file.record_count for file in files],
    }
    labels = {label: [file.partition[0] for file in files]} if label else {}
    return pl.DataFrame({**known, **labels}, schema={**FILES, **({label: pl.String()} if label else {})})


def _kept_as(schema: "Schema") -> dict[str, str]:
    """Return for each column a name that says its field ids, nested ones too.

    One that was dropped and made anew is another column, although some files have the old one under that name.
    """
    from pyiceberg.schema import Schema, index_by_name

    identities = {field.name: json.dumps(index_by_name(Schema(field)), sort_keys=True) for field in schema.fields}
    return {name: f"{name}#{hashlib.sha256(ids.encode()).hexdigest()[:16]}" for name, ids in identities.items()}
