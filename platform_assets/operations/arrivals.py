"""What has landed: each content of each file once for each table, and the partitions that it touches.

The cursor holds, for each table, the stamp and the content's id of every file that was asked for. A file whose stamp
changed is read, once; only other content arrives. Of a table that the cursor does not know, a new version's or a lost
cursor's, the ingest log in the lake says what is known.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import polars as pl

from platform_assets.factory.specs import partitions_definition
from platform_assets.ingest.inputs import adapter_for, cursor_of, partition_keys
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.ingest.tables import table_spec
from platform_core.contracts import Dataset
from platform_resources.settings import Settings
from platform_resources.sources import Cursor as LogCursor
from platform_resources.sources import SourceAdapter, Unit, UnreadableUnit
from platform_resources.storage import Lake

SETTLED = timedelta(seconds=2)
"""A file younger than this may still be written; it waits for the next tick."""

RUN_BYTES = 1 << 30
RUN_FILES = 1000
"""Files of one dataset up to this size and number are read in one tick; the rest waits, for a tick has 60 seconds."""


@dataclass(frozen=True)
class Seen:
    """A file that was asked for: its stamp, and the id of its content."""

    stamp: str
    ingest_id: str


@dataclass(frozen=True)
class Cursor:
    """What the sensor knows: the turn, and by table every file by its source."""

    epoch: str
    turn: int = 0
    seen: Mapping[str, Mapping[str, Seen]] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> "Cursor":
        """The cursor written by `write`."""
        raw = json.loads(text)
        tables = raw["tables"].items()
        seen = {table: {source: Seen(*each) for source, each in files.items()} for table, files in tables}
        return cls(raw["epoch"], raw["turn"], seen)

    def write(self) -> str:
        """The cursor as text."""
        tables = {
            table: {source: [each.stamp, each.ingest_id] for source, each in sorted(files.items())}
            for table, files in self.seen.items()
        }
        return json.dumps({"epoch": self.epoch, "turn": self.turn, "tables": tables})


@dataclass(frozen=True)
class Arrival:
    """A new content of a file, and the partitions that it, or its earlier version, touches."""

    dataset: Dataset
    unit: Unit
    partitions: tuple[str, ...]


def recalled(text: str | None, lake: Lake, settings: Settings, datasets: Iterable[Dataset], now: datetime) -> Cursor:
    """The cursor of that text; of tables that it does not know, what their ingest logs know is seen."""
    cursor = Cursor.read(text) if text else Cursor(now.isoformat())
    new = {_table(each): _logged(lake, settings, each) for each in datasets if _table(each) not in cursor.seen}
    return replace(cursor, seen={**cursor.seen, **new})


def _table(dataset: Dataset) -> str:
    return table_spec(dataset).path


def _logged(lake: Lake, settings: Settings, dataset: Dataset) -> dict[str, Seen]:
    store = QuarantineStore(lake, dataset)
    waiting = {unit.source for unit in adapter_for(dataset, settings).pending(cursor_of(store))}
    logged = store.ingests().select("source", "stamp", pl.coalesce("unreadable_id", "ingest_id")).rows()
    return {source: Seen(stamp, ingest_id) for source, stamp, ingest_id in logged if source not in waiting}


def look(
    lake: Lake,
    settings: Settings,
    datasets: Iterable[Dataset],
    cursor: Cursor,
    now: datetime,
    *,
    most_files: float = RUN_FILES,
    most_bytes: float = RUN_BYTES,
) -> tuple[list[Arrival], Cursor]:
    """The arrivals since the cursor, and the cursor after them, in the same turn."""
    seen = {table: dict(files) for table, files in cursor.seen.items()}
    arrivals: list[Arrival] = []
    shared: dict[Any, Any] = {}
    for dataset in datasets:
        known = seen.setdefault(_table(dataset), {})
        reach = Reach(lake, dataset)
        adapter = adapter_for(dataset, settings, shared=shared)
        changed = _changed(adapter, known, now) if reach.is_open else ()
        for found in _at_most(changed, most_files, most_bytes):
            unit = adapter.identify(found)
            before, known[unit.source] = known.get(unit.source), Seen(unit.stamp, unit.ingest_id)
            if before is None or before.ingest_id != unit.ingest_id:
                arrivals.append(Arrival(dataset, unit, reach.touched(unit, adapter)))
    return arrivals, replace(cursor, seen=seen)


def _changed(adapter: SourceAdapter, known: Mapping[str, Seen], now: datetime) -> Sequence[Unit]:
    return [
        unit
        for unit in adapter.pending(LogCursor())
        if (unit.source not in known or known[unit.source].stamp != unit.stamp) and _is_settled(unit, now)
    ]


def _is_settled(unit: Unit, now: datetime) -> bool:
    """Whether nobody writes the unit any more; one from the future, by another clock, is not waited for."""
    return unit.arrived is None or abs(now - unit.arrived) >= SETTLED


def _at_most(files: Iterable[Unit], most_files: float, most_bytes: float) -> Iterator[Unit]:
    """The first files up to the limits, the one that passes the limit of bytes included."""
    size_bytes = 0
    for place, file in enumerate(files):
        if place >= most_files or size_bytes > most_bytes:
            return
        size_bytes += file.size_bytes
        yield file


@dataclass(frozen=True)
class Reach:
    """Which partitions of a dataset files touch; its ingest log is read once, for all files."""

    lake: Lake
    dataset: Dataset

    @property
    def is_open(self) -> bool:
        """Whether there is a partition to be materialised; there is none before the first one begins."""
        return self.dataset.partitions is None or bool(self._valid)

    def touched(self, unit: Unit, adapter: SourceAdapter) -> tuple[str, ...]:
        """The partitions that a file's rows lie in, with those of its earlier version; empty for an unpartitioned one.

        A file of which nothing can be read is shown at the latest partition that is known, for it must be shown
        somewhere.
        """
        if self.dataset.partitions is None:
            return ()
        found = (self._earlier.get(unit.source, set()) | self._partitions_in(unit, adapter)) & self._valid
        if found:
            return tuple(sorted(found))
        known = set[str]().union(*self._earlier.values()) & self._valid
        return (max(known or {min(self._valid)}),)

    @cached_property
    def _valid(self) -> set[str]:
        definition = partitions_definition(self.dataset.partitions)
        return set(definition.get_partition_keys()) if definition else set()

    @cached_property
    def _earlier(self) -> dict[str, set[str]]:
        logged = QuarantineStore(self.lake, self.dataset).ingests().select("source", "partitions")
        return {source: set(partitions or ()) for source, partitions in logged.iter_rows()}

    def _partitions_in(self, unit: Unit, adapter: SourceAdapter) -> set[str]:
        if self.dataset.partitions is None:
            return set()
        found = set[str]()
        try:
            for batch in adapter.read(unit, columns=[self.dataset.partitions.on]):
                found |= set(partition_keys(batch.rows, self.dataset).drop_nulls().unique())
        except UnreadableUnit:
            pass  # what the batches before said stands; the run says what is wrong
        return found
