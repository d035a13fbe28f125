"""Features as of each row of a stream."""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from platform_core.contracts.folds import Featured
from platform_core.features import Feature
from platform_core.features.compute import FeatureState, compute_features, fold_features
from platform_core.folding.base import Folding, Step
from platform_core.streaming.watermarks import advance


class FeaturedFolding(Folding[Featured]):
    """What was known of a key before each of its rows."""

    def begin(self) -> FeatureState:
        """Return the state before any row."""
        return FeatureState()

    def step(self, state: FeatureState, name: str, rows: pl.DataFrame, now: datetime) -> Step:
        """Answer what the rows that are not late ask, once all before them is there."""
        del name
        _, watermark = advance(self.clock, state.progress, rows, now)
        at = rows.select(pl.col(self.clock.time).dt.timestamp("us")).to_series()
        state_kept, answers, late = fold_features(
            self.source.features, state, rows, rows.filter(at >= watermark), clock=self.clock, instant=self.clock.time,
            now=now,
        )  # fmt: skip
        return Step(state_kept, answers, late)

    def compute(self, inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        """Compute the features as of each row of a history."""
        rows, time = inputs[self.source.of], self.clock.time
        return compute_features(self.source.features, rows, rows, time=time, instant=time)

    def plan(self, *inputs: pl.LazyFrame) -> pl.LazyFrame:
        """Make each feature of what it measures and of the time, over its key."""
        return inputs[0].with_columns(self._planned(feature) for feature in self.source.features)

    def _planned(self, feature: Feature) -> pl.Expr:
        measured = [feature.measure.column] if feature.measure.column else []
        return pl.struct(*measured, self.clock.time).hash().over(feature.by).alias(feature.name)
