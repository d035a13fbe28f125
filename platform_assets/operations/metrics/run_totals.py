"""Counters of what ever happened: events by kind, runs and steps by state and duration.

They are counted once, behind a cursor over the event log, and kept with that cursor, so that they go on over a restart
of the exporter, and do not fall when the log is pruned. Runs that ended before the exporter first saw the log are
counted portion by portion; until that is done there is no series, because it would rise without anything happening.
"""

import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from platform_assets.operations.event_log import EventCursor, history_id, newest_event, read_changes
from platform_assets.operations.metrics.families import Family, counter, histogram

_KINDS = {
    "ASSET_MATERIALIZATION": "materialization", "ASSET_CHECK_EVALUATION": "check_evaluation",
    "PIPELINE_SUCCESS": "run_success", "PIPELINE_FAILURE": "run_failure", "PIPELINE_CANCELED": "run_canceled",
    "PIPELINE_START": "run_start",
}  # fmt: skip
_ENDS = {"PIPELINE_SUCCESS": "success", "PIPELINE_FAILURE": "failure", "PIPELINE_CANCELED": "canceled"}
_EVENTS_AT_ONCE = 20_000
_STEP_STATES = ("success", "failure", "skipped")
BOUNDS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)
"""Upper ends of the buckets of durations, in seconds; each end is within its bucket."""


@dataclass
class Durations:
    """A histogram of seconds: how many up to each of `BOUNDS`, then above all; and their sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    def buckets(self) -> list[tuple[str, int]]:
        """Return the buckets as OpenMetrics has them, each with all below it."""
        totals = [sum(self.counts[: place + 1]) for place in range(len(self.counts))]
        return list(zip([*map(str, BOUNDS), "+Inf"], totals, strict=True))


@dataclass
class RunTotals:
    """What was counted so far.

    Attributes:
        storage: The history that was counted; another begins at nothing.
        unread: Runs that ended and whose steps were not read yet, with how they ended.
        is_behind: Whether the log has more events than were counted.
    """

    storage: str = ""
    cursor: EventCursor = field(default_factory=EventCursor)
    events: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_KINDS.values(), 0))
    runs: dict[str, Durations] = field(default_factory=lambda: {state: Durations() for state in _ENDS.values()})
    steps: dict[str, Durations] = field(default_factory=lambda: {state: Durations() for state in _STEP_STATES})
    unread: list[tuple[str, str]] = field(default_factory=list)
    is_behind: bool = True

    def read(self, instance: dg.DagsterInstance, *, seconds: float) -> bool:
        """Count what happened since the last reading, runs for so many seconds; return whether anything was new."""
        storage = history_id(instance)
        if storage != self.storage or newest_event(instance).last < self.cursor.last:
            fresh = RunTotals(storage=storage)
            self.__dict__.update(fresh.__dict__)
        began, before = time.monotonic(), (self.cursor.last, len(self.unread))
        self.is_behind = True
        while self.is_behind and time.monotonic() - began < seconds:
            self.is_behind = self._count_events(instance)
        while self.unread and time.monotonic() - began < seconds:
            self._count_run(instance, *self.unread.pop(0))
        return before != (self.cursor.last, len(self.unread))

    def _count_events(self, instance: dg.DagsterInstance) -> bool:
        """Count a portion of events; return whether there are more."""
        types = [dg.DagsterEventType(kind) for kind in _KINDS]
        lines, self.cursor = read_changes(instance, self.cursor, types, limit=_EVENTS_AT_ONCE)
        for line in lines:
            self.events[_KINDS[line.event_type]] += 1
            if line.event_type in _ENDS:
                self.unread.append((line.run_id, _ENDS[line.event_type]))
        return len(lines) == _EVENTS_AT_ONCE

    def _count_run(self, instance: dg.DagsterInstance, run_id: str, state: str) -> None:
        record = instance.get_run_record_by_id(run_id)
        if record is None:
            return  # deleted since
        if record.end_time is not None:
            self.runs[state].add(record.end_time - (record.start_time or record.end_time))
        for step in instance.get_run_step_stats(run_id):
            ended = step.status.value.lower() if step.status else ""
            if ended in self.steps:
                self.steps[ended].add((step.end_time or 0.0) - (step.start_time or step.end_time or 0.0))

    def document(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {
            "storage": self.storage,
            "cursor": [self.cursor.last, sorted(self.cursor.recent)],
            "events": self.events,
            "runs": {state: [run.counts, run.seconds] for state, run in self.runs.items()},
            "steps": {state: [step.counts, step.seconds] for state, step in self.steps.items()},
            "unread": self.unread,
        }

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> "RunTotals":
        """Read what was stored."""
        last, recent = document["cursor"]
        return RunTotals(
            storage=document["storage"],
            cursor=EventCursor(last, frozenset(recent)),
            events=dict(document["events"]),
            runs=_durations(document["runs"]),
            steps=_durations(document["steps"]),
            unread=[(run_id, state) for run_id, state in document["unread"]],
        )

    def families(self) -> Iterator[Family]:
        """Yield the metric families."""
        if self.is_behind:
            return
        events = counter("events", "Events in Dagster's log by kind", "kind")
        for kind, number in self.events.items():
            events.add([kind], number)
        yield events
        if self.unread:
            return
        for name, help_, by_state in (
            ("run_duration_seconds", "Runs that ended, by how and how long they took", self.runs),
            ("step_duration_seconds", "Steps of runs that ended, by how and how long they took", self.steps),
        ):
            family = histogram(name, help_, "status")
            for state, durations in by_state.items():
                family.add_histogram([state], durations.buckets(), durations.seconds)
            yield family


def _durations(stored: Mapping[str, Sequence[Any]]) -> dict[str, Durations]:
    return {state: Durations(list(counts), seconds) for state, (counts, seconds) in stored.items()}
