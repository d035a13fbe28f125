"""What can be done to a table besides reading and writing rows; the same words for every format."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from inspect import getmembers, isfunction
from typing import Any, ClassVar, NamedTuple, TypeVar

from platform_resources.errors import (
    ColumnNotFound,
    InvalidTableSpec,
    RetentionTooShort,
    TableNotFound,
    UnsupportedOperation,
    VersionNotFound,
)
from platform_resources.settings import Settings
from platform_resources.storage.capabilities import LACKING, require
from platform_resources.storage.formats import FORMATS
from platform_resources.storage.operations.records import (
    DEFAULT_KEEP,
    MINIMUM_KEEP,
    SMALL_BYTES,
    TARGET_BYTES,
    OperationResult,
    PartitionStatistics,
    TableStatistics,
    TableVersion,
)
from platform_resources.storage.table import Format, TableSpec

File = TypeVar("File")
Packing = Callable[[Sequence[int], int], list[list[int]]]
"""From the sizes of a partition's files and the target: which of them become one file, by their places in the list."""
_TOLD = "_told"
_EARLIEST = datetime.min.replace(tzinfo=UTC)


class LiveFile(NamedTuple):
    """A data file of the latest version."""

    partition: str | None
    size_bytes: int
    rows: int | None


class TableOperations(ABC):
    """The operations on one table; each is one commit at most, and refuses what would break a running reader."""

    format_name: ClassVar[Format]

    def __init_subclass__(cls) -> None:
        """Let every public method say what goes wrong in our words; one that the format lacks need not be written."""
        for name, method in getmembers(cls, isfunction):
            if not name.startswith("_") and not hasattr(method, _TOLD):
                door = _telling(method)
                if name in LACKING[cls.format_name]:
                    door.__isabstractmethod__ = False  # type: ignore[attr-defined]  # what ABCMeta looks at
                setattr(cls, name, door)

    packing: Packing | None = None
    """How the format's engine packs files by itself; None where whoever compacts may say it."""

    def __init__(self, spec: TableSpec, location: str, settings: Settings) -> None:
        self.spec, self.location, self.settings = spec, location, settings

    @abstractmethod
    def history(self, limit: int | None = None) -> list[TableVersion]:
        """Returns the versions that can still be named, newest first.

        Raises:
            TableNotFound: nothing was ever written.
            UnsupportedOperation: the format keeps no versions.
        """

    @abstractmethod
    def _live(self) -> tuple[str | None, Sequence[LiveFile]]:
        """Returns the latest version and its files; raises TableNotFound."""

    @abstractmethod
    def compact(
        self,
        *,
        partitions: Sequence[str] | None = None,
        target_bytes: int = TARGET_BYTES,
        dry_run: bool = False,
        pack: Packing | None = None,
    ) -> OperationResult:
        """Returns the commit that packed small files into larger ones; the rows stay, and so do earlier versions.

        Args:
            partitions: only these; None for all.
            target_bytes: the size to aim at.
            pack: which files of a partition become one, where the format has no way of its own.
            dry_run: says what there is to gain and changes nothing.
        """

    @abstractmethod
    def zorder(
        self, columns: Sequence[str], *, partitions: Sequence[str] | None = None, dry_run: bool = False
    ) -> OperationResult:
        """Returns the commit that wrote the rows anew so that rows near in all of the columns lie near one another.

        Raises:
            ColumnNotFound: the table has no such column.
            UnsupportedOperation: no columns, or the partition's among them.
        """

    @abstractmethod
    def vacuum(self, *, keep: timedelta = DEFAULT_KEEP, dry_run: bool = True) -> OperationResult:
        """Returns what was deleted: files that no version younger than `keep` needs, and what killed writers left.

        Raises:
            RetentionTooShort: `keep` is below what a running reader needs.
        """

    @abstractmethod
    def expire(self, *, keep: timedelta = DEFAULT_KEEP, dry_run: bool = True) -> OperationResult:
        """Returns the versions older than `keep` that were forgotten; the latest always stays.

        Raises:
            RetentionTooShort: `keep` is below what a running reader needs.
        """

    @abstractmethod
    def restore(
        self, version: str | int | None = None, *, at: datetime | None = None, dry_run: bool = True
    ) -> OperationResult:
        """Returns the commit that made an earlier version's rows current again; it is a version itself.

        Args:
            version: the version, or
            at: the instant whose version is meant, with a zone.
            dry_run: says what would change and changes nothing.

        Raises:
            VersionNotFound: there is no such version, or its files were vacuumed.
        """

    def files(self) -> Sequence[LiveFile]:
        """Returns the data files of the latest version; reads no data.

        Raises:
            TableNotFound: nothing was ever written.
        """
        return self._live()[1]

    def statistics(self, *, small_below_bytes: int = SMALL_BYTES) -> TableStatistics:
        """Returns files, sizes and rows of the latest version, by partition; reads no data.

        Raises:
            TableNotFound: nothing was ever written.
        """
        version, live = self._live()
        groups: dict[str | None, list[LiveFile]] = {}
        for each in live:
            groups.setdefault(each.partition, []).append(each)
        parts = [_partition(name, groups[name], small_below_bytes) for name in sorted(groups, key=lambda n: n or "")]
        return TableStatistics(
            table=self.spec.path,
            format=self.spec.format,
            version=version,
            files=sum(each.files for each in parts),
            size_bytes=sum(each.size_bytes for each in parts),
            rows=total(each.rows for each in parts),
            small_files=sum(each.small_files for each in parts),
            small_bytes=sum(each.small_bytes for each in parts),
            small_below_bytes=small_below_bytes,
            partitions=tuple(parts),
        )

    def version_at(self, at: datetime) -> str:
        """Returns the version that was the latest at an instant, which counts itself.

        Raises:
            VersionNotFound: the table is younger, or does not remember.
            ValueError: the instant has no zone.
        """
        if at.tzinfo is None:
            raise ValueError(f"{at} has no zone: write datetime(..., tzinfo=UTC)")
        known = self.history()
        found = next((each.version for each in known if each.at <= at), None)
        if found is None:
            raise VersionNotFound(self.spec.path, at.isoformat(), oldest=known[-1].at.isoformat())
        return found

    def _check_partitions(self, partitions: Sequence[str] | None) -> None:
        if partitions is not None and self.spec.partition_column is None:
            raise InvalidTableSpec(
                self.spec.path, "has no partitions to choose from", fix="leave them out, or declare partition_column"
            )

    def _check_order(self, columns: Sequence[str], available: Sequence[str]) -> None:
        """Raises ColumnNotFound, and UnsupportedOperation for an order by nothing or by what is alike in a file."""
        if missing := [name for name in columns if name not in available]:
            raise ColumnNotFound(self.spec.path, missing, available)
        if not columns:
            raise UnsupportedOperation(
                self.spec.path, "a Z-order needs a column", fix="name those by which rows are looked for"
            )
        if self.spec.partition_column in columns:
            raise UnsupportedOperation(
                self.spec.path,
                f"the table is partitioned by {self.spec.partition_column}, which all rows of a file have in common",
                fix="order by other columns",
            )

    def _wanted(self, version: str | int | None, at: datetime | None) -> str:
        """Returns the version that is meant."""
        if (version is None) == (at is None):
            raise ValueError("name a version or an instant, one of them")
        return str(version) if at is None else self.version_at(at)

    def _checked_keep(self, keep: timedelta) -> timedelta:
        """Returns how long to keep, no longer than there are dates; raises RetentionTooShort."""
        if keep < MINIMUM_KEEP:
            raise RetentionTooShort(self.spec.path, keep=keep, minimum=MINIMUM_KEEP)
        return min(keep, datetime.now(UTC) - _EARLIEST)

    def _not_found(self) -> TableNotFound:
        return TableNotFound(self.spec.path, self.location)


def _telling(operation: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(operation)
    def telling(self: TableOperations, *given: Any, **named: Any) -> Any:
        require(self.spec, operation.__name__)
        with FORMATS[self.spec.format](self.spec, self.location, self.settings).telling():
            return operation(self, *given, **named)

    setattr(telling, _TOLD, True)
    return telling


def pack_in_order(sizes: Sequence[int], target_bytes: int) -> list[list[int]]:
    """Put files together in the order in which they come, as delta-rs does; those of the target's size stay alone.

    >>> pack_in_order([50, 100, 50, 50], 128)
    [[0], [1], [2, 3]]
    """
    groups: list[list[int]] = []
    filled = 0
    for place, size in enumerate(sizes):
        if size >= target_bytes:
            continue
        if not groups or filled + size > target_bytes:
            groups.append([])
            filled = 0
        groups[-1].append(place)
        filled += size
    return groups


def packed(live: Iterable[LiveFile], *, partitions: Sequence[str] | None, target_bytes: int) -> tuple[int, int, int]:
    """Returns how many files a compaction would remove, how many it would add instead, and their bytes."""
    chosen = [each for each in live if partitions is None or each.partition in partitions]
    found = bins(chosen, lambda each: (each.partition, each.size_bytes), target_bytes)
    return sum(map(len, found)), len(found), sum(each.size_bytes for group in found for each in group)


def bins(
    files: Iterable[File],
    facts: Callable[[File], tuple[str | None, int]],
    target_bytes: int,
    pack: Packing = pack_in_order,
) -> list[list[File]]:
    """Return the groups of files that are worth being made one: of one partition, and more than one each."""
    by_partition: dict[str | None, list[tuple[File, int]]] = {}
    for file in files:
        partition, size = facts(file)
        by_partition.setdefault(partition, []).append((file, size))
    return [
        [members[place][0] for place in group]
        for _, members in sorted(by_partition.items(), key=lambda item: item[0] or "")
        for group in pack([size for _, size in members], target_bytes)
        if len(group) > 1
    ]


def total(values: Iterable[int | None]) -> int | None:
    """Returns the sum, or None where one of the values is not known."""
    known = list(values)
    return None if None in known else sum(value for value in known if value is not None)


def _partition(name: str | None, files: Sequence[LiveFile], small_below_bytes: int) -> PartitionStatistics:
    small = [each.size_bytes for each in files if each.size_bytes < small_below_bytes]
    return PartitionStatistics(
        partition=name,
        files=len(files),
        size_bytes=sum(each.size_bytes for each in files),
        rows=total(each.rows for each in files),
        small_files=len(small),
        small_bytes=sum(small),
    )
