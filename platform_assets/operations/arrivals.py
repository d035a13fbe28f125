"""What has landed: each content of each file once for each table, and the partitions that it touches.

The cursor is of bounded size: for each feed a mark, and the units that were asked for lately. What was taken in before
is in the ingest logs, which are read for the tables of new units only, and for these units only.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import cast

from platform_assets.factory.partitioning import existing, fallback_key, partitions_definition
from platform_assets.ingest.inputs import adapter_for, partition_keys
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.ingest.tables import table_spec
from platform_core.contracts import Dataset, Partitions
from platform_resources.settings import Settings
from platform_resources.sources import SourceAdapter, Unit, UnreadableUnit
from platform_resources.sources.base import RecentUnits
from platform_resources.sources.feed import Feed, Mark, WatchedSource, fingerprint, without
from platform_resources.storage import Lake

SETTLED = timedelta(seconds=2)
"""A file younger than this may still be written; it waits for the next tick."""

ASKED_UNITS = 2000
"""So many units are remembered from being asked for to being in the log; without, a crash would ask for them again."""


@dataclass(frozen=True)
class Limits:
    """How many new units, and bytes of them, are read in one look; the rest waits, for a tick has 60 seconds."""

    files: float = 1000
    size_bytes: float = 1 << 30


@dataclass(frozen=True)
class Asked:
    """A version of a unit that was asked for: the fingerprint of its stamp, and the id of its content."""

    fingerprint: int
    ingest_id: str


@dataclass(frozen=True)
class Cursor:
    """What the sensor remembers.

    Attributes:
        epoch: When it began; part of the runs' keys.
        turn: The number of the last tick that asked for runs.
        marks: By feed, how far it was looked through.
        tables: By feed, the tables for which it was.
        asked: The units asked for last, the oldest first, by table and source.
    """

    epoch: str
    turn: int = 0
    marks: Mapping[str, Mark] = field(default_factory=dict)
    tables: Mapping[str, Sequence[str]] = field(default_factory=dict)
    asked: Mapping[tuple[str, str], Asked] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str | None, now: datetime) -> "Cursor":
        """Read the cursor written by `write`; a new one of that instant where there is none, or an older version's."""
        raw = json.loads(text) if text else {}
        if "marks" not in raw:
            return cls(raw.get("epoch", now.isoformat()), raw.get("turn", 0))
        marks = {name: Mark(**{**mark, "waiting": tuple(mark["waiting"])}) for name, mark in raw["marks"].items()}
        asked_units = {(table, source): Asked(*version) for table, source, *version in raw["asked"]}
        return cls(raw["epoch"], raw["turn"], marks, raw["tables"], asked_units)

    def write(self) -> str:
        """Write the cursor as text."""
        asked_units = [(*place, unit.fingerprint, unit.ingest_id) for place, unit in self.asked.items()]
        marks = {name: asdict(mark) for name, mark in self.marks.items()}
        fields = {"epoch": self.epoch, "turn": self.turn, "marks": marks, "tables": self.tables, "asked": asked_units}
        return json.dumps(fields, default=list)


@dataclass(frozen=True)
class Arrival:
    """A new content of a unit, and the partitions that it, or its earlier version, touches.

    Attributes:
        dataset: Which takes it in.
        unit: What came.
        partitions: Those that it touches.
        also: Other datasets that take in the same unit, because their patterns match its name as well.
    """

    dataset: Dataset
    unit: Unit
    partitions: tuple[str, ...]
    also: tuple[str, ...] = ()


def look(
    lake: Lake,
    settings: Settings,
    datasets: Iterable[Dataset],
    cursor: Cursor,
    now: datetime,
    *,
    limits: Limits = Limits(),
    recent: RecentUnits | None = None,
) -> tuple[list[Arrival], Cursor]:
    """Find the arrivals since the cursor; return them, and the cursor after them, in the same turn.

    What is read of them is left in `recent` for a run in this process.
    """
    arrivals: list[Arrival] = []
    for feed, watched in _by_feed(lake, settings, datasets, recent).items():
        visit = Visit(feed, watched, cursor, now)
        arrivals += visit.arrivals(limits)
        cursor = visit.cursor
    return arrivals, cursor


@dataclass(frozen=True)
class Watched:
    """A dataset with its open source."""

    lake: Lake
    dataset: Dataset
    source: WatchedSource

    @property
    def table(self) -> str:
        """The path of its table; another for another major version."""
        return table_spec(self.dataset).path

    @cached_property
    def reach(self) -> "Reach":
        """Which partitions units touch."""
        return Reach(self.lake, self.dataset)

    def logged(self, sources: Sequence[str]) -> dict[str, tuple[int, set[str]]]:
        """Look up what the ingest log knows of the units: the fingerprint of the stamp, and the ids of contents."""
        log = QuarantineStore(self.lake, self.dataset).ingests(sources)
        rows = log.select("source", "stamp", "ingest_id", "unreadable_id").iter_rows()
        return {source: (fingerprint(source, stamp), {known for known in ids if known}) for source, stamp, *ids in rows}


def _by_feed(
    lake: Lake, settings: Settings, datasets: Iterable[Dataset], recent: RecentUnits | None
) -> dict[Feed, list[Watched]]:
    """Return the datasets by the feed that they share; one whose first partition has not begun waits."""
    by_feed: dict[Feed, list[Watched]] = {}
    for dataset in datasets:
        watched = Watched(lake, dataset, cast("WatchedSource", adapter_for(dataset, settings, recent=recent)))
        if watched.reach.is_open:
            by_feed.setdefault(watched.source.feed, []).append(watched)
    return by_feed


class Visit:
    """One look at a feed."""

    def __init__(self, feed: Feed, watched: Sequence[Watched], cursor: Cursor, now: datetime) -> None:
        self.feed, self.watched, self.now = feed, watched, now
        self.cursor = cursor
        self.asked = dict(cursor.asked)

    def arrivals(self, limits: Limits) -> list[Arrival]:
        """Find the new units up to the limits, and move the cursor behind them."""
        listing = self.feed.listing()
        tables = sorted(watched.table for watched in self.watched)
        mark = self.cursor.marks.get(self.feed.name, Mark())
        if self.cursor.tables.get(self.feed.name) != tables:
            mark = Mark()
        elif mark.listing == listing.digest:
            return []
        units, total = listing.after(mark)
        known = self._known_facts(units)
        if mark != Mark() and total != without(mark.total, self._earlier(units, known, mark)):
            mark = Mark()
            units, total = listing.after(mark)
            known = self._known_facts(units)
        mark = replace(mark, total=total, waiting=(), listing="")
        arrivals, mark, is_complete = self._take(units, known, mark, limits)
        if is_complete and not mark.waiting:
            mark = replace(mark, listing=listing.digest)
        arrivals = placed(arrivals, {watched.dataset.name: watched.reach for watched in self.watched})
        marks = {**self.cursor.marks, self.feed.name: mark}
        asked_units = dict(list(self.asked.items())[-ASKED_UNITS:])
        self.cursor = replace(
            self.cursor, marks=marks, tables={**self.cursor.tables, self.feed.name: tables}, asked=asked_units
        )
        return arrivals

    def _take(
        self, units: Sequence[Unit], known: "Known", mark: Mark, limits: Limits
    ) -> tuple[list[Arrival], Mark, bool]:
        """Go through the units in their order, until as many were read as may be; the last one may pass the limit."""
        arrivals: list[Arrival] = []
        files, size_bytes = 0, 0
        for unit in units:
            if files >= limits.files or size_bytes > limits.size_bytes:
                return arrivals, mark, False
            behind = max((mark.arrived, mark.source), (unit.arrived, unit.source))
            if not _is_settled(unit, self.now) and len(mark.waiting) < ASKED_UNITS:
                mark = replace(mark, arrived=behind[0], source=behind[1], waiting=(*mark.waiting, unit.source))
                continue
            news = [watched for watched in known.covering[unit.source] if self._is_news(watched, unit, known)]
            if news:
                arrivals += self._arrivals_of(news, unit, known)
                files, size_bytes = files + 1, size_bytes + unit.size_bytes
            elif not known.covering[unit.source]:
                self._remember("", unit)
            mark = replace(mark, arrived=behind[0], source=behind[1], total=mark.plus(unit))
        return arrivals, mark, True

    def _known_facts(self, units: Sequence[Unit]) -> "Known":
        """Return what is known of the units: which datasets cover them, and what their logs say."""
        covering = {unit.source: [watched for watched in self.watched if watched.source.covers(unit)] for unit in units}
        sources: dict[str, list[str]] = {}
        for source, datasets in covering.items():
            for watched in datasets:
                sources.setdefault(watched.table, []).append(source)
        by_table = {watched.table: watched for watched in self.watched}
        return Known(covering, {table: by_table[table].logged(names) for table, names in sources.items()})

    def _is_news(self, watched: Watched, unit: Unit, known: "Known") -> bool:
        """Whether the unit's version is another than the ones that were asked for, or that the log knows."""
        now = fingerprint(unit.source, unit.stamp)
        asked_unit = self.asked.get((watched.table, unit.source))
        if asked_unit is not None:
            return asked_unit.fingerprint != now
        logged = known.logs[watched.table].get(unit.source)
        return logged is None or logged[0] != now

    def _arrivals_of(self, news: Sequence[Watched], unit: Unit, known: "Known") -> Iterator[Arrival]:
        """Yield the arrivals of a unit at the datasets to which its version is news, unless its content is none."""
        for watched in news:
            identified = watched.source.identify(unit)
            asked_unit = self.asked.get((watched.table, unit.source))
            contents = (
                {asked_unit.ingest_id} if asked_unit else known.logs[watched.table].get(unit.source, (0, set()))[1]
            )
            self._remember(watched.table, identified)
            if identified.ingest_id not in contents:
                others = {other.dataset.name for other in known.covering[unit.source]} - {watched.dataset.name}
                touched = watched.reach.touched(identified, watched.source)
                yield Arrival(watched.dataset, identified, touched, tuple(sorted(others)))

    def _remember(self, table: str, unit: Unit) -> None:
        """Note that this version was asked for; the latest one goes to the end."""
        self.asked.pop((table, unit.source), None)
        self.asked[table, unit.source] = Asked(fingerprint(unit.source, unit.stamp), unit.ingest_id)

    def _earlier(self, units: Sequence[Unit], known: "Known", mark: Mark) -> list[int]:
        """Return the fingerprints of the versions before of those units that the mark's total has already."""
        earlier = []
        for unit in units:
            if unit.source in mark.waiting:
                continue
            tables = ["", *(watched.table for watched in known.covering[unit.source])]
            asked_fingerprints = [
                version.fingerprint for table in tables if (version := self.asked.get((table, unit.source)))
            ]
            logged = [log[unit.source][0] for table in tables[1:] if unit.source in (log := known.logs[table])]
            earlier += (asked_fingerprints or logged)[:1]
        return earlier


@dataclass(frozen=True)
class Known:
    """What is known of some units.

    Attributes:
        covering: By source, the datasets that take it in.
        logs: By table and source, the fingerprint of the logged stamp, and the ids of logged contents.
    """

    covering: Mapping[str, Sequence[Watched]]
    logs: Mapping[str, Mapping[str, tuple[int, set[str]]]]


def _is_settled(unit: Unit, now: datetime) -> bool:
    """Whether nobody writes the unit any more; one from the future, by another clock, is not waited for."""
    return unit.modified is None or abs(now - unit.modified) >= SETTLED


@dataclass(frozen=True)
class Reach:
    """Which partitions of a dataset units touch; its ingest log is read once, for all units."""

    lake: Lake
    dataset: Dataset

    @property
    def is_open(self) -> bool:
        """Whether there is a partition to be materialised; there is none before the first one begins."""
        time = self.dataset.partitions.time if self.dataset.partitions else None
        return time is None or self._first_key(time) is not None

    def touched(self, unit: Unit, source: SourceAdapter) -> tuple[str, ...]:
        """List the partitions of a unit's rows, with those of its earlier version; none where nothing can be read."""
        if self.dataset.partitions is None:
            return ()
        partitions = self.dataset.partitions
        keys = self._earlier.get(unit.source, set()) | self._partitions_in(unit, source)
        return tuple(sorted(existing(partitions, keys)))

    def latest(self) -> str | None:
        """Return the latest partition that is known, or the first one; None for an unpartitioned dataset."""
        partitions = self.dataset.partitions
        if partitions is None:
            return None
        return max(existing(partitions, set[str]().union(*self._earlier.values())) or {fallback_key(partitions)})

    def _first_key(self, time: Partitions) -> str | None:
        definition = partitions_definition(time)
        return definition.get_first_partition_key() if definition else None

    @cached_property
    def _earlier(self) -> dict[str, set[str]]:
        logged = QuarantineStore(self.lake, self.dataset).ingests().select("source", "partitions")
        return {source: set(partitions or ()) for source, partitions in logged.iter_rows()}

    def _partitions_in(self, unit: Unit, source: SourceAdapter) -> set[str]:
        if self.dataset.partitions is None:
            return set()
        keys = set[str]()
        try:
            for batch in source.read(unit, columns=list(self.dataset.partitions.columns)):
                keys |= set(partition_keys(batch.rows, self.dataset).drop_nulls().unique())
        except UnreadableUnit:
            pass  # what the batches before said stands; the run says what is wrong
        return keys


def shared_units(arrivals: Iterable[Arrival]) -> list[str]:
    """Say of each unit that several datasets take in which they are: patterns that overlap are seldom meant."""
    shared = [arrival for arrival in arrivals if arrival.also]
    takers = {arrival.unit.source: sorted({arrival.dataset.name, *arrival.also}) for arrival in shared}
    return [
        f"{source}: is taken in by {' and by '.join(names)}, for the pattern of each matches its name. "
        "Fix: narrow one of the patterns, unless all of them are to have it."
        for source, names in takers.items()
    ]


def placed(arrivals: Sequence[Arrival], reach: Mapping[str, Reach]) -> list[Arrival]:
    """Give units of which nothing can be read a partition, for a run has to name one.

    It is the latest one that another unit of the dataset brings now, else the latest one that is known.

    Args:
        arrivals: As they were read.
        reach: By the name of the dataset.
    """
    brought: dict[str, set[str]] = {}
    for arrival in arrivals:
        brought.setdefault(arrival.dataset.name, set()).update(arrival.partitions)
    latest = {name: max(keys) if keys else reach[name].latest() for name, keys in brought.items()}
    return [
        arrival if arrival.partitions or (key := latest[arrival.dataset.name]) is None
        else replace(arrival, partitions=(key,))
        for arrival in arrivals
    ]  # fmt: skip
