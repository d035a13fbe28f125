"""What every table format promises; the behaviour suite in tests/resources/storage runs over all of them."""

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import wraps
from inspect import getattr_static, getmembers, isfunction
from typing import Any, ClassVar

import polars as pl

from platform_resources.errors import (
    ColumnNotFound,
    InvalidTableSpec,
    PositionMoved,
    TableDamaged,
    TableNotFound,
    UnsupportedOperation,
)
from platform_resources.settings import Settings
from platform_resources.storage.caches import Cache
from platform_resources.storage.caches.scans import MOST_FILES, CachedScan
from platform_resources.storage.caches.snapshot import Source
from platform_resources.storage.folder import folder_at
from platform_resources.storage.operations.interface import TableOperations
from platform_resources.storage.operations.records import Operation, OperationResult
from platform_resources.storage.refusals import translated_errors
from platform_resources.storage.statistics import FileStatistics
from platform_resources.storage.table import Commit, Rows, TableSpec

_TRANSLATED = "_translates_errors"
_UPKEEP = ("compact", "zorder", "vacuum", "expire", "restore")


class TableFormat(TableOperations):
    """One table in one format; stateless, so two of them are two writers."""

    marker: ClassVar[str]
    """The folder within a table's place that tells its format."""
    data_folder: ClassVar[str] = ""
    """The folder within the place that holds all data files; empty where they lie in folders of their partitions."""
    data_names: ClassVar[tuple[str, ...]] = ("part-",)
    """What the names of data files begin with in a table without partitions."""
    lacking: ClassVar[Mapping[Operation, str]] = {}
    """The operations that the format lacks, and why; no method need be written for one of them."""

    def __init_subclass__(cls) -> None:
        """Let each operation refuse what the format lacks, and say in our words what goes wrong.

        An operation is every public method that is not of this class: the lake does the same for those that read and
        write rows. One that the format lacks need not be written.
        """
        for name, method in getmembers(cls, isfunction):
            is_static = isinstance(getattr_static(cls, name), staticmethod)
            is_operation = not is_static and not name.startswith("_") and name not in vars(TableFormat)
            if (is_operation or name in cls.lacking) and not hasattr(method, _TRANSLATED):
                guarded = _guarded(method)
                if name in cls.lacking:
                    guarded.__isabstractmethod__ = False  # type: ignore[attr-defined]  # what ABCMeta looks at
                setattr(cls, name, guarded)

    def __init__(self, spec: TableSpec, location: str, settings: Settings) -> None:
        self.spec, self.location, self.settings, self.s3 = spec, location, settings, settings.s3
        self.held: Sequence[tuple[str, datetime]] = ()
        """Versions that branches read, and since when: upkeep keeps their files."""
        self.lender: str | None = None
        """The branch that reads the table and has none of its own in its place: upkeep is not the branch's to do."""

    @property
    def lacking_operations(self) -> Collection[str]:
        """Names of operations that the format lacks."""
        return self.lacking.keys()

    def lend(self, version: str, to: "TableFormat") -> None:
        """Make another table of a version of this one, without reading its rows; done again, it changes nothing.

        Raises:
            VersionNotFound: The table has no such version.
        """
        raise self._lacks_branches(version, to)

    def take(self, other: "TableFormat", since: str | None) -> str:
        """Make another table's rows this one's, without reading them, and return the version they have here.

        Args:
            other: Began as this one's version `since`.
            since: What this one's version must be; None where there must be no table.

        Raises:
            PositionMoved: The table is not at that version any more.
        """
        raise self._lacks_branches(since, other)

    def resume_take(self, other: "TableFormat", since: str | None, before: Mapping[str, str]) -> str | None:  # noqa: ARG002
        """Do the rest of a `take` that was interrupted, and return the version that holds the other's rows.

        None where something else changed either table since.

        Args:
            other: Began as this one's version `since`.
            since: What this one's version was when the `take` began.
            before: What `file_stamps` told then.
        """
        return None

    def file_stamps(self) -> Mapping[str, str]:
        """List the files with their stamps, where a `take` is not one commit; nothing where it is."""
        return {}

    def forget(self) -> None:
        """Let a catalogue forget the table, whose files stay; nothing to do where the files are the table."""

    def _lacks_branches(self, version: str | None, other: "TableFormat") -> UnsupportedOperation:  # noqa: ARG002
        return UnsupportedOperation(
            self.spec.path, f"format {self.spec.format} has no branches", fix="declare store=Delta(...)"
        )

    def _refuse_moved(self, since: str | None) -> None:
        """Refuse a table that is not at a version any more."""
        if (now := self.version()) != since:
            raise PositionMoved(self.spec.path, "version", expected=since, actual=now)

    @abstractmethod
    def exists(self) -> bool:
        """Ask whether anything was ever written."""

    @abstractmethod
    def version(self) -> str | None:
        """Read what changes with every commit; None when there is no table."""

    @abstractmethod
    def position(self, app_id: str) -> int | None:
        """Return the number of a stream's last write; None where it wrote nothing, or there is no table."""

    @abstractmethod
    def _scan(self, partitions: Sequence[str] | None, version: str | int | None) -> pl.LazyFrame:
        """Read the rows of some partitions lazily, of all for None; raises TableNotFound."""

    def refuse_unfit(self, frame: pl.DataFrame) -> None:
        """Refuse rows that the format cannot keep; most are kept by all."""

    @abstractmethod
    def write(self, rows: Rows) -> Commit:
        """Do what the spec's mode says, in one commit; the rows are such as `refuse_unfit` lets pass."""

    @abstractmethod
    def update(self, column: str, values: Sequence[Any], changes: Mapping[str, Any]) -> Commit:
        """Set columns of the rows whose `column` has one of the values."""

    @abstractmethod
    def delete(self, column: str, values: Sequence[Any]) -> Commit:
        """Remove the rows whose `column` has one of the values.

        A format that lacks `delete_rows` is asked for whole partitions only.
        """

    @abstractmethod
    def damage(self) -> TableDamaged | None:
        """Find which file the latest version lacks; None where it is whole. Asked for when a read has failed."""

    def file_statistics(self) -> Sequence[FileStatistics]:
        """Read what the files of the latest version say of themselves; nothing where they say nothing."""
        return ()

    def scan(
        self,
        *,
        partitions: Sequence[str] | None,
        columns: Sequence[str] | None,
        version: str | int | None,
        cache: Cache | None = None,
    ) -> pl.LazyFrame:
        """Read the rows lazily; those of the latest version through the cache, where there is one.

        Raises:
            TableNotFound: nothing was ever written.
            ColumnNotFound: a column is asked for that the table does not have.
        """
        cached = self._cached(cache, partitions, version)
        frame = self._scan(partitions, version) if cached is None else cached.lazy(self.location, self.telling)
        return frame if columns is None else frame.select(self._checked(columns, frame.collect_schema().names()))

    def load(
        self,
        *,
        partitions: Sequence[str] | None,
        columns: Sequence[str] | None,
        version: str | int | None,
        cache: Cache | None = None,
    ) -> pl.DataFrame:
        """Read the same rows into memory; those that the cache holds take no query."""
        cached = self._cached(cache, partitions, version)
        if cached is None:
            return self.scan(partitions=partitions, columns=columns, version=version).collect()
        names = cached.snapshot.schema.names()
        return cached.frame(names if columns is None else self._checked(columns, names))

    def refuse_lacking(self, operation: str) -> None:
        """Refuse an operation that the table's format lacks.

        Raises:
            UnsupportedOperation: the format lacks it; the message says why, and which formats have it.
        """
        why = {str(name): reason for name, reason in self.lacking.items()}.get(operation)
        if why is not None:
            raise UnsupportedOperation(
                self.spec.path,
                f"plain {self.spec.format.capitalize()} {why}",
                fix="declare store=Delta(...) or store=Iceberg(...)",
            )

    def telling(self) -> AbstractContextManager[None]:
        """Open a context that tells in our words what goes wrong with the table."""
        return translated_errors(self.spec.path, self.location, self.s3, self.damage)

    def _snapshot(
        self,
        cache: Cache,  # noqa: ARG002 - what a format does that has one
        partitions: Sequence[str] | None,  # noqa: ARG002
    ) -> Source | None:
        """Take the latest snapshot and how its rows are read; None where a cache cannot help.

        The snapshot is the latest at the time of the call: what is remembered of it was compared with the table's.
        """
        return None

    def _cached(
        self, cache: Cache | None, partitions: Sequence[str] | None, version: str | int | None
    ) -> CachedScan | None:
        """Find the rows that the cache can help with; None without one, and for an earlier version."""
        if cache is None or version is not None:
            return None
        source = self._snapshot(cache, partitions)
        if source is None or source.snapshot.files.height > MOST_FILES:
            return None
        return CachedScan(cache, source, self.s3)

    def _only(self, frame: pl.LazyFrame, partitions: Sequence[str] | None) -> pl.LazyFrame:
        """Choose the rows of some partitions; the filter prunes files before any is opened."""
        if partitions is None:
            return frame
        return frame.filter(pl.col(str(self.spec.partition_column)).is_in(list(map(str, partitions))))

    def _refuse_other_format(self) -> None:
        """Refuse a place where a table of another format lies: its rows would be read with ours, or lost from sight."""
        from platform_resources.storage.formats import FORMATS  # noqa: PLC0415 - it names the formats built on this

        folder = folder_at(self.location, self.s3)
        for name, other in FORMATS.items():
            if name != self.spec.format and folder.entries(other.marker):
                raise InvalidTableSpec(
                    self.spec.path,
                    f"is a table of format {name} at {self.location}, its spec says {self.spec.format};"
                    " nothing was read or written",
                    fix=f"declare a new major version, which is a new table, or go back to format={name!r}",
                )

    def _not_found(self) -> TableNotFound:
        self._refuse_other_format()
        return TableNotFound(self.spec.path, self.location)

    def _checked(self, columns: Sequence[str], available: list[str]) -> list[str]:
        if missing := [name for name in columns if name not in available]:
            raise ColumnNotFound(self.spec.path, missing, available)
        return list(columns)


def _guarded(operation: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(operation)
    def guarded(self: TableFormat, *arguments: Any, **named: Any) -> Any:
        self.refuse_lacking(operation.__name__)
        if self.lender is not None and operation.__name__ in _UPKEEP:
            raise UnsupportedOperation(
                self.spec.path,
                f"nothing of it was materialised in branch {self.lender}",
                fix="do it without the branch",
            )
        if self.held and operation.__name__ == "expire":
            return OperationResult(
                table=self.spec.path, operation="expire", dry_run=arguments == () and named.get("dry_run", True),
                changed=False, version=self.version(),
            )  # fmt: skip
        with self.telling():
            return operation(self, *arguments, **named)

    setattr(guarded, _TRANSLATED, True)
    return guarded
