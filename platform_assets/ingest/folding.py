"""From a declared fold to a function of (state, rows of an input) to (state, rows, late rows).

A folding knows no table and no broker, so that a worker, a replay and a test feed it alike. Its state is a frozen
record of frames, of event time's progress and of plain values, which `fold_state` keeps.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

import polars as pl

from platform_assets.ingest.tables import INGEST, SOURCE
from platform_core.anomaly import Detector, score_rows
from platform_core.contracts import Catalog, Dataset
from platform_core.contracts.folds import (
    AsOf,
    Counted,
    Featured,
    Fold,
    Hopping,
    Lookup,
    Near,
    Pattern,
    Scored,
    Sessions,
    Sliding,
    Tumbling,
)
from platform_core.features.compute import FeatureState, compute_features, fold_features
from platform_core.streaming import (
    Clock,
    JoinState,
    PatternState,
    WindowState,
    close_windows,
    fold_interval_join,
    fold_pattern,
    fold_windows,
    look_up,
    look_up_as_of,
)
from platform_core.streaming.declared import Windowed, as_key, join_of, pattern_of, window_of
from platform_core.streaming.watermarks import advance

_DETECTOR, _TABLE = "detector:", "table:"
_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Step:
    """What some rows brought: the state behind them, the rows that came out, and those that came too late."""

    state: Any
    rows: pl.DataFrame
    late: pl.DataFrame


class Folding(ABC):
    """One declared fold."""

    @abstractmethod
    def begin(self) -> Any:
        """Return the state before any row."""

    @abstractmethod
    def step(self, state: Any, name: str, rows: pl.DataFrame, now: datetime) -> Step:
        """Take rows of an input in, in the order in which they came.

        Args:
            state: What the step before gave; it is not changed.
            name: The input's.
            rows: Its contract's columns and `_source`; may be empty.
            now: The present, by which idle partitions are found.
        """

    def renew(self, state: Any) -> str | None:
        """Return a note of what the fold reads beside its inputs, as a table's version; None where it is as before.

        The note is kept among the steps, so that a replay reads the same.
        """
        del state
        return None

    def recall(self, state: Any, note: str) -> Any:
        """Return the state that reads, from the next row on, what the note says."""
        del state
        raise ValueError(f"{type(self).__name__} reads nothing beside its inputs, such as {note!r}")

    def compute(self, inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        """Return what comes out of whole histories, computed at once: what a stream must give in the end."""
        state, parts = self.begin(), []
        for name, rows in inputs.items():
            step = self.step(state, name, rows, _END_OF_TIME)
            state = step.state
            parts.append(step.rows)
        return pl.concat([part for part in parts if part.width])


class DetectorStore(Protocol):
    """Where the detectors of a dataset are kept, by version."""

    def train(self, rows: pl.DataFrame) -> tuple[str, Detector]:
        """Return a detector trained on the rows, with its version; the same rows give the same."""

    def load(self, version: str) -> Detector:
        """Return the detector of a version, bit for bit as it was trained."""

    def current(self) -> str | None:
        """Return the version that scores from now on; None before one was trained."""


class TableStore(Protocol):
    """Where the table is that a lookup looks into."""

    def current(self) -> str:
        """Return the table's version."""

    def load(self, version: str) -> pl.DataFrame:
        """Return the key and the columns that are taken, as they were in a version."""


def folding_of(
    catalog: Catalog, dataset: Dataset, detectors: DetectorStore | None = None, table: TableStore | None = None
) -> Folding:
    """Return the folding that a dataset declares.

    Args:
        catalog: All declared datasets.
        dataset: Whose source is a fold.
        detectors: For scores.
        table: For lookups.
    """
    source = dataset.source
    if not isinstance(source, Fold):
        raise TypeError(f"{dataset.name} is no fold")
    clocks = {name: _clock(catalog[name], source) for name in source.inputs}
    if isinstance(source, Tumbling | Hopping | Sessions | Sliding | Counted):
        return _WindowFolding(source, clocks[source.of])
    if isinstance(source, Pattern):
        return _PatternFolding(source, clocks[source.of])
    if isinstance(source, Near):
        empty = {name: _no_rows(catalog[name]) for name in source.inputs}
        return _JoinFolding(source, clocks, empty)
    if isinstance(source, Featured):
        return _FeatureFolding(source, clocks[source.of])
    if isinstance(source, Scored) and detectors is not None:
        return ScoreFolding(source, detectors)
    if isinstance(source, Lookup) and table is not None:
        return _LookupFolding(source, clocks[source.of], table)
    raise TypeError(f"{dataset.name}: {type(source).__name__} is a fold that nothing computes")


def _clock(above: Dataset, source: Fold) -> Clock:
    topic = above.source.stream if above.source is not None else None
    if topic is None or topic.event_time is None:
        raise TypeError(f"{above.name} is no stream with event time")
    return Clock(time=topic.event_time, lateness=topic.lateness, partition=SOURCE, idle=source.idle)


def _no_rows(dataset: Dataset) -> pl.DataFrame:
    types = {column.name: column.dtype for column in dataset.columns}
    return pl.DataFrame(schema={**types, SOURCE: pl.String(), INGEST: pl.String()})


@dataclass(frozen=True)
class _WindowFolding(Folding):
    source: Windowed
    clock: Clock

    def begin(self) -> WindowState:
        return WindowState()

    def step(self, state: WindowState, name: str, rows: pl.DataFrame, now: datetime) -> Step:
        del name
        kept, closed = fold_windows(window_of(self.source, self.clock), state, rows, now=now)
        return Step(kept, self._of_instants(closed.windows), closed.late)

    def compute(self, inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        """Compute the windows of rows none of which is late: all of them, closed."""
        window = replace(window_of(self.source, self.clock), clock=Clock(time=self.clock.time))
        rows = inputs[self.source.of]
        if not isinstance(self.source, Counted):  # it counts in the order in which rows came
            rows = rows.sort(self.clock.time, maintain_order=True)
        state, closed = fold_windows(window, WindowState(), rows, now=_END_OF_TIME)
        return self._of_instants(pl.concat([closed.windows, close_windows(window, state)[1].windows]))

    def _of_instants(self, windows: pl.DataFrame) -> pl.DataFrame:
        """Return one of the equal windows that slide with rows of one instant; they come out together."""
        if not isinstance(self.source, Sliding):
            return windows
        return windows.unique([*self.source.key, "window_end"], keep="first", maintain_order=True)


@dataclass(frozen=True)
class _PatternFolding(Folding):
    source: Pattern
    clock: Clock

    def begin(self) -> PatternState:
        return PatternState()

    def step(self, state: PatternState, name: str, rows: pl.DataFrame, now: datetime) -> Step:
        del name
        kept, ends = fold_pattern(pattern_of(self.source, self.clock), state, rows, now=now)
        return Step(kept, ends.rows, ends.late)


@dataclass(frozen=True)
class _JoinFolding(Folding):
    source: Near
    clocks: Mapping[str, Clock]
    empty: Mapping[str, pl.DataFrame]

    def begin(self) -> JoinState:
        return JoinState()

    def step(self, state: JoinState, name: str, rows: pl.DataFrame, now: datetime) -> Step:
        sides = dict(self.empty) | {name: rows}
        join = join_of(self.source, self.clocks[self.source.left], self.clocks[self.source.right])
        kept, joined = fold_interval_join(join, state, sides[self.source.left], sides[self.source.right], now=now)
        return Step(kept, joined.pairs, joined.late_left if name == self.source.left else joined.late_right)


@dataclass(frozen=True)
class _FeatureFolding(Folding):
    source: Featured
    clock: Clock

    def begin(self) -> FeatureState:
        return FeatureState()

    def step(self, state: FeatureState, name: str, rows: pl.DataFrame, now: datetime) -> Step:
        del name
        _, watermark = advance(self.clock, state.progress, rows, now)
        at = rows.select(pl.col(self.clock.time).dt.timestamp("us")).to_series()
        kept, answers, late = fold_features(
            self.source.features, state, rows, rows.filter(at >= watermark), clock=self.clock, instant=self.clock.time,
            now=now,
        )  # fmt: skip
        return Step(kept, answers, late)

    def compute(self, inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        """Compute the features as of each row of a history."""
        rows, time = inputs[self.source.of], self.clock.time
        return compute_features(self.source.features, rows, rows, time=time, instant=time)


@dataclass(frozen=True)
class LookupState:
    """The version of the table that is looked into."""

    version: str | None = None


@dataclass
class _LookupFolding(Folding):
    source: Lookup
    clock: Clock
    table: TableStore
    loaded: dict[str, pl.DataFrame] = field(default_factory=dict)

    def begin(self) -> LookupState:
        return LookupState()

    def renew(self, state: LookupState) -> str | None:
        current = self.table.current()
        return None if current == state.version else f"{_TABLE}{current}"

    def recall(self, state: LookupState, note: str) -> LookupState:
        return replace(state, version=note.removeprefix(_TABLE))

    def step(self, state: LookupState, name: str, rows: pl.DataFrame, now: datetime) -> Step:
        del name, now
        version = state.version or self.table.current()
        if version not in self.loaded:
            self.loaded = {version: self.table.load(version)}
        by, table = as_key(self.source.by), self.loaded[version]
        if isinstance(self.source, AsOf):
            found = look_up_as_of(rows, table, by=by, time=self.clock.time, valid_from=self.source.valid_from)
        else:
            found = look_up(rows, table, by=by)
        return Step(LookupState(version), found, rows.clear())

    def compute(self, inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        """Look a history up in the table as it is now."""
        return self.step(self.begin(), self.source.of, inputs[self.source.of], _END_OF_TIME).rows


@dataclass(frozen=True)
class ScoreState:
    """Rows that wait for a detector, and the version of the one that scores."""

    waiting: pl.DataFrame | None = None
    version: str | None = None


@dataclass
class ScoreFolding(Folding):
    """Scores by a detector that is trained on the first rows, or by one that its asset or a person trained."""

    source: Scored
    detectors: DetectorStore
    loaded: dict[str, Detector] = field(default_factory=dict)

    def begin(self) -> ScoreState:
        """Return the state before any row: no detector."""
        return ScoreState()

    def renew(self, state: ScoreState) -> str | None:
        """Return the version that its asset or a person trained since, or before there was a row."""
        current = self.detectors.current()
        return None if current in (None, state.version) else f"{_DETECTOR}{current}"

    def recall(self, state: ScoreState, note: str) -> ScoreState:
        """Score by the version of the note from the next row on."""
        return replace(state, version=note.removeprefix(_DETECTOR))

    def step(self, state: ScoreState, name: str, rows: pl.DataFrame, now: datetime) -> Step:
        """Score the rows, or let them wait for a detector."""
        del name, now
        waiting = rows if state.waiting is None else pl.concat([state.waiting, rows])
        if state.version is None and waiting.height < self.source.train_on:
            return Step(replace(state, waiting=waiting), rows.clear(), rows.clear())
        version = state.version
        if version is None:
            version, self.loaded[""] = self.detectors.train(waiting.head(self.source.train_on))
            self.loaded[version] = self.loaded.pop("")
        return Step(ScoreState(None, version), score_rows(self._detector(version), waiting), rows.clear())

    def compute(self, inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        """Score a history by the detector trained on its first rows."""
        return self.step(self.begin(), self.source.of, inputs[self.source.of], _END_OF_TIME).rows

    def _detector(self, version: str) -> Detector:
        if version not in self.loaded:
            self.loaded[version] = self.detectors.load(version)
        return self.loaded[version]
