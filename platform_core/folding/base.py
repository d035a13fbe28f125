"""From a declared fold to a function of (state, rows of an input) to (state, rows, late rows).

A folding knows no table and no broker. Its state is a frozen record of frames, of event time's progress and of plain
values. What it reads beside its inputs comes from stores that it is given.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

import polars as pl

from platform_core.anomaly import Detector
from platform_core.contracts.folds import Fold
from platform_core.streaming import Clock

END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)
F = TypeVar("F", bound=Fold)


@dataclass(frozen=True)
class Step:
    """What some rows brought: the state behind them, the rows that came out, and those that came too late."""

    state: Any
    rows: pl.DataFrame
    late: pl.DataFrame


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


@dataclass(frozen=True)
class Stores:
    """What folds read beside their inputs; None where nothing is to be computed."""

    detectors: DetectorStore | None = None
    table: TableStore | None = None


@dataclass(frozen=True)
class Folding(ABC, Generic[F]):
    """One declared fold.

    Attributes:
        source: The declaration.
        clocks: How event time is read, by input.
        empty: The columns of each input, without rows.
        stores: What it reads beside its inputs.
    """

    source: F
    clocks: Mapping[str, Clock]
    empty: Mapping[str, pl.DataFrame]
    stores: Stores = field(default_factory=Stores)

    @property
    def clock(self) -> Clock:
        """How the first input's event time is read."""
        return self.clocks[self.source.inputs[0]]

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

    @abstractmethod
    def plan(self, *inputs: pl.LazyFrame) -> pl.LazyFrame:
        """Return a plan over whole histories, and over the tables behind them, that gives the same columns.

        It is only read, never run: it need not give the same rows, but each column is made of the same ones.
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

    def correct(self, late: pl.DataFrame, folded: pl.LazyFrame) -> pl.DataFrame:
        """Return what the late rows change of what was given out, from all rows that were folded, the late ones too."""
        del folded
        raise ValueError(f"{type(self).__name__} corrects nothing, and {late.height} rows came late")

    def compute(self, inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        """Return what comes out of whole histories, computed at once: what a stream must give in the end."""
        state, parts = self.begin(), []
        for name, rows in inputs.items():
            step = self.step(state, name, rows, END_OF_TIME)
            state = step.state
            parts.append(step.rows)
        return pl.concat([part for part in parts if part.width])
