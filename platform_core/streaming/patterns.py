"""Patterns over event time, by key: A, then B within a time, without C between.

A pure fold. Each A has one end: the first B behind it matches it, a C before that breaks it, or it times out.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce
from operator import or_

import polars as pl

from platform_core.streaming.watermarks import Clock, Progress, advance

_MICROSECOND = timedelta(microseconds=1)
_KINDS = ("first", "then", "without")


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """What is looked for.

    Attributes:
        clock: how event time is read.
        by: the columns of the key.
        first: which rows are an A.
        then: which rows are a B; behind the A, and at most `within` behind it; that instant counts.
        without: which rows are a C; one strictly between A and B breaks the pattern.
        within: the time between A and B.
        grace: how far behind the watermark a row is still taken.
    """

    clock: Clock
    by: tuple[str, ...]
    first: pl.Expr
    then: pl.Expr
    within: timedelta
    without: pl.Expr | None = None
    grace: timedelta = timedelta(0)


@dataclass(frozen=True)
class PatternState:
    """The A that wait for their end, and the rows that may bring it."""

    rows: pl.DataFrame | None = None
    progress: Progress = field(default_factory=Progress)


@dataclass(frozen=True)
class Ends:
    """What a fold gives out.

    Attributes:
        rows: the A's columns, `outcome` (matched, broken or timed_out), `ended_at`, the time of the B, of the C, or of
            the time-out; by `ended_at`, the A's time and key.
        late: rows before the watermark less the grace, as they came.
    """

    rows: pl.DataFrame
    late: pl.DataFrame


def fold_pattern(
    pattern: Pattern, state: PatternState, batch: pl.DataFrame, *, now: datetime
) -> tuple[PatternState, Ends]:
    """Take a batch in and give out the A whose end is certain: nothing can come before it any more."""
    progress, watermark = advance(pattern.clock, state.progress, batch, now)
    at, grace = pl.col(pattern.clock.time).dt.timestamp("us"), pattern.grace // _MICROSECOND
    is_late = batch.select(at).to_series() < watermark - grace
    kinds = {"first": pattern.first, "then": pattern.then, "without": pattern.without}
    marks = [
        (pl.lit(value=False) if kind is None else kind.fill_null(value=False)).alias(f"_{name}")
        for name, kind in kinds.items()
    ]
    taken = batch.filter(~is_late).with_columns(*marks, pl.lit(value=False).alias("_ended"))
    relevant = reduce(or_, [pl.col(f"_{name}") for name in _KINDS])
    rows = pl.concat([frame for frame in (state.rows, taken.filter(relevant)) if frame is not None])
    ends = _find_ends(pattern, rows.with_row_index("_row"))
    horizon = progress.reached - grace
    certain = ends.filter(pl.col("ended_at").dt.timestamp("us") < horizon)
    rows = rows.with_row_index("_row").with_columns(pl.col("_ended") | pl.col("_row").is_in(certain["_row"].implode()))
    waiting = rows.filter(pl.col("_first") & ~pl.col("_ended")).select(*pattern.by, at.alias("_since"))
    since = waiting.group_by(list(pattern.by)).agg(pl.col("_since").min()) if pattern.by else None
    kept = _drop_useless(pattern, rows.drop("_row"), since, waiting, horizon)
    columns = [*batch.columns, "outcome", "ended_at"]
    given = certain.select(columns).sort("ended_at", pattern.clock.time, *pattern.by, maintain_order=True)
    return PatternState(kept, progress), Ends(given, batch.filter(is_late))


def _find_ends(pattern: Pattern, rows: pl.DataFrame) -> pl.DataFrame:
    """Return each A that waits with its outcome as far as the rows show, and when that is."""
    time, by = pattern.clock.time, list(pattern.by)
    waiting = rows.filter(pl.col("_first") & ~pl.col("_ended")).sort(time, maintain_order=True)
    for kind in ("then", "without"):
        later = rows.filter(f"_{kind}").select(*by, pl.col(time).alias(f"{kind}_at")).sort(f"{kind}_at")
        waiting = waiting.join_asof(
            later,
            left_on=time,
            right_on=f"{kind}_at",
            by=by or None,
            strategy="forward",
            allow_exact_matches=False,
            check_sortedness=False,
        )
    deadline = pl.col(time) + pattern.within
    is_matched = pl.col("then_at") <= deadline
    end = pl.when(is_matched).then(pl.col("then_at")).otherwise(deadline)
    is_broken = (pl.col("without_at") < pl.col("then_at")).fill_null(value=True) & (pl.col("without_at") <= end)
    outcome = (
        pl.when(is_broken)
        .then(pl.lit("broken"))
        .when(is_matched)
        .then(pl.lit("matched"))
        .otherwise(pl.lit("timed_out"))
    )
    return waiting.with_columns(
        outcome.alias("outcome"), pl.when(is_broken).then(pl.col("without_at")).otherwise(end).alias("ended_at")
    )


def _drop_useless(
    pattern: Pattern, rows: pl.DataFrame, since: pl.DataFrame | None, waiting: pl.DataFrame, horizon: int
) -> pl.DataFrame:
    """Keep the A that wait, and what is behind the earliest of their key, or not yet behind the horizon."""
    at = pl.col(pattern.clock.time).dt.timestamp("us")
    if since is None:
        earliest = waiting["_since"].min()
        return rows.filter((at >= horizon) | (at >= (horizon if earliest is None else earliest)))
    joined = rows.join(since, on=list(pattern.by), how="left", maintain_order="left", nulls_equal=True)
    return joined.filter((at >= horizon) | (at >= pl.col("_since")).fill_null(value=False)).drop("_since")
