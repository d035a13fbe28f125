"""What tables say: rows, bytes, partitions, quarantine, quality, promises; read again where something was written.

Reading ten thousand tables takes minutes, so that servers read for a limited time at once, those first that were
written since, then those read longest ago. What was read is kept over a restart, and holds until the table is written.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from platform_assets.ingest import table_spec
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.location import CodeLocation
from platform_assets.operations.history import MaterialisationRecord
from platform_assets.operations.quality import quality_score
from platform_assets.operations.sla import promises_of, times_of
from platform_core.contracts import Dataset
from platform_resources.errors import ResourceError
from platform_resources.telemetry.reading_store import ReadingStore

_FIRST_SECONDS = 3.0
_PAGE_SECONDS = 10.0
"""So long tables are read at once, the first time and then; the rest follows."""
_AGAIN_SECONDS = 600.0
_KIND = "dataset/1"
"""Of the stored readings; another shape is another kind."""
_PROMISE_WINDOW = timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class DatasetReading:
    """What was read of a dataset; None where there is nothing, or it could not be read.

    Attributes:
        read_at: Seconds since the epoch.
        behind: The materialisation that was the last then, in seconds since the epoch.
        score: Quality from 0 to 100.
        promises: By name.
    """

    read_at: float
    behind: float | None
    rows: int | None = None
    size_bytes: int | None = None
    partitions: int | None = None
    quarantined: int | None = None
    score: float | None = None
    promises: Mapping[str, "PromiseReading"]


@dataclass(frozen=True, kw_only=True)
class PromiseReading:
    """A promise over 30 days.

    Attributes:
        share: The share of time, or of inputs, in which it was kept; None where that is not known.
        kept: None where it could not be measured.
        burn: How often the error budget is used up; None where there is none.
    """

    share: float | None
    kept: bool | None
    burn: float | None


def readings_store(location: CodeLocation) -> ReadingStore:
    """Return where the servers of an environment keep what they read."""
    return ReadingStore(Path(location.settings.state) / "readings" / f"{location.settings.environment}.db")


class DatasetReadings:
    """The readings of all datasets of a location."""

    def __init__(self, location: CodeLocation, store: ReadingStore) -> None:
        self._location, self._store = location, store
        self._readings = {name: _stored(document) for name, document in store.load(_KIND).items()}
        self._seconds = _FIRST_SECONDS

    def read_due(self, instance: dg.DagsterInstance, records: Mapping[str, MaterialisationRecord]) -> None:
        """Read tables that were written since or read long ago, for so long as a page may take."""
        began, now = time.monotonic(), time.time()
        read: dict[str, DatasetReading] = {}
        behind = {name: behind_of(records, name) for name in self._location.catalog.datasets}
        due = sorted((name for name in behind if self._is_due(name, behind[name], now)), key=self._urgency(behind))
        for name in due:
            read[name] = _read(self._location, self._location.catalog[name], instance, behind[name])
            if time.monotonic() - began > self._seconds:
                break
        self._seconds = _PAGE_SECONDS
        self._readings |= read
        self._store.save({_KIND: {name: asdict(reading) for name, reading in read.items()}})

    def newest(self, name: str, behind: float | None) -> DatasetReading | None:
        """Return what was read of a dataset behind its last materialisation; None where that is still to be read."""
        reading = self._readings.get(name)
        return reading if reading is not None and reading.behind == behind else None

    def _is_due(self, name: str, behind: float | None, now: float) -> bool:
        reading = self._readings.get(name)
        if reading is None or reading.behind != behind or reading.quarantined:
            return True  # decisions on envelopes leave no event
        return not 0 <= now - reading.read_at <= _AGAIN_SECONDS

    def _urgency(self, behind: Mapping[str, float | None]) -> Callable[[str], tuple[bool, float]]:
        """Return a key by which those written since come first, then those read longest ago."""

        def urgency(name: str) -> tuple[bool, float]:
            reading = self._readings.get(name)
            return (False, 0.0) if reading is None else (reading.behind == behind[name], reading.read_at)

        return urgency


def _read(
    location: CodeLocation, dataset: Dataset, instance: dg.DagsterInstance, behind: float | None
) -> DatasetReading:
    lake, spec, now = location.lake, table_spec(dataset), datetime.now(UTC)
    facts: dict[str, Any] = {"read_at": now.timestamp(), "behind": behind, "promises": {}}
    try:
        times = times_of(location, dataset, instance, now - _PROMISE_WINDOW)
        measured = promises_of(location, dataset, times, now, _PROMISE_WINDOW)
        facts["promises"] = {
            promise.name: PromiseReading(share=promise.share, kept=promise.kept, burn=promise.burn)
            for promise in measured
        }
        if lake.exists(spec):
            statistics = lake.operations(spec).statistics()
            partitions = len(statistics.partitions) if dataset.partitions else None
            facts |= {"rows": statistics.rows, "size_bytes": statistics.size_bytes, "partitions": partitions}
        if dataset.quarantine:
            facts["quarantined"] = QuarantineStore(lake, dataset).envelopes(decision="open").height
        facts["score"] = quality_score(location, dataset).total
    except ResourceError:
        return DatasetReading(read_at=now.timestamp(), behind=behind, promises={})  # absent, so a gap in the series
    return DatasetReading(**facts)


def _stored(document: Mapping[str, Any]) -> DatasetReading:
    promises = {
        name: PromiseReading(share=promise.get("share"), kept=promise["kept"], burn=promise["burn"])
        for name, promise in document["promises"].items()
    }
    return DatasetReading(**{**document, "promises": promises})


def behind_of(records: Mapping[str, MaterialisationRecord], name: str) -> float | None:
    """Return the instant of a dataset's last materialisation, in seconds since the epoch."""
    record = records.get(name)
    return record.at.timestamp() if record else None
