"""From a declared window, pattern or join to the fold that computes it."""

from collections.abc import Sequence

from platform_core.contracts.folds import Counted, Hopping, Near, Pattern, Sessions, Sliding, Tumbling
from platform_core.streaming.joins import IntervalJoin
from platform_core.streaming.patterns import Pattern as FoldedPattern
from platform_core.streaming.watermarks import Clock
from platform_core.streaming.windows import Window, count_windows, hopping, session, sliding

Windowed = Tumbling | Hopping | Sessions | Sliding | Counted


def window_of(source: Windowed, clock: Clock) -> Window:
    """Return the window of a declaration."""
    if isinstance(source, Sliding):
        return sliding(source.size, clock=clock, by=source.key, aggregates=source.measures, grace=source.grace)
    if isinstance(source, Counted):
        return count_windows(source.count, clock=clock, by=source.key, aggregates=source.measures)
    if isinstance(source, Sessions):
        return session(
            source.gap, maximum=source.maximum, clock=clock, by=source.key, aggregates=source.measures,
            grace=source.grace,
        )  # fmt: skip
    every = source.every if isinstance(source, Hopping) else source.size
    return hopping(source.size, every, clock=clock, by=source.key, aggregates=source.measures, grace=source.grace)


def pattern_of(source: Pattern, clock: Clock) -> FoldedPattern:
    """Return the pattern of a declaration."""
    return FoldedPattern(
        clock=clock, by=as_key(source.by), first=source.first, then=source.then, without=source.without,
        within=source.within, first_times=source.first_times, times=source.times, follow=source.follow,
        grace=source.grace,
    )  # fmt: skip


def join_of(source: Near, left: Clock, right: Clock) -> IntervalJoin:
    """Return the join of a declaration."""
    return IntervalJoin(
        left=left, right=right, by=as_key(source.by), before=source.before, after=source.after, grace=source.grace
    )


def as_key(by: str | Sequence[str]) -> tuple[str, ...]:
    """Return the columns of a key, which may be one text."""
    return (by,) if isinstance(by, str) else tuple(by)
