"""Windows over event time: pure folds from (state, batch) to (state, closed windows, late rows).

A window is given out once, when the watermark has passed its end and the grace; its rows are then final. Rows that came
too late for it are given back apart, never dropped. However a stream is cut into batches, the same windows come out.
The state is a frame of the rows whose windows are open, and the progress of event time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import polars as pl

from platform_core.streaming.keys import ROW, put_back, rows_of_keys
from platform_core.streaming.watermarks import Clock, Progress, advance

_MICROSECOND = timedelta(microseconds=1)
_AT, _START, _END, _WATERMARK = "_at", "window_start", "window_end", "_watermark"


@dataclass(frozen=True, kw_only=True)
class Window:
    """What is gathered into one row.

    Attributes:
        kind: see the functions that make one.
        clock: how event time is read.
        by: the columns of the key; a window belongs to one key.
        aggregates: expressions over a window's rows, in order of event time, those of one instant as they came.
        grace: how long behind its end a window stays open for late rows.
    """

    kind: Literal["hopping", "session", "sliding", "count"]
    clock: Clock
    by: tuple[str, ...]
    aggregates: Mapping[str, pl.Expr]
    grace: timedelta = timedelta(0)
    size: timedelta = timedelta(0)
    every: timedelta = timedelta(0)
    gap: timedelta = timedelta(0)
    maximum: timedelta | None = None
    count: int = 0


@dataclass(frozen=True)
class WindowState:
    """Rows of open windows, and how far event time has come."""

    rows: pl.DataFrame | None = None
    progress: Progress = field(default_factory=Progress)


@dataclass(frozen=True)
class Closed:
    """What a fold gives out.

    Attributes:
        windows: the key, `window_start` and `window_end`, and the aggregates; those of one fold by end, start and key.
        late: rows that came too late for at least one of their windows, as they came.
    """

    windows: pl.DataFrame
    late: pl.DataFrame


def tumbling(
    size: timedelta,
    *,
    clock: Clock,
    by: tuple[str, ...],
    aggregates: Mapping[str, pl.Expr],
    grace: timedelta = timedelta(0),
) -> Window:
    """Declare windows side by side: `[start, start + size)`, aligned to 1970 in UTC."""
    return hopping(size, size, clock=clock, by=by, aggregates=aggregates, grace=grace)


def hopping(
    size: timedelta,
    every: timedelta,
    *,
    clock: Clock,
    by: tuple[str, ...],
    aggregates: Mapping[str, pl.Expr],
    grace: timedelta = timedelta(0),
) -> Window:
    """Declare a window `[start, start + size)` each `every`, aligned to 1970 in UTC; a row lies in several.

    Raises:
        ValueError: the size is no multiple of `every`.
    """
    if every <= timedelta(0) or size % every:
        raise ValueError(f"a window of {size} each {every}: the size must be a multiple of the step. Fix: change one")
    return Window(kind="hopping", clock=clock, by=by, aggregates=aggregates, grace=grace, size=size, every=every)


def sliding(
    size: timedelta,
    *,
    clock: Clock,
    by: tuple[str, ...],
    aggregates: Mapping[str, pl.Expr],
    grace: timedelta = timedelta(0),
) -> Window:
    """Declare a window `(t - size, t]` for each row at t: the row itself and those of its instant count."""
    return Window(kind="sliding", clock=clock, by=by, aggregates=aggregates, grace=grace, size=size)


def session(
    gap: timedelta,
    *,
    clock: Clock,
    by: tuple[str, ...],
    aggregates: Mapping[str, pl.Expr],
    maximum: timedelta | None = None,
    grace: timedelta = timedelta(0),
) -> Window:
    """Declare sessions: rows of which each is at most `gap` behind the one before it.

    `window_end` is the last row's time. With a maximum a session holds the rows of `[start, start + maximum)`.
    """
    return Window(kind="session", clock=clock, by=by, aggregates=aggregates, grace=grace, gap=gap, maximum=maximum)


def count_windows(count: int, *, clock: Clock, by: tuple[str, ...], aggregates: Mapping[str, pl.Expr]) -> Window:
    """Declare a window for each `count` rows of a key, in the order in which they came; no row is late."""
    return Window(kind="count", clock=clock, by=by, aggregates=aggregates, count=count)


def sum_in_order(column: str) -> pl.Expr:
    """Sum a column of a window, one value behind the other; nulls count as 0.

    The bits of Polars' own sum of floats depend on how the rows lie in memory, and so on how the stream was cut.
    """
    return pl.col(column).fill_null(0).cum_sum().last()


def fold_windows(
    window: Window, state: WindowState, batch: pl.DataFrame, *, now: datetime
) -> tuple[WindowState, Closed]:
    """Take a batch in and give out the windows that it closes.

    Args:
        window: what is gathered.
        state: what the fold before gave back; `WindowState()` at first.
        batch: rows in the order in which they came.
        now: the present of whoever folds; only idle partitions are found by it.
    """
    progress, watermark = advance(window.clock, state.progress, batch, now)
    return _close(window, state, progress, batch.with_columns(watermark.alias(_WATERMARK)))


def close_windows(window: Window, state: WindowState) -> tuple[WindowState, Closed]:
    """Close all windows, as at the end of a history; windows by count that are not full stay open."""
    if state.rows is None:
        return state, Closed(pl.DataFrame(), pl.DataFrame())
    progress = Progress(1 << 62, state.progress.latest, state.progress.seen)
    columns = [name for name in state.rows.columns if name not in (_START, _END)]
    batch = state.rows.clear().select(*columns, pl.lit(0, pl.Int64).alias(_WATERMARK))
    return _close(window, state, progress, batch)


def _close(window: Window, state: WindowState, progress: Progress, batch: pl.DataFrame) -> tuple[WindowState, Closed]:
    fold = {"hopping": _fold_hopping, "session": _fold_session, "sliding": _fold_sliding, "count": _fold_count}
    return fold[window.kind](window, state, progress, batch)


def _fold_hopping(
    window: Window, state: WindowState, progress: Progress, batch: pl.DataFrame
) -> tuple[WindowState, Closed]:
    at, every, size = pl.col(window.clock.time).dt.timestamp("us"), _whole(window.every), _whole(window.size)
    grace = _whole(window.grace)
    first = (at // every - (size // every - 1)) * every
    late = batch.filter(first + size + grace <= pl.col(_WATERMARK)).drop(_WATERMARK)
    copies = [
        batch.with_columns((first + hop * every).alias(_START)).filter(
            pl.col(_START) + size + grace > pl.col(_WATERMARK)
        )
        for hop in range(size // every)
    ]
    rows = _concat(state.rows, pl.concat(copies).drop(_WATERMARK))
    is_closed = pl.col(_START) + size + grace <= progress.reached
    closed = rows.filter(is_closed).with_columns((pl.col(_START) + size).alias(_END))
    return WindowState(rows.filter(~is_closed), progress), Closed(_gather(window, closed), late)


def _fold_session(
    window: Window, state: WindowState, progress: Progress, batch: pl.DataFrame
) -> tuple[WindowState, Closed]:
    timely, late = _admit(window, batch)
    bounds = [pl.lit(0, pl.Int64).alias(name) for name in (_START, _END)]
    rows, changed = timely.with_columns(bounds), timely
    if state.rows is not None:
        is_older = _END not in state.rows.columns  # a release before this one kept no bounds, so all are to be found
        earlier = state.rows.with_columns(bounds) if is_older else state.rows
        rows, changed = pl.concat([earlier, rows]), earlier if is_older else timely
    if not rows.height:
        return WindowState(rows, progress), Closed(_no_windows(window, timely), late)
    touched = rows_of_keys(rows, pl.concat([changed.select(timely.columns), timely]), window.by)
    rows = put_back(rows, touched, _mark_sessions(window, touched), columns=(_START, _END))
    horizon = progress.reached - _whole(window.grace)
    ends = pl.col(_END) + _whole(window.gap) < horizon
    if window.maximum is not None:
        ends |= pl.col(_START) + _whole(window.maximum) <= horizon
    return WindowState(rows.filter(~ends), progress), Closed(_gather(window, rows.filter(ends)), late)


def _mark_sessions(window: Window, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows, by key and time, with the first and last time of their session."""
    at, session = pl.col(window.clock.time).dt.timestamp("us"), "_session"
    rows = rows.sort(*window.by, window.clock.time, maintain_order=True).with_columns(at.alias(_AT))
    begins = (pl.col(_AT).diff() > _whole(window.gap)).fill_null(value=True)
    for name in window.by:
        begins |= pl.col(name).ne_missing(pl.col(name).shift())
    rows = rows.with_columns(begins.cum_sum().alias(session))
    rows = rows.with_columns(pl.col(_AT).min().over(session).alias(_START))
    while window.maximum is not None:  # a session beyond the maximum gives its rest to a new one, until none is
        limit = pl.col(_START) + _whole(window.maximum)
        beyond = pl.when(pl.col(_AT) >= limit).then(pl.col(_AT)).min().over(session, _START)
        split = rows.with_columns(pl.when(pl.col(_AT) >= limit).then(beyond).otherwise(pl.col(_START)).alias(_START))
        if split[_START].equals(rows[_START]):
            break
        rows = split
    return rows.with_columns(pl.col(_AT).max().over(session, _START).alias(_END)).drop(_AT, session)


def _fold_sliding(
    window: Window, state: WindowState, progress: Progress, batch: pl.DataFrame
) -> tuple[WindowState, Closed]:
    rows, late = _take(window, state, batch)
    if not rows.height:
        return WindowState(rows, progress), Closed(_no_windows(window, rows), late)
    before, horizon = state.progress.reached - _whole(window.grace), progress.reached - _whole(window.grace)
    at = pl.col(window.clock.time).dt.timestamp("us")
    final = rows.filter(at < horizon)
    final = rows_of_keys(final, final.filter(at >= before), window.by).drop(ROW)
    final = final.sort(*window.by, window.clock.time, maintain_order=True)
    gathered = _slide(window, final).filter(at >= before)
    end = pl.col(window.clock.time)
    windows = gathered.select(*window.by, (end - window.size).alias(_START), end.alias(_END), *window.aggregates)
    keep = rows.filter(at > horizon - _whole(window.size) - 1)
    return WindowState(keep, progress), Closed(windows.sort(_END, *window.by, maintain_order=True), late)


def _slide(window: Window, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the aggregates of each row's window; rows come by key and time.

    Each window is gathered by itself: Polars' rolling sums add and subtract, so that their bits depend on the past.
    """
    rows = rows.with_row_index("_row")
    rolled = rows.rolling(window.clock.time, period=window.size, closed="right", group_by=list(window.by) or None)
    spans = rolled.agg(pl.int_range(pl.col("_row").first(), pl.col("_row").last() + 1).alias("_inside"))
    pairs = spans.with_row_index("_window").explode("_inside", empty_as_null=False)
    inside = pairs.select("_window", pl.col("_inside").cast(pl.UInt32).alias("_row")).join(
        rows, on="_row", maintain_order="left"
    )
    gathered = inside.group_by("_window", maintain_order=True).agg(**window.aggregates)
    return pl.concat([spans.drop("_inside"), gathered.drop("_window")], how="horizontal")


def _fold_count(
    window: Window, state: WindowState, progress: Progress, batch: pl.DataFrame
) -> tuple[WindowState, Closed]:
    timely, late = batch.drop(_WATERMARK), batch.clear().drop(_WATERMARK)
    if not timely.height:
        return WindowState(_concat(state.rows, timely), progress), Closed(_no_windows(window, timely), late)
    all_rows = _concat(state.rows, timely)
    touched = rows_of_keys(all_rows, timely, window.by)
    key = [pl.col(name) for name in window.by] or [pl.lit(0)]
    group = (pl.int_range(pl.len()).over(key) // window.count).alias("_group")
    full = pl.len().over([*key, "_group"]) == window.count
    rows = touched.with_columns(group).with_columns(
        full.alias("_full"), pl.col(ROW).max().over([*key, "_group"]).alias("_last")
    )
    at = pl.col(window.clock.time)
    closed = rows.filter("_full").group_by("_last", *window.by, maintain_order=True)
    windows = closed.agg(at.min().alias(_START), at.max().alias(_END), **window.aggregates).sort("_last").drop("_last")
    rest = put_back(all_rows, touched, rows.filter(~pl.col("_full")))
    return WindowState(rest, progress), Closed(windows, late)


def _take(window: Window, state: WindowState, batch: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the state's rows with the batch's that are in time, and those before the watermark and the grace."""
    timely, late = _admit(window, batch)
    return _concat(state.rows, timely), late


def _admit(window: Window, batch: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows of a batch that are in time, and the others."""
    late = pl.col(window.clock.time).dt.timestamp("us") < pl.col(_WATERMARK) - _whole(window.grace)
    return batch.filter(~late).drop(_WATERMARK), batch.filter(late).drop(_WATERMARK)


def _gather(window: Window, rows: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each window of rows that know its start and end."""
    zone = pl.Datetime("us", "UTC")
    ordered = rows.sort(window.clock.time, maintain_order=True)
    windows = ordered.group_by(*window.by, _START, _END, maintain_order=True).agg(**window.aggregates)
    typed = windows.with_columns(pl.col(_START).cast(pl.Int64).cast(zone), pl.col(_END).cast(pl.Int64).cast(zone))
    return typed.sort(_END, _START, *window.by)


def _no_windows(window: Window, rows: pl.DataFrame) -> pl.DataFrame:
    return _gather(window, rows.clear().with_columns(pl.lit(0).alias(_START), pl.lit(0).alias(_END)))


def _concat(rows: pl.DataFrame | None, batch: pl.DataFrame) -> pl.DataFrame:
    return batch if rows is None else pl.concat([rows, batch])


def _whole(span: timedelta) -> int:
    return span // _MICROSECOND
