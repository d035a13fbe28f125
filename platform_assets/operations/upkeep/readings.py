"""Who read a table, and when, from Dagster's own event log: each materialisation of an asset read what it is made from.

Nothing is recorded for it alone. What a materialisation adds under `reads` are the columns by whose values a transform
chose its rows, as the plan of its query says.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from platform_assets.factory.effort import CPU, PEAK
from platform_assets.factory.reads import READS
from platform_assets.operations.upkeep.tables import KeptTable, Reader
from platform_core.upkeep import History, Read, StepFacts
from platform_resources.storage.io_manager import STORING_CPU

WINDOW = timedelta(days=90)
MOST_EVENTS = 500
"""Of one asset; a longer history is cut to the latest, and the window with it."""
MOST_RUNS = 20
"""Of one asset, for how long its steps take."""
_TIMED = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.ENGINE_EVENT}


@dataclass(frozen=True)
class Events:
    """The materialisations of one asset within the window, newest first; the oldest are left out where `cut`."""

    records: Sequence[dg.EventLogRecord]
    cut: bool

    @property
    def oldest(self) -> datetime | None:
        """When the oldest that is known was; None without any."""
        return _at(self.records[-1]) if self.records else None


@dataclass
class Readings:
    """Readings, as far as an instance remembers them; each asset's events are fetched once."""

    instance: dg.DagsterInstance
    now: datetime

    def __post_init__(self) -> None:
        self._known: dict[dg.AssetKey, Events] = {}

    def of(self, table: KeptTable) -> History:
        """Return the readings of a table by assets that are made from it.

        The window begins with the first event of all, for nobody knows what was before, and not before any asset's
        events are known without a gap.
        """
        reads = [read for reader in table.readers for read in self._by(table, reader)]
        events = [self._events(key) for key in {table.key, *(reader.key for reader in table.readers)}]
        oldest = [event.oldest for event in events if event.oldest is not None]
        if not reads or not oldest:
            return History()
        begins = max([min(oldest), *(event.oldest for event in events if event.oldest is not None and event.cut)])
        return History(reads=tuple(read for read in reads if read.at >= begins), window=self.now - begins)

    def longest(self, table: KeptTable) -> timedelta:
        """Return the longest step of the assets that are made from a table."""
        seconds = [step.seconds for reader in table.readers for step in self.steps(reader.key)]
        return timedelta(seconds=max(seconds, default=0))

    def steps(self, key: dg.AssetKey) -> list[StepFacts]:
        """Return the latest steps that made an asset, newest first; one that still works is left out."""
        by_run = {record.run_id: record for record in self._events(key).records}
        name = key.to_user_string()
        steps = (_step(self.instance, name, record) for record in list(by_run.values())[:MOST_RUNS])
        return [step for step in steps if step is not None]

    def _events(self, key: dg.AssetKey) -> Events:
        if key not in self._known:
            start = self.now - WINDOW
            record_filter = dg.AssetRecordsFilter(asset_key=key, after_timestamp=start.timestamp())
            records = self.instance.fetch_materializations(record_filter, limit=MOST_EVENTS).records
            self._known[key] = Events(records, cut=len(records) == MOST_EVENTS)
        return self._known[key]

    def _by(self, table: KeptTable, reader: Reader) -> Iterator[Read]:
        """Yield a reading for each run of the reader, of all the partitions that it made."""
        by_run: dict[str, list[dg.EventLogRecord]] = defaultdict(list)
        for record in self._events(reader.key).records:
            by_run[record.run_id].append(record)
        for records in by_run.values():
            keys = {record.partition_key for record in records} if reader.alike else {None}
            yield Read(
                at=min(map(_at, records)),
                reader=reader.key.to_user_string(),
                partitions=None if None in keys else tuple(sorted(str(key) for key in keys)),
                filters=_filters(records, table.key.to_user_string()),
            )


def _at(record: dg.EventLogRecord) -> datetime:
    return datetime.fromtimestamp(record.timestamp, UTC)


def _filters(records: Iterable[dg.EventLogRecord], table: str) -> tuple[str, ...]:
    columns: dict[str, None] = {}
    for record in records:
        reads = _metadata(record).get(READS)
        filters = reads.value if isinstance(reads, dg.JsonMetadataValue) else {}
        if isinstance(filters, Mapping):
            columns |= dict.fromkeys(filters.get(table, ()))
    return tuple(columns)


def _metadata(record: dg.EventLogRecord) -> Mapping[str, dg.MetadataValue]:
    return record.asset_materialization.metadata if record.asset_materialization else {}


def _step(instance: dg.DagsterInstance, name: str, record: dg.EventLogRecord) -> StepFacts | None:
    """How long the step that made it took and waited for its pool, by the run's own log; None while it works."""
    at: dict[str, float] = {}
    for entry in instance.all_logs(record.run_id, of_type=_TIMED):
        event = entry.dagster_event
        if event is not None and event.step_key == record.event_log_entry.step_key:
            at.setdefault(event.event_type_value, entry.timestamp)
    if not {"STEP_START", "STEP_SUCCESS"} <= at.keys():
        return None
    metadata = _metadata(record)
    memory, cpu_seconds, stored = (_number(metadata, name) for name in (PEAK, CPU, STORING_CPU))
    return StepFacts(
        asset=name,
        seconds=at["STEP_SUCCESS"] - at["STEP_START"],
        cpu_seconds=None if cpu_seconds is None else cpu_seconds + (stored or 0),
        measured_seconds=None if cpu_seconds is None else record.timestamp - at["STEP_START"],
        peak_memory_bytes=None if memory is None else int(memory),
        waited_seconds=max(0.0, at["STEP_START"] - at.get("ENGINE_EVENT", at["STEP_START"])),
    )


def _number(metadata: Mapping[str, dg.MetadataValue], name: str) -> float | None:
    value = metadata[name].value if name in metadata else None
    return float(value) if isinstance(value, int | float) else None
