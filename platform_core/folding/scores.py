"""Scores of a stream's rows by a detector that is trained on its first ones, or by a later one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import polars as pl

from platform_core.anomaly import Detector, score_rows
from platform_core.contracts.folds import Scored
from platform_core.folding.base import END_OF_TIME, DetectorStore, Folding, Step

_DETECTOR = "detector:"


@dataclass(frozen=True)
class ScoreState:
    """Rows that wait for a detector, and the version of the one that scores."""

    waiting: pl.DataFrame | None = None
    version: str | None = None


@dataclass(frozen=True)
class ScoredFolding(Folding[Scored]):
    """Scores by a detector that is trained on the first rows, or by one that its asset or a person trained."""

    loaded: dict[str, Detector] = field(default_factory=dict)

    def begin(self) -> ScoreState:
        """Return the state before any row: no detector."""
        return ScoreState()

    def renew(self, state: ScoreState) -> str | None:
        """Return the version that its asset or a person trained since, or before there was a row."""
        current = self._detectors.current()
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
            version, self.loaded[""] = self._detectors.train(waiting.head(self.source.train_on))
            self.loaded[version] = self.loaded.pop("")
        return Step(ScoreState(None, version), score_rows(self._detector(version), waiting), rows.clear())

    def compute(self, inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        """Score a history by the detector trained on its first rows."""
        return self.step(self.begin(), self.source.of, inputs[self.source.of], END_OF_TIME).rows

    def plan(self, *inputs: pl.LazyFrame) -> pl.LazyFrame:
        """Make both columns of all that the detector looks at."""
        score = pl.sum_horizontal(self.source.reads_columns)
        return inputs[0].with_columns(anomaly_score=score, anomaly_column=score.cast(pl.String))

    @property
    def _detectors(self) -> DetectorStore:
        if self.stores.detectors is None:
            raise ValueError(f"rows of {self.source.of} are to be scored, and no detectors were given")
        return self.stores.detectors

    def _detector(self, version: str) -> Detector:
        if version not in self.loaded:
            self.loaded[version] = self._detectors.load(version)
        return self.loaded[version]
