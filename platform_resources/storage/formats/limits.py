"""What Delta (delta-rs 1.6.6) or Iceberg cannot keep; refused before anything is written, with the fix.

Without these the vendor fails in the middle of a write, with words about its own insides, or loses something silently.
"""

from collections.abc import Sequence
from typing import NoReturn

import polars as pl

from platform_resources.errors import InvalidRows, InvalidTableSpec, UnsupportedOperation, UnsupportedType
from platform_resources.storage.columns import loses_nanoseconds
from platform_resources.storage.folder import file_name
from platform_resources.storage.table import TableSpec

_LONGEST_FOLDER = 120
_NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"


def refuse_unfit(spec: TableSpec, frame: pl.DataFrame) -> None:
    """Refuse rows that delta-rs cannot write.

    Raises:
        UnsupportedType: two columns differ by case alone, or nanoseconds would be lost.
        InvalidRows: a partition value is too long for the folder that delta-rs names by it, or spoils its name.
    """
    refuse_lossy(spec, frame)
    _refuse_partitions(spec, frame)


def refuse_lossy(spec: TableSpec, frame: pl.DataFrame) -> None:
    """Refuse what neither Delta nor Iceberg keeps, case alone and nanoseconds; raises UnsupportedType."""
    refuse_case(spec, frame)
    _refuse_lost_nanoseconds(spec, frame)


def refuse_columnless(spec: TableSpec, frame: pl.DataFrame) -> None:
    """Refuse a new table without columns, or with its partition's alone; raises UnsupportedOperation."""
    if not [name for name in frame.columns if name != spec.partition_column]:
        raise UnsupportedOperation(
            spec.path, "a Delta table needs a column besides its partition column", fix="add another column"
        )


def refuse_other_partitioning(spec: TableSpec, stored: Sequence[str]) -> None:
    """Refuse a table that is partitioned by another column than its spec says; raises InvalidTableSpec."""
    ours = [spec.partition_column] if spec.partition_column else []
    if list(stored) != ours:
        raise InvalidTableSpec(
            spec.path,
            f"is partitioned by {', '.join(stored) or 'nothing'}, its spec says {', '.join(ours) or 'nothing'}",
            fix="declare a new major version, which is a new table",
        )


def refuse_case(spec: TableSpec, frame: pl.DataFrame) -> None:
    """Refuse two columns whose names differ by case alone; raises UnsupportedType."""
    by_lower_case: dict[str, str] = {}
    for name in frame.columns:
        other = by_lower_case.setdefault(name.lower(), name)
        if other != name:
            raise UnsupportedType(spec.path, name, f"named like {other} but for its case", fix="rename one of them")


def _refuse_lost_nanoseconds(spec: TableSpec, frame: pl.DataFrame) -> None:
    for column in frame:
        if loses_nanoseconds(column):
            raise UnsupportedType(
                spec.path, column.name, "in nanoseconds that are no whole microseconds", fix="cast it to Datetime('us')"
            )


def _refuse_partitions(spec: TableSpec, frame: pl.DataFrame) -> None:
    values = frame[spec.partition_column].unique(maintain_order=True).to_list() if spec.partition_column else []
    if culprits := [value for value in values if value == _NULL_FOLDER]:
        _refuse_partition(spec, culprits, "would be read as null", fix="write another value for it")
    if culprits := [value for value in values if "~" in value]:
        _refuse_partition(spec, culprits, "has a ~, at which delta-rs can compact no more", fix="write - for it")
    if culprits := [
        value for value in values if len(value) > _LONGEST_FOLDER or "~" in file_name(value)[_LONGEST_FOLDER:]
    ]:
        problem = f"is longer than {_LONGEST_FOLDER} characters in a path"
        _refuse_partition(spec, culprits, problem, fix="use shorter partition keys")


def _refuse_partition(spec: TableSpec, culprits: Sequence[str], problem: str, *, fix: str) -> NoReturn:
    raise InvalidRows(
        spec.path,
        str(spec.partition_column),
        culprits,
        f"partition {culprits[0]!r} {problem}",
        fix=f"{fix}, or declare format='parquet' or format='iceberg'",
    )
