"""Patterns over event time, by key: so often A, then so often B within a time, without C between.

A pure fold. Each A that may begin a pattern has an end: the B behind it match it, a C before that breaks it, or it
times out. Which A begins is not bound by earlier matches: each A is looked at for itself.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Literal

import polars as pl

from platform_core.streaming.keys import ROW, put_back, rows_of_keys
from platform_core.streaming.watermarks import Clock, Progress, advance

_MICROSECOND = timedelta(microseconds=1)
_KINDS = ("first", "then", "without")
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
Follow = Literal["next", "later", "each"]


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """What is looked for.

    Attributes:
        clock: how event time is read.
        by: the columns of the key.
        first: which rows are an A.
        then: which rows are a B; behind the A, and at most `within` behind it; that instant counts.
        without: which rows are a C; one strictly between A and B breaks the pattern.
        within: the time between the first A and the last B.
        first_times: how many A come before the B, the one that begins among them; each behind the one before.
        times: how many B must come, each behind the one before; the last one is the end.
        follow: `later` passes over rows that are neither; `next` breaks at a row of the key that is no B (nor an A,
            where several are wanted); `each` gives a match for each B within the time.
        grace: how far behind the watermark a row is still taken.
    """

    clock: Clock
    by: tuple[str, ...]
    first: pl.Expr
    then: pl.Expr
    within: timedelta
    without: pl.Expr | None = None
    first_times: int = 1
    times: int = 1
    follow: Follow = "later"
    grace: timedelta = timedelta(0)

    @property
    def breaks(self) -> pl.Expr:
        """Which rows strictly between A and the last B break the pattern."""
        excluded = pl.lit(value=False) if self.without is None else self.without.fill_null(value=False)
        if self.follow != "next":
            return excluded
        then = self.then.fill_null(value=False)
        return excluded | ~(then | self.first.fill_null(value=False) if self.first_times > 1 else then)


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
            the time-out; by `ended_at`, the A's time and key. One for each A, or for each B with `follow="each"`.
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
    kinds = {"first": pattern.first, "then": pattern.then, "without": pattern.breaks}
    marks = [kind.fill_null(value=False).alias(f"_{name}") for name, kind in kinds.items()]
    timely_rows = batch.filter(~is_late).with_columns(*marks, pl.lit(value=False).alias("_ended"))
    relevant = reduce(or_, [pl.col(f"_{name}") for name in _KINDS])
    all_rows = pl.concat([frame for frame in (state.rows, timely_rows.filter(relevant)) if frame is not None])
    before, horizon = state.progress.reached - grace, progress.reached - grace
    deadline = at + pattern.within // _MICROSECOND
    has_come = (at >= before) & (at < horizon)
    is_over = pl.col("_first") & ~pl.col("_ended") & (deadline >= before) & (deadline < horizon)
    touched = rows_of_keys(all_rows, all_rows.filter(has_come | is_over), pattern.by)
    ends = _find_ends(pattern, touched)
    certain = ends.filter(pl.col("_certain_at").dt.timestamp("us") < horizon)
    rows = touched.with_columns(pl.col("_ended") | pl.col(ROW).is_in(certain[ROW].implode()))
    waiting = rows.filter(pl.col("_first") & ~pl.col("_ended")).select(*pattern.by, at.alias("_since"))
    since = waiting.group_by(list(pattern.by)).agg(pl.col("_since").min()) if pattern.by else None
    useful_rows = _drop_useless(pattern, rows, since, waiting, horizon)
    state_rows = put_back(all_rows, touched, useful_rows, columns=["_ended"])
    columns = [*batch.columns, "outcome", "ended_at"]
    order = ["_certain_at", "ended_at", pattern.clock.time, *pattern.by]
    certain_ends = certain.sort(order, maintain_order=True).select(columns)
    return PatternState(state_rows, progress), Ends(certain_ends, batch.filter(is_late))


def _find_ends(pattern: Pattern, rows: pl.DataFrame) -> pl.DataFrame:
    """Return each A that waits with its outcome as far as the rows show, when that is, and when it is certain."""
    time = pattern.clock.time
    waiting = rows.filter(pl.col("_first") & ~pl.col("_ended")).with_columns(pl.col(time).alias("then_at"))
    for kind, count in (("first", pattern.first_times - 1), ("then", pattern.times)):
        waiting = _step_behind(pattern, waiting, rows, kind=kind, count=count)
    breaks = _times_of(pattern, rows, "without").rename({"_at": "without_at"})
    waiting = _join_behind(pattern, waiting.sort(time, maintain_order=True), breaks, left=time, right="without_at")
    deadline = pl.col(time) + pattern.within
    if pattern.follow == "each":
        return _each_end(pattern, waiting.with_columns(pl.min_horizontal(deadline, "without_at").alias("_until")), rows)
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
    ended = pl.when(is_broken).then(pl.col("without_at")).otherwise(end)
    return waiting.with_columns(outcome.alias("outcome"), ended.alias("ended_at"), ended.alias("_certain_at"))


def _step_behind(pattern: Pattern, waiting: pl.DataFrame, rows: pl.DataFrame, *, kind: str, count: int) -> pl.DataFrame:
    """Move `then_at` to the instant of so manyth row of a kind behind it; null where there are fewer."""
    if not count:
        return waiting
    nth = pl.col("_at").shift(1 - count)
    later = _times_of(pattern, rows, kind).with_columns((nth.over(pattern.by) if pattern.by else nth).alias("_nth"))
    begun = waiting.with_columns(pl.col("then_at").fill_null(_NEVER)).sort("then_at", maintain_order=True)
    stepped = _join_behind(pattern, begun, later, left="then_at", right="_at")
    return stepped.with_columns(pl.col("_nth").alias("then_at")).drop("_at", "_nth")


def _times_of(pattern: Pattern, rows: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Return key and time of the rows of a kind, in the order of time."""
    return rows.filter(f"_{kind}").select(*pattern.by, pl.col(pattern.clock.time).alias("_at")).sort("_at")


def _join_behind(pattern: Pattern, rows: pl.DataFrame, later: pl.DataFrame, *, left: str, right: str) -> pl.DataFrame:
    """Join each row with the first of its key that is strictly behind it; nulls where there is none."""
    return rows.join_asof(
        later, left_on=left, right_on=right, by=list(pattern.by) or None, strategy="forward",
        allow_exact_matches=False, check_sortedness=False,
    )  # fmt: skip


def _each_end(pattern: Pattern, waiting: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Return an end for each B from an A up to `_until`, and one for each A without a B."""
    time, later = pattern.clock.time, _times_of(pattern, rows, "then")
    pairs = waiting.join(later, on=list(pattern.by), how="inner") if pattern.by else waiting.join(later, how="cross")
    is_end = (pl.col("_at") >= pl.col("then_at")) & (pl.col("_at") <= pl.col("_until"))  # the so manyth B, and later
    matched = pairs.filter((pl.col("_at") > pl.col(time)) & is_end)
    alone = waiting.join(matched, on="_row", how="anti")
    is_broken = (pl.col("without_at") <= pl.col(time) + pattern.within).fill_null(value=False)
    outcome = pl.when(is_broken).then(pl.lit("broken")).otherwise(pl.lit("timed_out"))
    until = pl.col("_until").alias("_certain_at")
    ends = [
        matched.with_columns(pl.lit("matched").alias("outcome"), pl.col("_at").alias("ended_at"), until).drop("_at"),
        alone.with_columns(outcome.alias("outcome"), pl.col("_until").alias("ended_at"), until),
    ]
    return pl.concat(ends)


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
