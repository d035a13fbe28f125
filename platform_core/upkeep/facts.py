"""What is known of a table before anything is decided: its files, what nobody needs of it, who reads it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from platform_core.contracts.partitions import Partitioning
from platform_core.contracts.retention import VERSIONS, Retention


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """A file of a table.

    Attributes:
        path: Below the table's place.
        rows: None where nobody counted.
        partition: Its key; None in a table without.
        written_at: None where nobody noted it.
    """

    path: str
    size_bytes: int
    rows: int | None = None
    partition: str | None = None
    written_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Dead:
    """What only versions older than `kept` still hold, so that nobody needs it any more.

    Attributes:
        files: Their number.
        size_bytes: Of them together.
        versions: That can no longer be read when they are gone.
        kept: How long the latest of them had to be without use.
        hidden: Whether more files show when those versions are forgotten; so it is where versions hold their files.
    """

    files: int = 0
    size_bytes: int = 0
    versions: int = 0
    kept: timedelta = VERSIONS
    hidden: bool = False


@dataclass(frozen=True, kw_only=True)
class Read:
    """One reading of a table.

    Attributes:
        reader: Who read.
        partitions: Which ones; None for the whole table.
        filters: Columns whose values chose the rows; those of the partition left out.
    """

    at: datetime
    reader: str
    partitions: tuple[str, ...] | None = None
    filters: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class History:
    """The readings of a table within a window that ends now; `window` is how far back anything is known."""

    reads: Sequence[Read] = ()
    window: timedelta = timedelta(0)

    @property
    def a_month(self) -> float:
        """Readings a month, from what is known; zero where nothing is."""
        return len(self.reads) / max(self.window / timedelta(days=30), 1 / 30) if self.reads else 0.0


@dataclass(frozen=True, kw_only=True)
class TableFacts:
    """A table as it stands.

    Attributes:
        name: The dataset's, or the table's path where it belongs to one.
        format: `delta`, `iceberg`, `parquet`.
        files: Of the latest version.
        dead: Files and versions that nobody needs; it was looked for with `clearing.kept_for`.
        partitions: How the table is divided; None if it is not.
        retention: What its owner declared, or the default.
        history: Who reads it.
        ordered_by: Columns by which it was last z-ordered; empty if never.
        on_s3: Whether it lies on S3, where requests cost.
        prefix: Its place in the bucket, without a slash at its end; empty on disk.
        data_prefixes: Below `prefix`, what all its data files begin with and none of its metadata does.
        whole_readers: Who needs all of it, whatever its age: references, rules over the table, unpartitioned readers.
    """

    name: str
    format: str
    files: Sequence[DataFile] = ()
    dead: Dead = field(default_factory=Dead)
    partitions: Partitioning | None = None
    retention: Retention = field(default_factory=Retention)
    history: History = field(default_factory=History)
    ordered_by: tuple[str, ...] = ()
    on_s3: bool = False
    prefix: str = ""
    data_prefixes: tuple[str, ...] = ()
    whole_readers: tuple[str, ...] = ()

    @property
    def sizes(self) -> list[int]:
        """The sizes of the files, in bytes."""
        return [file.size_bytes for file in self.files]

    @property
    def size_bytes(self) -> int:
        """Of the latest version."""
        return sum(self.sizes)

    def by_partition(self) -> Mapping[str | None, list[DataFile]]:
        """Return the files of each partition, in the order of keys."""
        files_by_partition: dict[str | None, list[DataFile]] = defaultdict(list)
        for data_file in sorted(self.files, key=lambda file: (file.partition or "", file.path)):
            files_by_partition[data_file.partition].append(data_file)
        return files_by_partition
