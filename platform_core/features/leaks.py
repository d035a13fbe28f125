"""Whether a computation sees the future: what comes after an instant is changed, and features must keep their bits."""

from collections.abc import Callable, Sequence
from datetime import datetime

import polars as pl


def find_leaks(
    compute: Callable[[pl.DataFrame], pl.DataFrame],
    events: pl.DataFrame,
    *,
    time: str,
    instants: Sequence[datetime],
    seed: int,
) -> dict[str, datetime]:
    """Return each computed column that changed, with the first instant whose future it saw.

    For each instant the values of all later rows are shuffled among one another and half of these rows are dropped; the
    rows up to the instant, that instant included, must be computed as before.

    Args:
        compute: from events to the same rows, in their order, with features.
        events: the history; `time` is never null.
        time: the column of the time; it is not shuffled.
        instants: where to look.
        seed: of the shuffle.
    """
    leaks: dict[str, datetime] = {}
    before = compute(events)
    for number, instant in enumerate(sorted(instants)):
        past, future = events.filter(pl.col(time) <= instant), events.filter(pl.col(time) > instant)
        others = [name for name in events.columns if name != time]
        shuffled = future.with_columns(pl.col(name).shuffle(seed + index) for index, name in enumerate(others))
        changed = shuffled.gather_every(2, number % 2)
        after = compute(pl.concat([past, changed])).head(past.height)
        expected = before.filter(pl.col(time) <= instant)
        for name in expected.columns:
            if name not in leaks and not expected[name].equals(after[name], null_equal=True):
                leaks[name] = instant
    return leaks
