"""Between Polars and Iceberg: schemas, scans, and data files with the statistics that let readers skip them.

A column whose own type Iceberg lacks carries that type in its field's doc, and is read back in it. Data files are
written by Arrow from the very buffers of the frame, with Iceberg's field ids: no second copy of the rows is made, and
numbers that repeat are kept once, which Polars' writer does not do for floats (its files take a fifth longer to read).
"""

import hashlib
import json
import math
import re
import uuid
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from platform_resources.storage import columns
from platform_resources.storage.folder import Folder
from platform_resources.storage.parts import by_partition, each_written
from platform_resources.vendor.polars_internals import scan_parquet_by_field_id
from platform_resources.vendor.pyiceberg_internals import schema_of

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.manifest import DataFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import FileScanTask, Table
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.types import NestedField

_DTYPE = "platform.dtype="
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,80}")
_FILE_BYTES = 512 << 20
"""Rows of this size in memory go into one file, a quarter of it on disk as a rule."""
_GROUP_ROWS = 1 << 20
"""Rows that a reader may skip together: what Iceberg's own writer puts into a group."""


def iceberg_schema(schema: pl.Schema) -> "Schema":
    """Return the Iceberg schema of logical columns; its field ids are provisional until a table takes it."""
    marks = columns.marks(schema, columns.ICEBERG)
    arrow = to_physical(pl.DataFrame(schema=schema)).to_arrow().schema
    for position, field in enumerate(arrow):
        if field.name in marks:
            arrow = arrow.set(position, field.with_metadata({"doc": _DTYPE + marks[field.name]}))
    return schema_of(arrow)


def widened(schema: "Schema", frame: pl.DataFrame) -> pl.Schema | None:
    """Return a table's columns as they will be, or None where the frame brings no new ones."""
    stored_schema = logical_schema(schema)
    return None if set(frame.columns) <= set(stored_schema) else pl.Schema({**stored_schema, **frame.schema})


def logical_schema(schema: "Schema") -> pl.Schema:
    """Return the columns that readers get, in their own types."""
    return pl.Schema({**physical_schema(schema), **own_types(schema)})


def physical_schema(schema: "Schema") -> pl.Schema:
    """Return the columns in the types that they have in the files."""
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    return pl.DataFrame(schema_to_pyarrow(schema, include_field_ids=False).empty_table()).schema


def own_types(schema: "Schema") -> dict[str, pl.DataType]:
    """Return, for each column that is stored as something else, its own type."""
    marked = {field.name: field.doc for field in schema.fields if field.doc and field.doc.startswith(_DTYPE)}
    return {name: columns.decode(json.loads(doc.removeprefix(_DTYPE))) for name, doc in marked.items()}


def to_physical(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame in the types that Iceberg has."""
    return columns.cast(frame, {name: columns.physical(dtype, columns.ICEBERG) for name, dtype in frame.schema.items()})


def scanned(table: "Table", options: dict[str, Any] | None, snapshot_id: int | None = None) -> pl.LazyFrame:
    """Return the rows of a snapshot in their own types; filters and projections still reach the files."""
    warnings.filterwarnings("ignore", message="Iceberg scan planning", category=pl.exceptions.PerformanceWarning)
    snapshot = table.current_snapshot() if snapshot_id is None else table.snapshot_by_id(snapshot_id)
    schema = table.schema()
    if snapshot_id is not None and snapshot is not None and snapshot.schema_id is not None:
        schema = table.schemas()[snapshot.schema_id]
    frame = pl.scan_iceberg(table, snapshot_id=snapshot_id, storage_options=options)
    own = own_types(schema)
    return frame.cast(own) if own else frame  # type: ignore[arg-type]  # a dict of names is accepted


def read_files(
    table: "Table", tasks: Sequence["FileScanTask"], names: Sequence[str] | None, options: dict[str, Any] | None
) -> pl.DataFrame:
    """Return the rows of some data files in their own types; rows that another engine deleted are still there."""
    schema = table.schema()
    frame = scan_files(schema, [task.file.file_path for task in tasks], options)
    frame = frame.select(names or [field.name for field in schema.fields])
    own = {name: kind for name, kind in own_types(schema).items() if names is None or name in names}
    return frame.cast(own).collect()  # type: ignore[arg-type]  # a dict of names is accepted


def scan_files(
    schema: "Schema", uris: Sequence[str], options: dict[str, Any] | None, *, include_file_paths: str | None = None
) -> pl.LazyFrame:
    """Return the rows of data files as they are stored.

    By Polars, as a scan of the whole table is, with its own way of finding columns by their field ids: pyiceberg's
    reader turns a null list of structs into an empty one.
    """
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    arrow = schema_to_pyarrow(schema)
    return scan_parquet_by_field_id(arrow, uris, options, include_file_paths=include_file_paths)


def write_files(
    metadata: "TableMetadata", folder: Folder, frame: pl.DataFrame, *, files: int | None = None
) -> list["DataFile"]:
    """Return the data files that hold the rows, each of one partition; no snapshot names them yet.

    Args:
        metadata: of the table as it will be, new columns included.
        folder: the table's.
        frame: logical rows; without rows no file is written.
        files: how many a partition gets; None decides by the size of its rows.
    """
    parts = _parts(metadata, to_physical(frame), files)
    return each_written(parts, lambda part: _write(metadata, folder, *part))


def _parts(
    metadata: "TableMetadata", frame: pl.DataFrame, files: int | None
) -> Iterator[tuple[str | None, pl.DataFrame]]:
    fields = metadata.spec().fields
    if not fields:
        yield from ((None, part) for part in _sized(frame, files))
        return
    for value, rows in by_partition(frame, fields[0].name):
        yield from ((value, part) for part in _sized(rows, files))


def _sized(frame: pl.DataFrame, files: int | None) -> Iterator[pl.DataFrame]:
    if frame.is_empty():
        return
    pieces = files or max(1, math.ceil(frame.estimated_size() / _FILE_BYTES))
    yield from frame.iter_slices(-(-frame.height // pieces))


def _write(metadata: "TableMetadata", folder: Folder, value: str | None, part: pl.DataFrame) -> "DataFile":
    import pyarrow.parquet as pq
    from pyiceberg.io.pyarrow import (
        compute_statistics_plan,
        data_file_statistics_from_parquet_metadata,
        parquet_path_to_id_mapping,
    )
    from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
    from pyiceberg.typedef import Record

    schema = metadata.schema()
    name = f"{_place(metadata, value)}/{uuid.uuid4()}.parquet"
    with folder.draft(name) as path:
        pq.write_table(
            _identified(part, schema), path, compression="zstd", row_group_size=_GROUP_ROWS,
            store_decimal_as_integer=True, store_schema=False,  # a reader would take the views for the columns' type
        )  # fmt: skip
        footer, size = pq.read_metadata(path), path.stat().st_size
    statistics = data_file_statistics_from_parquet_metadata(
        footer, compute_statistics_plan(schema, metadata.properties), parquet_path_to_id_mapping(schema)
    )
    facts: dict[str, Any] = statistics.to_serialized_dict()
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=folder.uri(name),
        file_format=FileFormat.PARQUET,
        partition=Record() if value is None else Record(value),
        file_size_in_bytes=size,
        sort_order_id=None,
        spec_id=metadata.default_spec_id,
        equality_ids=None,
        key_metadata=None,
        **facts,
    )


def _identified(part: pl.DataFrame, schema: "Schema") -> "pa.Table":
    """Return the rows over the same memory, each column, element and member with its field id.

    Texts within lists and structs are copied: Arrow 26 does not write views of them ("Slicing not implemented").
    """
    import pyarrow as pa

    within = [name for name, kind in part.schema.items() if kind.is_nested()]
    nested = part[within].to_arrow()
    plain = part.drop(within).to_arrow(compat_level=pl.CompatLevel.newest())
    pairs = [(nested if field.name in within else plain, field) for field in schema.fields]
    fields = [_with_id(table.schema.field(field.name), field) for table, field in pairs]
    return pa.Table.from_arrays([table[field.name] for table, field in pairs], schema=pa.schema(fields))


def _with_id(field: "pa.Field", known: "NestedField") -> "pa.Field":
    """Return the Arrow field with the ids of the Iceberg field; list and struct carry those of what is in them."""
    import pyarrow as pa
    from pyiceberg.io.pyarrow import PYARROW_PARQUET_FIELD_ID_KEY
    from pyiceberg.types import ListType, StructType

    kind, within = field.type, known.field_type
    if isinstance(within, ListType):
        kind = pa.large_list(_with_id(kind.value_field, within.element_field))
    elif isinstance(within, StructType):
        kind = pa.struct([_with_id(kind.field(each.name), each) for each in within.fields])
    return pa.field(field.name, kind, nullable=True, metadata={PYARROW_PARQUET_FIELD_ID_KEY: str(known.field_id)})


def _place(metadata: "TableMetadata", value: str | None) -> str:
    """Return the folder of a partition: its name where every reader takes it as it is, else a digest of it."""
    if value is None:
        return "data"
    shown = value if _PLAIN.fullmatch(value) else f"~{hashlib.sha256(value.encode()).hexdigest()[:16]}"
    column = metadata.spec().fields[0].name
    return f"data/{column if _PLAIN.fullmatch(column.lstrip('_')) else 'partition'}={shown}"
