"""The lake: tables found by their spec below the settings' root, whatever their format and wherever they lie."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import polars as pl

from platform_resources.errors import InvalidRows, InvalidTableSpec
from platform_resources.settings import Settings
from platform_resources.storage.batches import Frames, SpooledRows, gathered
from platform_resources.storage.branches import Branch, Branches, table_at
from platform_resources.storage.caches import Cache, open_cache
from platform_resources.storage.formats.base import TableFormat
from platform_resources.storage.merge import check_key, present_keys
from platform_resources.storage.operations import TableOperations
from platform_resources.storage.statistics import FileStatistics
from platform_resources.storage.table import Commit, Rows, TableSpec
from platform_resources.storage.transactions import ANY, ExpectedPosition, Transaction, WriteGuard

_SHOWN = 5
_SHARE_IN_MEMORY = 4
"""The rows of one write take a quarter of the settings' memory: sorting and encoding them takes more."""


@dataclass(frozen=True)
class Lake:
    """All tables of one environment."""

    settings: Settings

    @cached_property
    def cache(self) -> Cache | None:
        """What was read from S3 before; None where the tables lie on disk, or the settings turn it off."""
        return open_cache(self.settings) if self.settings.lake.startswith("s3://") else None

    @cached_property
    def branch(self) -> Branch | None:
        """The branch that is read and written; None for the environment's own tables; raises UnknownBranch."""
        name = self.settings.branch
        return None if name is None else Branches(self.settings).open(name)

    def on_branch(self, name: str | None) -> "Lake":
        """Return the same lake as a branch sees it; None for the environment's own tables."""
        return self if name == self.settings.branch else Lake(replace(self.settings, branch=name))

    def location(self, spec: TableSpec) -> str:
        """Return the folder or s3:// prefix of a table, whether it is there or not."""
        return self._readable(spec)[0].location

    def exists(self, spec: TableSpec) -> bool:
        """Return whether anything was ever written to the table."""
        with self.telling(spec):
            table, pinned = self._readable(spec)
            return pinned is not None or table.exists()

    def version(self, spec: TableSpec) -> str | None:
        """Return what changes with every commit, or None when there is no table."""
        with self.telling(spec):
            table, pinned = self._readable(spec)
            return table.version() if pinned is None else pinned

    def position(self, spec: TableSpec, app_id: str) -> int | None:
        """Return the number of a stream's last write to the table; None where it wrote nothing."""
        with self.telling(spec):
            return self._table(spec).position(app_id)

    def version_at(self, spec: TableSpec, at: datetime) -> str:
        """Return the version that was the latest at an instant with a zone; raises VersionNotFound."""
        with self.telling(spec):
            return self._readable(spec)[0].version_at(at)

    def file_statistics(self, spec: TableSpec) -> Sequence[FileStatistics]:
        """Read what the table's files say of their columns; nothing of files that a branch borrows."""
        with self.telling(spec):
            table, pinned = self._readable(spec)
            return () if pinned is not None else table.file_statistics()

    def scan(
        self,
        spec: TableSpec,
        *,
        partitions: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        version: str | int | None = None,
        at: datetime | None = None,
    ) -> pl.LazyFrame:
        """Return the rows lazily; partitions and columns that are not asked for are not read from the files.

        Args:
            spec: the table.
            partitions: None for all; a partition without rows is empty, not an error.
            columns: None for all, in the table's order.
            version: an earlier version, where the format keeps them.
            at: an instant with a zone, for the version that was the latest then.

        Raises:
            TableNotFound: nothing was ever written.
            ColumnNotFound: a column is asked for that the table does not have.
            VersionNotFound: the table has no such version, or none so old.
            TableUnavailable: S3 did not answer as it should.
            TableForbidden: S3 refuses.
            TableDamaged: a file of the log or the metadata is gone or cut off; `telling` says it of data files too.
        """
        with self.telling(spec):
            table, chosen_version = self._version(spec, partitions, version, at)
            return table.scan(partitions=partitions, columns=columns, version=chosen_version, cache=self.cache)

    def read(
        self,
        spec: TableSpec,
        *,
        partitions: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        version: str | int | None = None,
        at: datetime | None = None,
    ) -> pl.DataFrame:
        """Return the rows that `scan` finds, in memory; what the cache has of them takes no query.

        Raises:
            TableNotFound: nothing was ever written.
            ColumnNotFound: a column is asked for that the table does not have.
            VersionNotFound: the table has no such version, or none so old.
            TableUnavailable: S3 did not answer as it should.
            TableForbidden: S3 refuses.
            TableDamaged: a file that the rows need is gone, or is not what was written.
        """
        with self.telling(spec):
            table, chosen_version = self._version(spec, partitions, version, at)
            return table.load(partitions=partitions, columns=columns, version=chosen_version, cache=self.cache)

    def write(  # noqa: PLR0913 - a keyword per fact reads better than a bag
        self,
        spec: TableSpec,
        frame: Frames,
        *,
        partitions: Sequence[str] | None = None,
        transaction: Transaction | None = None,
        expected_version: str | None = ANY,
        expected_position: ExpectedPosition = ANY,
        note: tuple[str, int] | None = None,
        replace_values: Sequence[str] = (),
        deleted_keys: pl.DataFrame | None = None,
        commit_metadata: Mapping[str, str] | None = None,
    ) -> Commit:
        """Return the one commit that did what the spec's mode says; on an error nothing was written.

        An overwrite replaces exactly the partitions named (one without rows becomes empty), or the whole table when
        none are. A write whose transaction the table has seen, and a merge of what it already says, change nothing.

        Args:
            spec: the table.
            frame: rows: a frame, a lazy frame, or batches of one schema. Those that would take too much memory wait on
                the local disk; of a merge the keys and what is compared are held.
            partitions: rows outside of them are refused; None for all.
            transaction: the idempotency key of this write: a name, or a stream's id and the write's number in it. A
                number that is not above the stream's position counts as seen.
            expected_version: the version that the table must have; None for no table yet.
            expected_position: the position that the stream must have, as `position` tells it.
            note: a name and a number that `position` tells from the same commit on, beside the transaction's.
            replace_values: values of `spec.replaces` whose rows go unless they are written again.
            deleted_keys: of a merge, the keys of rows that go in the same commit, unless they are written again.
            commit_metadata: words to keep beside the commit.

        Raises:
            InvalidRows: key or partition values that contradict the spec.
            SchemaMismatch: columns that the schema policy refuses.
            PositionMoved: the table or the stream is not where it is expected; another writer was first.
            WriteConflict: other writers won every time.
            TableUnavailable: S3 did not answer as it should; whether it is written is known by writing it again.
            TableForbidden: S3 refuses.
        """
        guard = WriteGuard(transaction, expected_version, expected_position, note)
        in_memory_bytes = self.settings.memory_bytes // _SHARE_IN_MEMORY

        table = self._table(spec)

        def check(batch: pl.DataFrame) -> None:
            _check_partitions(spec, batch, partitions)
            table.refuse_unfit(batch)

        with gathered(spec.path, frame, check, in_memory_bytes=in_memory_bytes) as gathered_rows:
            spool = gathered_rows if isinstance(gathered_rows, SpooledRows) else None
            rows = Rows(
                frame=gathered_rows
                if isinstance(gathered_rows, pl.DataFrame)
                else pl.DataFrame(schema=gathered_rows.schema),
                spool=spool,
                partitions=None if partitions is None else tuple(dict.fromkeys(map(str, partitions))),
                guard=guard,
                replace_values=tuple(replace_values),
                deleted_keys=deleted_keys,
                commit_metadata=commit_metadata,
            )
            if spec.mode == "merge":
                check_key(spec, rows.frame if spool is None else rows.select(present_keys(spec, rows.frame)))
            with self.telling(spec):
                return table.write(rows)

    def update(self, spec: TableSpec, column: str, ids: Sequence[Any], values: Mapping[str, Any]) -> Commit:
        """Return the commit that set columns of the rows whose `column` is one of the ids; none without such rows.

        Raises:
            ColumnNotFound: the table has no such column.
            InvalidRows: the rows would belong to no partition.
            UnsupportedOperation: the format cannot change rows.
        """
        self._readable(spec)[0].refuse_lacking("update")
        part = spec.partition_column
        if part is not None and part in values and not (values[part] and isinstance(values[part], str)):
            raise InvalidRows(
                spec.path, part, (values[part],), f"partition column {part} would be {values[part]!r}",
                fix="name the partition to which the rows belong",
            )  # fmt: skip
        with self.telling(spec):
            return self._table(spec).update(column, ids, values)

    def delete(self, spec: TableSpec, column: str, ids: Sequence[Any]) -> Commit:
        """Return the commit that removed the rows whose `column` is one of the ids; none without such rows.

        Raises:
            ColumnNotFound: the table has no such column.
            UnsupportedOperation: the column is not the partition's, and the format can delete whole partitions only.
        """
        if column != spec.partition_column:
            self._readable(spec)[0].refuse_lacking("delete_rows")
        with self.telling(spec):
            return self._table(spec).delete(column, ids)

    def operations(self, spec: TableSpec) -> TableOperations:
        """Return what can be done to a table besides reading and writing rows: history, upkeep, restoring.

        Upkeep keeps what branches read. In a branch, upkeep of a table that was not materialised there is refused.
        """
        table, pinned = self._readable(spec)
        if self.branch is not None:
            table.lender = None if pinned is None else self.branch.name
        else:
            with table.telling():
                holders = Branches(self.settings).holding(spec.path)
            table.held = [(pin.version, branch.created_at) for branch, pin in holders]
        return table

    @contextmanager
    def telling(self, *specs: TableSpec) -> Iterator[None]:
        """Tell in our words what goes wrong with some tables: for who collects their lazy frames.

        Raises:
            TableDamaged: a file that one of them needs is gone, or is not what was written.
            TableUnavailable: S3 did not answer as it should.
            TableForbidden: S3 refuses.
        """
        with ExitStack() as all_of_them:
            for spec in specs:
                all_of_them.enter_context(self._readable(spec)[0].telling())
            yield

    def _version(
        self, spec: TableSpec, partitions: Sequence[str] | None, version: str | int | None, at: datetime | None
    ) -> tuple[TableFormat, str | int | None]:
        """Return the table and the version that was asked for, by its name or an instant, or that a branch began with.

        Raises where the question is wrong.
        """
        table, pinned = self._readable(spec)
        if version is not None and at is not None:
            raise ValueError("name a version or an instant, not both")
        if partitions is not None and spec.partition_column is None:
            raise InvalidTableSpec(spec.path, "has no partitions to choose from", fix="declare partition_column")
        if version is not None:
            table.refuse_lacking("history")
        if at is not None:
            version = table.version_at(at)
        if version is None and "history" not in table.lacking:
            version = pinned  # before a table without versions changes, its branches get its files
        return table, version

    def _table(self, spec: TableSpec) -> TableFormat:
        """Return the table to be written: a branch's own, or the environment's."""
        branches = Branches(self.settings)
        if self.branch is not None:
            branches.begin(self.branch, spec)
            return table_at(spec, branches.tables_of(self.branch.name))
        table = table_at(spec, self.settings)
        if "history" in table.lacking:
            with table.telling():
                for branch, _ in branches.holding(spec.path):
                    branches.begin(branch, spec)
        return table

    def _readable(self, spec: TableSpec) -> tuple[TableFormat, str | None]:
        """Return the table to be read, and the version of it that a branch reads where it has none of its own."""
        if self.branch is None:
            return table_at(spec, self.settings), None
        branches, pin = Branches(self.settings), self.branch.pins.get(spec.path)
        if pin is None or branches.is_begun(self.branch.name, spec.path):
            return table_at(spec, branches.tables_of(self.branch.name)), None
        return table_at(spec, branches.settings), pin.version


def _check_partitions(spec: TableSpec, frame: pl.DataFrame, partitions: Sequence[str] | None) -> None:
    column = spec.partition_column
    if column is None:
        if partitions is not None:
            raise InvalidTableSpec(
                spec.path, "a write names partitions it does not have", fix="declare partition_column"
            )
        return
    if frame.schema.get(column) != pl.String:
        raise InvalidRows(
            spec.path,
            column,
            (str(frame.schema.get(column)),),
            f"partition column {column} must be text in the rows, but is {frame.schema.get(column, 'not there')}",
            fix="derive it from the partition key; times are formatted first, such as '2013-01'",
        )
    present = frame[column].unique()
    outside = present.filter(~present.is_in(list(map(str, partitions)))) if partitions is not None else present.clear()
    place = "any partition" if partitions is None else f"the partitions written ({', '.join(map(str, partitions))})"
    if culprits := [*outside, *present.filter(present.is_null() | (present == ""))][:_SHOWN]:
        raise InvalidRows(
            spec.path,
            column,
            culprits,
            f"rows have {column} {', '.join(map(repr, culprits))}, outside of {place}",
            fix="derive the partition from the rows, or write the partitions they belong to",
        )
