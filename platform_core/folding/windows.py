"""Windows over a stream, as they are declared."""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypeVar

import polars as pl

from platform_core.contracts.folds import Counted, Hopping, Sessions, SizedWindows, Sliding, Tumbling, Windows
from platform_core.folding.base import END_OF_TIME, Folding, Step
from platform_core.streaming import (
    Clock,
    Window,
    WindowState,
    close_windows,
    count_windows,
    fold_windows,
    hopping,
    session,
    sliding,
)

W = TypeVar("W", bound=Windows)
S = TypeVar("S", bound=SizedWindows)


class _WindowFolding(Folding[W]):
    @abstractmethod
    def window(self, clock: Clock) -> Window:
        """Return what is gathered into one row."""

    def begin(self) -> WindowState:
        return WindowState()

    def step(self, state: WindowState, name: str, rows: pl.DataFrame, now: datetime) -> Step:
        del name
        state_kept, closed = fold_windows(self.window(self.clock), state, rows, now=now)
        return Step(state_kept, self._given(closed.windows), closed.late)

    def compute(self, inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        """Compute the windows of rows none of which is late: all of them, closed."""
        window = self.window(Clock(time=self.clock.time))
        rows = self._ordered(inputs[self.source.of])
        state, closed = fold_windows(window, WindowState(), rows, now=END_OF_TIME)
        return self._given(pl.concat([closed.windows, close_windows(window, state)[1].windows]))

    def plan(self, *inputs: pl.LazyFrame) -> pl.LazyFrame:
        at, keys = pl.col(self.clock.time), self.source.key
        rows = inputs[0].with_columns(at.alias("window_start"), at.alias("window_end"))
        return rows.group_by(*keys, "window_start", "window_end").agg(**self.source.measures)

    def _ordered(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.sort(self.clock.time, maintain_order=True)

    def _given(self, windows: pl.DataFrame) -> pl.DataFrame:
        return windows


class _AlignedFolding(_WindowFolding[S]):
    """Windows that begin at known instants, of which late rows may change what was given out."""

    @property
    @abstractmethod
    def every(self) -> timedelta:
        """From one start to the next."""

    def window(self, clock: Clock) -> Window:
        """Return the declared window."""
        own = self.source
        return hopping(own.size, self.every, clock=clock, by=own.key, aggregates=own.measures, grace=own.grace)

    def correct(self, late: pl.DataFrame, folded: pl.LazyFrame) -> pl.DataFrame:
        """Return the windows in which the late rows lie, computed from all rows that were folded."""
        keys, time, size = list(self.source.key), self.clock.time, self.source.size
        near = pl.col(time).is_between(
            pl.lit(late[time].min()) - size, pl.lit(late[time].max()) + size, closed="none"
        )  # fmt: skip
        mine = folded.filter(near).join(late.lazy().select(keys).unique(), on=keys, how="semi", nulls_equal=True)
        windows = self.compute({self.source.of: mine.collect()})
        hops = pl.int_ranges(0, size // self.every).alias("_hop")
        starts = late.select(*keys, hops, pl.col(time).dt.truncate(self.every).alias("window_start")).explode("_hop")
        touched = starts.select(*keys, pl.col("window_start") - pl.col("_hop") * self.every).unique()
        return windows.join(touched, on=[*keys, "window_start"], how="semi", nulls_equal=True)


class HoppingFolding(_AlignedFolding[Hopping]):
    """Windows that overlap."""

    @property
    def every(self) -> timedelta:
        """The declared step."""
        return self.source.every


class TumblingFolding(_AlignedFolding[Tumbling]):
    """Windows side by side: each begins where the one before ends."""

    @property
    def every(self) -> timedelta:
        """The size."""
        return self.source.size


class SessionsFolding(_WindowFolding[Sessions]):
    """Sessions."""

    def window(self, clock: Clock) -> Window:
        """Return the declared window."""
        own = self.source
        return session(
            own.gap, maximum=own.maximum, clock=clock, by=own.key, aggregates=own.measures, grace=own.grace
        )  # fmt: skip


class SlidingFolding(_WindowFolding[Sliding]):
    """A window behind each instant at which there is a row."""

    def window(self, clock: Clock) -> Window:
        """Return the declared window."""
        own = self.source
        return sliding(own.size, clock=clock, by=own.key, aggregates=own.measures, grace=own.grace)

    def _given(self, windows: pl.DataFrame) -> pl.DataFrame:
        """Return one of the equal windows that slide with rows of one instant; they come out together."""
        return windows.unique([*self.source.key, "window_end"], keep="first", maintain_order=True)


class CountedFolding(_WindowFolding[Counted]):
    """Windows of so many rows."""

    def window(self, clock: Clock) -> Window:
        """Return the declared window."""
        own = self.source
        return count_windows(own.count, clock=clock, by=own.key, aggregates=own.measures)

    def _ordered(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the rows as they came, for so they are counted."""
        return rows
