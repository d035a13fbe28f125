"""Publications follow the table: what lies between the position of a far side and the table's version is put there.

A change is found by comparing two versions of the table, so that nothing has to be kept beside it and a process may die
anywhere. A worker that knows what its commit wrote, and that the far side stood right before it, compares nothing.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import polars as pl

from platform_assets.ingest.tables import INGESTED_AT, table_spec
from platform_core.contracts import Dataset
from platform_core.contracts.publications import Publication
from platform_core.ingest import row_hash
from platform_resources.errors import ResourceError, VersionNotFound
from platform_resources.sinks import Changes, Sink, SinkContext, open_sink
from platform_resources.storage import Commit, Lake, TableSpec

_PRINT = "_published_hash"


def publish_changes(lake: Lake, dataset: Dataset) -> int:
    """Bring the far sides of a dataset to the table's version, and return how many rows were put or deleted.

    Raises:
        SinkUnreachable: A far side does not answer; it is brought up the next time.
        SinkRefused: A far side takes no more.
    """
    if not dataset.publish:
        return 0
    with opened_publisher(lake, dataset) as publisher:
        return publisher.catch_up()


@contextmanager
def opened_publisher(lake: Lake, dataset: Dataset) -> "Iterator[Publisher]":
    """Give a publisher, and keep its positions at the end."""
    publisher = Publisher(lake, dataset)
    try:
        yield publisher
    finally:
        publisher.close()


class Publisher:
    """Brings the far sides of one dataset to where its table is."""

    def __init__(self, lake: Lake, dataset: Dataset, *, clock: Callable[[], int] = time.time_ns) -> None:
        """Open nothing yet; takes the clock in nanoseconds, which may step back."""
        self._lake, self._dataset, self._clock = lake, dataset, clock
        self._number = 0
        self._sinks: dict[str, Sink] = {}
        self._positions: dict[str, str | None] = {}
        self._unsaved: set[str] = set()

    @property
    def _publications(self) -> Sequence[Publication]:
        """What is published; from a branch of data nothing leaves the lake."""
        return self._dataset.publish if self._lake.settings.branch is None else ()

    def catch_up(self) -> int:
        """Publish whatever a far side does not have; returns how many rows were put or deleted."""
        if not self._publications or not self._lake.exists(table_spec(self._dataset)):
            return 0
        version = self._lake.version(table_spec(self._dataset))
        if version is None:
            return 0
        counts = 0
        for publication in self._publications:
            sink = self._open(publication)
            position = self._positions[publication.target]
            if position == version:
                continue
            changes = self._compare(publication, position, version)
            counts += self._write(publication, sink, changes)
        return counts

    def follow(self, commit: Commit | None, rows: pl.DataFrame) -> int:
        """Publish what a commit wrote; where a far side did not stand right before it, compare versions instead.

        Args:
            commit: The commit; None where it changed nothing.
            rows: All rows that it wrote; it deleted none.
        """
        if not self._publications or commit is None or commit.version is None:
            return 0
        counts = 0
        for publication in self._publications:
            sink = self._open(publication)
            position = self._positions[publication.target]
            if not _is_next(position, commit.version):
                return counts + self.catch_up()
            names = self._names(publication)
            key = self._key(publication)
            last = rows.select(names).unique(key, keep="last", maintain_order=True)
            counts += self._write(publication, sink, self._changes(key, last, last.clear(), commit.version))
        return counts

    def save(self) -> None:
        """Keep the positions of far sides that keep none themselves; after a crash they are given some rows again."""
        if not self._unsaved:
            return
        rows = [(target, self._positions[target], self._number) for target in sorted(self._unsaved)]
        frame = pl.DataFrame(rows, {"target": pl.String, "version": pl.String, "number": pl.Int64}, orient="row")
        self._lake.write(published_spec(self._dataset), frame)
        self._unsaved.clear()

    def close(self) -> None:
        """Keep the positions and close the far sides."""
        self.save()
        for sink in self._sinks.values():
            sink.close()
        self._sinks.clear()

    def _open(self, publication: Publication) -> Sink:
        sink = self._sinks.get(publication.target)
        if sink is None:
            types = {column.name: column.dtype for column in self._dataset.columns}
            context = SinkContext(
                dataset=self._dataset.name,
                settings=self._lake.settings,
                key=tuple(self._key(publication)),
                schema={name: types[name] for name in self._names(publication)},
            )
            sink = open_sink(publication.kind, publication.options, context)
            self._sinks[publication.target] = sink
            self._number = max(self._number, sink.last_number())
            if sink.keeps_position:
                self._positions[publication.target] = sink.position()
            elif publication.target not in self._positions:
                self._positions[publication.target] = self._saved(publication)
        return sink

    def _saved(self, publication: Publication) -> str | None:
        spec = published_spec(self._dataset)
        if not self._lake.exists(spec):
            return None
        rows = self._lake.read(spec).filter(pl.col("target") == publication.target)
        if "number" in rows.columns:  # releases before kept none
            self._number = max([self._number, *rows["number"].drop_nulls().to_list()])
        return None if rows.is_empty() else str(rows["version"].item())

    def _write(self, publication: Publication, sink: Sink, changes: Changes) -> int:
        if len(changes) or sink.keeps_position:
            try:
                sink.write(changes)
            except ResourceError:  # where the far side stands is asked anew when it is opened the next time
                del self._sinks[publication.target]
                sink.close()
                raise
        self._positions[publication.target] = changes.position
        if not sink.keeps_position:
            self._unsaved.add(publication.target)
        return len(changes)

    def _compare(self, publication: Publication, before: str | None, now: str) -> Changes:
        """Return what differs between two versions; all rows where the earlier one is no longer kept."""
        key = self._key(publication)
        after = self._read(publication, now)
        try:
            earlier = after.clear() if before is None else self._read(publication, before)
        except VersionNotFound:
            earlier = after.clear()
        rows = after.join(earlier, on=[*key, _PRINT], how="anti", maintain_order="left").drop(_PRINT)
        deleted = earlier.join(after, on=key, how="anti").drop(_PRINT)
        return self._changes(key, rows, deleted.clear() if publication.by else deleted, now)

    def _read(self, publication: Publication, version: str) -> pl.DataFrame:
        spec, names, key = table_spec(self._dataset), self._names(publication), self._key(publication)
        stamps = [INGESTED_AT] if publication.by and self._dataset.source is not None else []
        rows = self._lake.read(spec, columns=[*names, *stamps], version=version)
        ordered = rows.sort(stamps, maintain_order=True) if stamps else rows
        last = ordered.select(names).unique(key, keep="last", maintain_order=True)
        return last.with_columns(row_hash(names).alias(_PRINT))

    def _changes(self, key: list[str], rows: pl.DataFrame, deleted: pl.DataFrame, version: str) -> Changes:
        self._number = max(self._clock() // 1000, self._number + 1)  # a far side refuses what is older
        return Changes(rows=rows, deleted=deleted.select(key), key=tuple(key), number=self._number, position=version)

    def _key(self, publication: Publication) -> list[str]:
        return list(publication.by or self._dataset.key)

    def _names(self, publication: Publication) -> list[str]:
        columns = publication.columns or [column.name for column in self._dataset.columns]
        return list(dict.fromkeys([*self._key(publication), *columns]))


def _is_next(position: str | None, version: str) -> bool:
    """Tell whether a version came right behind a position; only Delta's numbers tell."""
    return position is not None and position.isdigit() and version.isdigit() and int(version) == int(position) + 1


def published_spec(dataset: Dataset) -> TableSpec:
    """Return the spec of how far the far sides are that keep no position themselves."""
    return TableSpec(
        path=f"{dataset.name}/v{dataset.major}__published", mode="merge", key=("target",), schema_evolution="add"
    )
