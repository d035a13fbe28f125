"""Features of events: for a history at once, and as a fold over a stream; the same bits from both.

Both call one function on events in one order, by key, time and value, so that neither the cut into batches nor the
order of arrival shows. Sums are of each window by itself, never carried on from the one before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from platform_core.features.declarations import Feature, Measure
from platform_core.streaming import Clock, Progress, sum_in_order
from platform_core.streaming.keys import ROW, rows_of_keys
from platform_core.streaming.watermarks import advance

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class FeatureState:
    """Events that a feature may still need, questions that wait, and how far event time has come."""

    events: pl.DataFrame | None = None
    questions: pl.DataFrame | None = None
    progress: Progress = field(default_factory=Progress)


def compute_features(
    features: Sequence[Feature], events: pl.DataFrame, questions: pl.DataFrame, *, time: str, instant: str
) -> pl.DataFrame:
    """Return the questions, in their order, with a column a feature as of their instant.

    Args:
        features: what is computed.
        events: the history, in any order; `time` is never null.
        questions: a row for each key and instant; nothing at or after the instant is seen.
        time: the column of the events' time.
        instant: the column of the questions' instant.
    """
    order = [time, *(name for name in events.columns if name != time)]
    keys = {feature.by for feature in features}
    asked = {by: rows_of_keys(events, questions, by).drop(ROW).sort(order) for by in keys}
    answers = [_answer(feature, asked[feature.by], questions, time=time, instant=instant) for feature in features]
    return questions.with_columns(answers)


def fold_features(
    features: Sequence[Feature],
    state: FeatureState,
    events: pl.DataFrame,
    questions: pl.DataFrame,
    *,
    clock: Clock,
    instant: str,
    now: datetime,
) -> tuple[FeatureState, pl.DataFrame, pl.DataFrame]:
    """Take events and questions in; return the answers that are certain, and the late events.

    A question is answered once the watermark has reached its instant: no event before it can come. An event before the
    watermark is late. Events older than the longest feature go, unless a question that waits needs them.
    """
    progress, watermark = advance(clock, state.progress, events, now)
    at = pl.col(clock.time).dt.timestamp("us")
    is_late = events.select(at).to_series() < watermark
    history = _concat(state.events, events.filter(~is_late))
    waiting = _concat(state.questions, questions)
    is_certain = pl.col(instant).dt.timestamp("us") <= progress.reached
    answers = compute_features(features, history, waiting.filter(is_certain), time=clock.time, instant=instant)
    unanswered = waiting.filter(~is_certain)
    earliest = unanswered[instant].dt.timestamp("us").min()
    since = progress.reached if earliest is None else min(progress.reached, int(earliest))  # type: ignore[arg-type] # whole
    longest = max(feature.over for feature in features) // _MICROSECOND
    kept_events = history.filter(at >= since - longest)
    return FeatureState(kept_events, unanswered, progress), answers, events.filter(is_late)


def _answer(feature: Feature, events: pl.DataFrame, questions: pl.DataFrame, *, time: str, instant: str) -> pl.Series:
    by = list(feature.by)
    ordered = events.sort(*by, maintain_order=True).with_row_index("_row").sort(time, "_row")
    windows = questions.select(*by, pl.col(instant).alias("_until"), (pl.col(instant) - feature.over).alias("_since"))
    windows = windows.with_row_index("_question").sort("_until")
    edge = ordered.select(*by, time, "_row")
    spans = windows.join_asof(
        edge.rename({"_row": "_last"}),
        left_on="_until",
        right_on=time,
        by=by,
        allow_exact_matches=False,
        check_sortedness=False,
    ).drop(time)
    # Of events at one instant, a forward search finds the first in order.
    first = edge.group_by(*by, time, maintain_order=True).agg(pl.col("_row").min().alias("_first"))
    spans = spans.sort("_since").join_asof(
        first, left_on="_since", right_on=time, by=by, strategy="forward", check_sortedness=False
    )
    inside = spans.filter(pl.col("_first") <= pl.col("_last")).select(
        "_question",
        "_until",
        pl.int_ranges("_first", pl.col("_last").cast(pl.Int64) + 1, dtype=pl.UInt32).alias("_row"),
    )
    pairs = inside.explode("_row", empty_as_null=False).join(ordered, on="_row", maintain_order="left")
    measured = pairs.group_by("_question", maintain_order=True).agg(
        _measure(feature, time).alias(feature.name), _parts(feature)
    )
    answers = (
        windows.select("_question").sort("_question").join(measured, on="_question", how="left", maintain_order="left")
    )
    values = answers[feature.name]
    if feature.measure.kind == "mean":  # divided here: Polars multiplies by the reciprocal where there is one row
        quotient = np.divide(values.cast(pl.Float64).fill_null(0).to_numpy(), answers["_parts"].fill_null(1).to_numpy())
        values = pl.select(
            pl.when(values.is_not_null() & (answers["_parts"] > 0)).then(pl.Series(quotient))
        ).to_series()
    absent = 0 if feature.measure.kind in {"count", "total", "distinct", "rate"} else None
    return (values if absent is None else values.fill_null(absent)).alias(feature.name)


def _measure(feature: Feature, time: str) -> pl.Expr:
    measure: Measure = feature.measure
    column = pl.col(measure.column or time)
    return {
        "count": pl.len().cast(pl.Int64),
        "total": sum_in_order(measure.column),
        "mean": sum_in_order(measure.column),
        "last": column.last(),
        "distinct": column.drop_nulls().n_unique().cast(pl.Int64),
        "rate": pl.len() * (1 / feature.over.total_seconds()),
        "age": pl.col("_until").last() - pl.col(time).last(),
    }[measure.kind]


def _parts(feature: Feature) -> pl.Expr:
    """Return how many values a mean has."""
    return (pl.col(feature.measure.column).count() if feature.measure.column else pl.len()).alias("_parts")


def _concat(rows: pl.DataFrame | None, more: pl.DataFrame) -> pl.DataFrame:
    return more if rows is None else pl.concat([rows, more])
