"""Patterns over a stream, as they are declared."""

from datetime import datetime

import polars as pl

from platform_core.contracts.folds import Pattern
from platform_core.folding.base import Folding, Step
from platform_core.streaming import Pattern as FoldedPattern
from platform_core.streaming import PatternState, fold_pattern


class PatternFolding(Folding[Pattern]):
    """So often A, then so often B within a time."""

    def begin(self) -> PatternState:
        """Return the state before any row."""
        return PatternState()

    def step(self, state: PatternState, name: str, rows: pl.DataFrame, now: datetime) -> Step:
        """Give out the A whose end is certain."""
        del name
        own = self.source
        pattern = FoldedPattern(
            clock=self.clock, by=own.key, first=own.first, then=own.then, without=own.without, within=own.within,
            first_times=own.first_times, times=own.times, follow=own.follow, grace=own.grace,
        )  # fmt: skip
        state_kept, ends = fold_pattern(pattern, state, rows, now=now)
        return Step(state_kept, ends.rows, ends.late)

    def plan(self, *inputs: pl.LazyFrame) -> pl.LazyFrame:
        """Give each A the outcome that rows of its key decide."""
        own, at = self.source, pl.col(self.clock.time)
        over = pl.any_horizontal(own.then, *([] if own.without is None else [own.without])).over(list(own.key))
        outcome = pl.when(over).then(pl.lit("matched")).otherwise(at.cast(pl.String))
        return inputs[0].with_columns(outcome=outcome, ended_at=pl.when(over).then(at).otherwise(at)).filter(own.first)
