"""Joins of streams: with a table, with its history as of an instant, and with another stream within an interval.

Pure folds, like the windows; a pair comes out once, however the streams were cut into batches.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from platform_core.streaming.watermarks import Clock, Progress, advance

_MICROSECOND = timedelta(microseconds=1)


def look_up(batch: pl.DataFrame, table: pl.DataFrame, *, by: tuple[str, ...]) -> pl.DataFrame:
    """Return each row with the columns of the table's row of its key, or nulls; the order stays.

    Raises:
        polars.exceptions.ComputeError: the table has a key twice.
    """
    return batch.join(table, on=list(by), how="left", validate="m:1", maintain_order="left")


def look_up_as_of(
    batch: pl.DataFrame, history: pl.DataFrame, *, by: tuple[str, ...], time: str, valid_from: str
) -> pl.DataFrame:
    """Return each row with what was valid at its time: the history's last row with `valid_from <= time`, or nulls.

    The order of the batch stays; it does not see what became valid after its time.
    """
    rows = batch.with_row_index("_arrival").sort(time, maintain_order=True)
    ordered = history.sort(valid_from, maintain_order=True)
    joined = rows.join_asof(
        ordered, left_on=time, right_on=valid_from, by=list(by), strategy="backward", check_sortedness=False
    )
    return joined.sort("_arrival").drop("_arrival")


@dataclass(frozen=True, kw_only=True)
class IntervalJoin:
    """Pairs of two streams whose times are near.

    Attributes:
        left: the clock of the left stream.
        right: the clock of the right stream.
        by: the columns of the key, in both.
        before: how long before the left row's time the right row may lie; that instant counts.
        after: how long behind it; that instant counts.
        grace: how far behind the watermark a row is still taken.
    """

    left: Clock
    right: Clock
    by: tuple[str, ...]
    before: timedelta
    after: timedelta
    grace: timedelta = timedelta(0)


@dataclass(frozen=True)
class JoinState:
    """Rows of both sides that may still find a partner."""

    left: pl.DataFrame | None = None
    right: pl.DataFrame | None = None
    left_progress: Progress = field(default_factory=Progress)
    right_progress: Progress = field(default_factory=Progress)


@dataclass(frozen=True)
class Joined:
    """Pairs, with the right side's columns suffixed `_right` where the names clash, and the late rows of each side."""

    pairs: pl.DataFrame
    late_left: pl.DataFrame
    late_right: pl.DataFrame


def fold_interval_join(
    join: IntervalJoin, state: JoinState, left: pl.DataFrame, right: pl.DataFrame, *, now: datetime
) -> tuple[JoinState, Joined]:
    """Take a batch of each side in and give out the pairs that they complete.

    Each of the batches may be empty, with its columns. A row before its side's watermark less the grace is late.
    """
    left_progress, left_rows, late_left = _admit(join.left, state.left_progress, left, join.grace, now)
    right_progress, right_rows, late_right = _admit(join.right, state.right_progress, right, join.grace, now)
    old_left, old_right = _or_none_of(state.left, left), _or_none_of(state.right, right)
    all_left = pl.concat([old_left, left_rows])
    pairs = pl.concat([_pair(join, left_rows, old_right), _pair(join, all_left, right_rows)])
    grace, left_at, right_at = join.grace // _MICROSECOND, _at(join.left), _at(join.right)
    useful_left = left_at + join.after // _MICROSECOND >= right_progress.reached - grace
    useful_right = right_at + join.before // _MICROSECOND >= left_progress.reached - grace
    all_right = pl.concat([old_right, right_rows])
    join_state = JoinState(all_left.filter(useful_left), all_right.filter(useful_right), left_progress, right_progress)
    return join_state, Joined(pairs, late_left, late_right)


def _admit(
    clock: Clock, progress: Progress, batch: pl.DataFrame, grace: timedelta, now: datetime
) -> tuple[Progress, pl.DataFrame, pl.DataFrame]:
    progress, watermark = advance(clock, progress, batch, now)
    late = batch.select(_at(clock)).to_series() < watermark - grace // _MICROSECOND
    return progress, batch.filter(~late), batch.filter(late)


def _pair(join: IntervalJoin, left: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
    right_time = f"{join.right.time}_right" if join.right.time in left.columns else join.right.time
    pairs = left.join(right, on=list(join.by), how="inner", suffix="_right", maintain_order="left_right")
    distance = pl.col(right_time) - pl.col(join.left.time)
    return pairs.filter((distance >= -join.before) & (distance <= join.after))


def _at(clock: Clock) -> pl.Expr:
    return pl.col(clock.time).dt.timestamp("us")


def _or_none_of(rows: pl.DataFrame | None, like: pl.DataFrame) -> pl.DataFrame:
    return like.clear() if rows is None else rows
