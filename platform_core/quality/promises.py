"""Promises measured: the share of time a dataset was fresh, and how much of its error budget that took."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

TARGET = 0.99
"""The share of time a dataset is to be fresh where no availability is promised."""

_LEAST_BUDGET = 1e-6


@dataclass(frozen=True, kw_only=True)
class Promise:
    """A promise and what became of it.

    Attributes:
        name: `freshness`, `throughput`, `latency`.
        promised: In words.
        measured: The share of time, rows a second, or the 99th percentile in seconds; None where it was not measured.
        kept: Whether it was kept; None where it could not be measured.
        budget: The share of time, or of inputs, that may be missed.
        burn: How many times the budget is used up over the window; above 1 it is broken.
        share: The share of time, or of inputs, in which it was kept, in [0, 1]; None where that is not known.
        detail: In words.
    """

    name: str
    promised: str
    measured: float | None
    kept: bool | None
    budget: float | None
    burn: float | None
    share: float | None
    detail: str


def freshness_promise(
    filled: Sequence[datetime], limit: timedelta, now: datetime, window: timedelta, *, target: float | None
) -> Promise:
    """Measure the share of a window in which the table was not older than `limit`.

    The window begins with the first materialisation where that is later. At the limit itself it is still fresh.

    Args:
        filled: When the table was materialised, in any order.
        limit: How old it may be.
        now: The end of the window, open.
        window: How far back to look.
        target: The share of time that was promised; `TARGET` where none was.
    """
    promised = f"{limit.total_seconds() / 3600:g} h for {target or TARGET:.2%} of the time"
    instants = sorted(instant for instant in filled if instant <= now)
    if not instants:
        return Promise(name="freshness", promised=promised, measured=None, kept=None, budget=None, burn=None,
                       share=None, detail="never materialised")  # fmt: skip
    start = max(now - window, instants[0])
    fresh = timedelta(0)
    for instant, following in zip(instants, [*instants[1:], now], strict=True):
        begin, end = max(instant, start), min(instant + limit, following)
        fresh += max(end - begin, timedelta(0))
    total = now - start
    share = fresh / total if total > timedelta(0) else 1.0
    budget = 1 - (target or TARGET)
    burn = _burn(1 - share, budget)
    detail = f"fresh {share:.2%} of {total.total_seconds() / 3600:.1f} h"
    return Promise(name="freshness", promised=promised, measured=share, kept=burn <= 1, budget=budget, burn=burn,
                   share=share, detail=detail)  # fmt: skip


def latency_promise(latencies: Sequence[timedelta], limit: timedelta, *, target: float | None) -> Promise:
    """Measure how many arrivals were readable within `limit`, closed, and the 99th percentile of what they took.

    Args:
        latencies: From arrival to being readable, one an input of the window.
        limit: The longest that was promised.
        target: The share of inputs that was promised; `TARGET` where none was.
    """
    share_promised = target or TARGET
    promised = f"{limit.total_seconds():g} s for {share_promised:.2%} of the inputs"
    if not latencies:
        return Promise(name="latency", promised=promised, measured=None, kept=None, budget=None, burn=None,
                       share=None, detail="not measured: no input of the window is known by when it came")  # fmt: skip
    ordered = sorted(latencies)
    percentile = ordered[max(math.ceil(0.99 * len(ordered)) - 1, 0)]
    late = sum(latency > limit for latency in ordered) / len(ordered)
    budget = 1 - share_promised
    burn = _burn(late, budget)
    detail = f"p99 {percentile.total_seconds():,.1f} s over {len(ordered):,} inputs, {late:.2%} late"
    return Promise(name="latency", promised=promised, measured=percentile.total_seconds(), kept=burn <= 1,
                   budget=budget, burn=burn, share=1 - late, detail=detail)  # fmt: skip


def throughput_promise(ingests: pl.DataFrame, promised: float) -> Promise:
    """Measure rows a second between the first and the last ingest of a window, from the ingest log."""
    words = f"{promised:g} rows/s"
    times = ingests["ingested_at"]
    first, last = times.min(), times.max()
    if not isinstance(first, datetime) or not isinstance(last, datetime) or first == last:
        return Promise(name="throughput", promised=words, measured=None, kept=None, budget=None, burn=None,
                       share=None, detail="not measured: fewer than two ingests in the window")  # fmt: skip
    rate = float(ingests["rows"].sum()) / (last - first).total_seconds()
    return Promise(name="throughput", promised=words, measured=rate, kept=None, budget=None, burn=None,
                   share=None,
                   detail="rows that came; whether more would have been kept up with is not known")  # fmt: skip


def _burn(missed: float, budget: float) -> float:
    """Divide what was missed by the budget; where there is none by a millionth, for JSON has no infinity."""
    return missed / max(budget, _LEAST_BUDGET)
