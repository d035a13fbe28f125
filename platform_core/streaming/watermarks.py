"""How far event time has come: the instant before which no more rows are expected.

Each partition's watermark is its latest event time less the lateness; the stream's is the smallest of those that are
not idle. It never goes back. It is known for each row, not for each batch, so that what is late does not depend on how
the stream was cut into batches.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

_MICROSECOND = timedelta(microseconds=1)
BEGINNING = -(1 << 62)
"""The watermark of a stream that has had no row, in microseconds since 1970."""


@dataclass(frozen=True, kw_only=True)
class Clock:
    """How event time is read.

    Attributes:
        time: the column of event times; `Datetime("us", "UTC")`, never null.
        lateness: how far a row may lie behind the latest of its partition.
        partition: the column of the partition; None takes all rows as one.
        idle: how long a partition may be silent before it holds the others up no longer; None waits for ever.
    """

    time: str
    lateness: timedelta = timedelta(0)
    partition: str | None = None
    idle: timedelta | None = None


@dataclass(frozen=True)
class Progress:
    """Where event time stands: all in microseconds since 1970, `seen` by the clock of whoever folds."""

    reached: int = BEGINNING
    latest: Mapping[str, int] = field(default_factory=dict)
    seen: Mapping[str, int] = field(default_factory=dict)


def advance(clock: Clock, progress: Progress, batch: pl.DataFrame, now: datetime) -> tuple[Progress, pl.Series]:
    """Return the progress behind the batch, and for each row the watermark that the rows before it had brought.

    A batch without rows advances the watermark too, where it finds a partition idle.
    """
    present = _micros(now)
    silent = _MICROSECOND * (1 << 62) if clock.idle is None else clock.idle
    partition = pl.lit("") if clock.partition is None else pl.col(clock.partition).cast(pl.String)
    rows = batch.select(pl.col(clock.time).dt.timestamp("us").alias("at"), partition.alias("of"))
    arrived = rows.group_by("of").agg(pl.col("at").max()).rows()
    latest = dict(progress.latest)
    running = []
    for name in sorted({*latest, *(name for name, _ in arrived)}):
        idle = name not in latest or (present - progress.seen.get(name, present)) * _MICROSECOND > silent
        own = pl.when(pl.col("of") == name).then(pl.col("at")).cum_max().forward_fill()
        if name in latest:
            own = pl.max_horizontal(own, pl.lit(latest[name]))
        if name in latest and idle:  # silent until its first row here
            own = pl.when((pl.col("of") == name).cum_max()).then(own)
        elif not idle:
            own = own.fill_null(latest[name])
        running.append((name, idle, own))
    for name, at in arrived:
        latest[name] = max(at, latest.get(name, BEGINNING))
    names = {name for name, _ in arrived}
    seen_at = {name: present if name in names else progress.seen.get(name, present) for name in latest}
    lateness = clock.lateness // _MICROSECOND
    awake = [latest[name] for name, idle, _ in running if not idle or name in names]
    reached = max(progress.reached, min(awake) - lateness) if awake else progress.reached
    if not batch.height:
        return Progress(reached, latest, seen_at), pl.Series("watermark", [], pl.Int64)
    before = rows.select(
        (pl.min_horizontal(own for _, _, own in running) - lateness).cum_max().shift(1).alias("watermark")
    )
    watermark = before["watermark"].fill_null(BEGINNING).clip(progress.reached)
    highest = before["watermark"].max()
    return Progress(max(reached, BEGINNING if highest is None else int(highest)), latest, seen_at), watermark  # type: ignore[arg-type] # whole


def _micros(instant: datetime) -> int:
    return int(instant.timestamp() * 1_000_000)
