"""What can be done to a table besides reading and writing rows; the same words for every format."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from platform_resources.errors import (
    ColumnNotFound,
    InvalidTableSpec,
    RetentionTooShort,
    UnsupportedOperation,
    VersionNotFound,
)
from platform_resources.settings import Settings
from platform_resources.storage.operations.layout import LiveFile, Packing
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
from platform_resources.storage.table import TableSpec

_EARLIEST = datetime.min.replace(tzinfo=UTC)
_MARGIN = timedelta(hours=1)
"""For clocks that differ, beside what a branch needs."""


class TableOperations(ABC):
    """The operations on one table; each is one commit at most, and refuses what would break a running reader."""

    packing: Packing | None = None
    """How the format's engine packs files by itself; None where whoever compacts may say it."""

    spec: TableSpec
    location: str
    settings: Settings
    held: Sequence[tuple[str, datetime]]
    """Versions that branches read, and since when; their files stay whatever is said to keep."""

    @property
    def lacking_operations(self) -> Collection[str]:
        """Names of operations that the table's format lacks."""
        return ()

    @abstractmethod
    def history(self, limit: int | None = None) -> list[TableVersion]:
        """List the versions that can still be named, newest first.

        Raises:
            TableNotFound: nothing was ever written.
            UnsupportedOperation: the format keeps no versions.
        """

    @abstractmethod
    def _live(self) -> tuple[str | None, Sequence[LiveFile]]:
        """Read the latest version and its files; raises TableNotFound."""

    @abstractmethod
    def compact(
        self,
        *,
        partitions: Sequence[str] | None = None,
        target_bytes: int = TARGET_BYTES,
        dry_run: bool = False,
        pack: Packing | None = None,
    ) -> OperationResult:
        """Pack small files into larger ones in one commit; the rows stay, and so do earlier versions.

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
        """Write the rows anew in one commit, so that rows near in all of the columns lie near one another.

        Raises:
            ColumnNotFound: the table has no such column.
            UnsupportedOperation: no columns, or the partition's among them.
        """

    @abstractmethod
    def vacuum(self, *, keep: timedelta = DEFAULT_KEEP, dry_run: bool = True) -> OperationResult:
        """Delete files that no version younger than `keep` needs, and what killed writers left.

        Raises:
            RetentionTooShort: `keep` is below what a running reader needs.
        """

    @abstractmethod
    def expire(self, *, keep: timedelta = DEFAULT_KEEP, dry_run: bool = True) -> OperationResult:
        """Forget the versions older than `keep`; the latest always stays.

        Raises:
            RetentionTooShort: `keep` is below what a running reader needs.
        """

    @abstractmethod
    def restore(
        self, version: str | int | None = None, *, at: datetime | None = None, dry_run: bool = True
    ) -> OperationResult:
        """Make an earlier version's rows current again by a commit, which is a version itself.

        Args:
            version: the version, or
            at: the instant whose version is meant, with a zone.
            dry_run: says what would change and changes nothing.

        Raises:
            VersionNotFound: there is no such version, or its files were vacuumed.
        """

    def files(self) -> Sequence[LiveFile]:
        """List the data files of the latest version; reads no data.

        Raises:
            TableNotFound: nothing was ever written.
        """
        return self._live()[1]

    def statistics(self, *, small_below_bytes: int = SMALL_BYTES) -> TableStatistics:
        """Count files, sizes and rows of the latest version, by partition; reads no data.

        Raises:
            TableNotFound: nothing was ever written.
        """
        version, live = self._live()
        groups: dict[str | None, list[LiveFile]] = {}
        for file in live:
            groups.setdefault(file.partition, []).append(file)
        parts = [_partition(name, groups[name], small_below_bytes) for name in sorted(groups, key=lambda n: n or "")]
        return TableStatistics(
            table=self.spec.path,
            format=self.spec.format,
            version=version,
            files=sum(part.files for part in parts),
            size_bytes=sum(part.size_bytes for part in parts),
            rows=total(part.rows for part in parts),
            small_files=sum(part.small_files for part in parts),
            small_bytes=sum(part.small_bytes for part in parts),
            small_below_bytes=small_below_bytes,
            partitions=tuple(parts),
        )

    def version_at(self, at: datetime) -> str:
        """Find the version that was the latest at an instant, which counts itself.

        Raises:
            VersionNotFound: the table is younger, or does not remember.
            ValueError: the instant has no zone.
        """
        if at.tzinfo is None:
            raise ValueError(f"{at} has no zone: write datetime(..., tzinfo=UTC)")
        known = self.history()
        found_version = next((candidate.version for candidate in known if candidate.at <= at), None)
        if found_version is None:
            raise VersionNotFound(self.spec.path, at.isoformat(), oldest=known[-1].at.isoformat())
        return found_version

    def _check_partitions(self, partitions: Sequence[str] | None) -> None:
        if partitions is not None and self.spec.partition_column is None:
            raise InvalidTableSpec(
                self.spec.path, "has no partitions to choose from", fix="leave them out, or declare partition_column"
            )

    def _check_order(self, columns: Sequence[str], available: Sequence[str]) -> None:
        """Refuse columns that are not there, and an order by nothing or by what is alike in a file."""
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
        """Find the version that is meant."""
        if (version is None) == (at is None):
            raise ValueError("name a version or an instant, one of them")
        return str(version) if at is None else self.version_at(at)

    def _checked_keep(self, keep: timedelta) -> timedelta:
        """Shorten the time to keep to as long as there are dates; raises RetentionTooShort."""
        if keep < MINIMUM_KEEP:
            raise RetentionTooShort(self.spec.path, keep=keep, minimum=MINIMUM_KEEP)
        held_spans = [datetime.now(UTC) - since + _MARGIN for _, since in self.held]
        return min(max([keep, *held_spans]), datetime.now(UTC) - _EARLIEST)


def total(values: Iterable[int | None]) -> int | None:
    """Add the values up; None where one of the values is not known."""
    known = list(values)
    return None if None in known else sum(value for value in known if value is not None)


def _partition(name: str | None, files: Sequence[LiveFile], small_below_bytes: int) -> PartitionStatistics:
    small = [file.size_bytes for file in files if file.size_bytes < small_below_bytes]
    return PartitionStatistics(
        partition=name,
        files=len(files),
        size_bytes=sum(file.size_bytes for file in files),
        rows=total(file.rows for file in files),
        small_files=len(small),
        small_bytes=sum(small),
    )
