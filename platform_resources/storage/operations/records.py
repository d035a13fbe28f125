"""What is known of a stored table, and what an operation on it did or would do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

MEBIBYTE = 1 << 20
TARGET_BYTES = 128 * MEBIBYTE
"""The size that compaction aims at, and above which a file is left alone."""
SMALL_BYTES = 32 * MEBIBYTE
"""A file below a quarter of the target costs a reader more for being opened than for being read."""
MINIMUM_KEEP = timedelta(hours=24)
"""The shortest time to keep what a table no longer needs: a lazy frame opens its files long after it was made."""
DEFAULT_KEEP = timedelta(days=7)

ZORDER = "zorder"
"""The word beside a commit that names the columns of a Z-order, as a JSON list."""

OperationName = Literal["compact", "zorder", "vacuum", "expire", "restore"]
Operation = Literal["update", "delete_rows", "history", "compact", "zorder", "vacuum", "expire", "restore"]
"""What a format may lack; to delete rows is to delete other ones than those of whole partitions."""


@dataclass(frozen=True, kw_only=True)
class PartitionStatistics:
    """The live files of one partition; `partition` is None for a table that has none."""

    partition: str | None
    files: int
    size_bytes: int
    rows: int | None
    small_files: int
    small_bytes: int


@dataclass(frozen=True, kw_only=True)
class TableStatistics:
    """The live files of a table as its latest version names them; files that only earlier versions name do not count.

    Attributes:
        table: path below the tables root.
        format: `delta`, `iceberg` or `parquet`.
        version: the latest one.
        files: data files.
        size_bytes: of these files.
        rows: None where the format does not count them.
        small_files: files below `small_below_bytes`.
        small_bytes: the size of the small files together.
        small_below_bytes: what counted as small.
        partitions: one each, by name; a single one without name for a table that is not partitioned.
    """

    table: str
    format: str
    version: str | None
    files: int
    size_bytes: int
    rows: int | None
    small_files: int
    small_bytes: int
    small_below_bytes: int
    partitions: tuple[PartitionStatistics, ...]


@dataclass(frozen=True, kw_only=True)
class TableVersion:
    """One entry of a table's history; numbers that the format did not note are None."""

    version: str
    at: datetime
    operation: str
    rows_added: int | None = None
    rows_deleted: int | None = None
    files_added: int | None = None
    files_removed: int | None = None
    said: Mapping[str, str] = field(default_factory=dict)
    """The words that the writer kept beside the commit."""


@dataclass(frozen=True, kw_only=True)
class OperationResult:
    """What an operation did, or in a dry run what it would do.

    Attributes:
        table: path below the tables root.
        operation: its name.
        dry_run: True when nothing was changed.
        changed: whether something was, or would be, changed.
        version: the table's version afterwards.
        files_removed: files that the table no longer names (compact, zorder, restore) or that are deleted (vacuum,
            and expire for the log's own files).
        files_added: files written instead; in a dry run the number to expect.
        bytes_removed: size of the files removed.
        bytes_added: size of the files added; a dry run takes that of those removed.
        versions_removed: versions that can no longer be read, oldest first.
        restored: the version that was made current again.
        files: names of the files deleted by a vacuum, below the table's location.
    """

    table: str
    operation: OperationName
    dry_run: bool
    changed: bool
    version: str | None
    files_removed: int = 0
    files_added: int = 0
    bytes_removed: int = 0
    bytes_added: int = 0
    versions_removed: tuple[str, ...] = ()
    restored: str | None = None
    files: tuple[str, ...] = ()
