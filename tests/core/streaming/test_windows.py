"""Windows against a reference that goes row by row, over random events and random cuts."""

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from platform_core.streaming import (
    Clock,
    Window,
    WindowState,
    close_windows,
    count_windows,
    fold_windows,
    hopping,
    session,
    sliding,
    sum_in_order,
    tumbling,
)
from tests.core.streaming.events import LATENESS, NOW, START, cut, make_events, with_watermarks

_AGGREGATES = {"rows": pl.len(), "total": sum_in_order("x"), "last": pl.col("n").last()}
_CLOCK = Clock(time="at", lateness=LATENESS, partition="part")
_GRACE = timedelta(seconds=10)
_COMMON: dict[str, Any] = {"clock": _CLOCK, "by": ("user",), "aggregates": _AGGREGATES}
_SECONDS = timedelta(seconds=1)
Windows = dict[tuple[Any, ...], list[int]]


def _in_windows(events: pl.DataFrame, size: timedelta, every: timedelta) -> tuple[Windows, list[int]]:
    windows, late = defaultdict(list), []
    for row, reached in with_watermarks(events):
        first = row["at"] - (row["at"] - START) % every
        starts = [first - hop * every for hop in range(size // every)]
        missed = [start for start in starts if reached is not None and start + size + _GRACE <= reached]
        late += [row["n"]] if missed else []
        for start in set(starts) - set(missed):
            windows[row["user"], start, start + size].append(row["n"])
    return windows, late


def _in_time(events: pl.DataFrame) -> tuple[list[dict[str, Any]], list[int]]:
    rows, late = [], []
    for row, reached in with_watermarks(events):
        (late if reached is not None and row["at"] < reached - _GRACE else rows).append(row)
    return sorted(rows, key=lambda row: row["at"]), [row["n"] for row in late]


def _in_sessions(events: pl.DataFrame, gap: timedelta, maximum: timedelta | None) -> tuple[Windows, list[int]]:
    rows, late = _in_time(events)
    sessions: dict[str, list[list[dict[str, Any]]]] = defaultdict(list)
    for row in rows:
        own = sessions[row["user"]]
        joins = own and row["at"] - own[-1][-1]["at"] <= gap
        if joins and (maximum is None or row["at"] - own[-1][0]["at"] < maximum):
            own[-1].append(row)
        else:
            own.append([row])
    return {
        (user, found[0]["at"], found[-1]["at"]): [row["n"] for row in found]
        for user in sessions
        for found in sessions[user]
    }, late


def _in_slides(events: pl.DataFrame, size: timedelta) -> tuple[list[tuple[Any, ...]], list[int]]:
    rows, late = _in_time(events)
    slides = []
    for row in rows:
        near = [o["n"] for o in rows if o["user"] == row["user"] and row["at"] - size < o["at"] <= row["at"]]
        slides.append((row["user"], row["at"], near))
    return slides, late


def _fold(window: Window, batches: list[pl.DataFrame]) -> tuple[pl.DataFrame, pl.DataFrame]:
    state, windows, late = WindowState(), [], []
    for batch in batches:
        state, closed = fold_windows(window, state, batch, now=NOW)
        windows.append(closed.windows)
        late.append(closed.late)
    _, closed = close_windows(window, state)
    order = ["window_end", "window_start", "user"]
    return pl.concat([*windows, closed.windows]).sort(*order, maintain_order=True), pl.concat(late)


def _expect(events: pl.DataFrame, windows: Windows) -> pl.DataFrame:
    rows = []
    for (user, start, end), numbers in windows.items():
        inside = events.filter(pl.col("n").is_in(numbers)).sort("at", maintain_order=True)
        rows.append((user, start, end, inside.height, inside["x"].sum(), inside["n"][-1]))
    times = {"window_start": pl.Datetime("us", "UTC"), "window_end": pl.Datetime("us", "UTC")}
    schema = {"user": pl.String} | times | {"rows": pl.UInt32, "total": pl.Float64, "last": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row").sort("window_end", "window_start", "user")


_CASES: dict[str, tuple[Window, Callable[[pl.DataFrame], tuple[Windows, list[int]]]]] = {
    "tumbling": (
        tumbling(30 * _SECONDS, grace=_GRACE, **_COMMON),
        lambda e: _in_windows(e, 30 * _SECONDS, 30 * _SECONDS),
    ),
    "hopping": (
        hopping(60 * _SECONDS, 15 * _SECONDS, grace=_GRACE, **_COMMON),
        lambda e: _in_windows(e, 60 * _SECONDS, 15 * _SECONDS),
    ),
    "session": (session(25 * _SECONDS, grace=_GRACE, **_COMMON), lambda e: _in_sessions(e, 25 * _SECONDS, None)),
    "session with a maximum": (
        session(25 * _SECONDS, maximum=60 * _SECONDS, grace=_GRACE, **_COMMON),
        lambda e: _in_sessions(e, 25 * _SECONDS, 60 * _SECONDS),
    ),
}


@pytest.mark.parametrize("case", _CASES)
@pytest.mark.parametrize("seed", range(5))
def test_windows_are_those_of_the_definition_however_the_stream_is_cut(case: str, seed: int) -> None:
    window, reference = _CASES[case]
    events = make_events(seed)
    windows, late = reference(events)
    whole, _ = _fold(window, [events])
    assert_frame_equal(whole, _expect(events, windows), rel_tol=1e-12)
    for batches in (list(cut(seed, events)), list(cut(seed + 1, events))):
        given, given_late = _fold(window, batches)
        assert_frame_equal(given, whole, check_exact=True)
        assert given_late["n"].to_list() == late
    assert sum(len(numbers) for numbers in windows.values()) > 0


@pytest.mark.parametrize("seed", range(3))
def test_each_row_slides_a_window_over_what_came_within_its_size(seed: int) -> None:
    events = make_events(seed)
    slides, late = _in_slides(events, 30 * _SECONDS)
    expected = sorted((at, user, len(near)) for user, at, near in slides)
    window = sliding(30 * _SECONDS, grace=_GRACE, **_COMMON)
    whole, _ = _fold(window, [events])
    given, given_late = _fold(window, list(cut(seed, events)))
    assert_frame_equal(given, whole, check_exact=True)
    assert sorted(given.select("window_end", "user", "rows").rows()) == expected
    assert given_late["n"].to_list() == late


@pytest.mark.parametrize("seed", range(4))
def test_count_windows_take_each_five_rows_of_a_key_as_they_came(seed: int) -> None:
    events = make_events(seed)
    window = count_windows(5, **_COMMON)
    given, late = _fold(window, list(cut(seed, events)))
    rows = {user: events.filter(pl.col("user") == user)["n"].to_list() for user in "uvw"}
    expected = {numbers[at + 4] for numbers in rows.values() for at in range(0, len(numbers) - 4, 5)}
    assert set(given["last"]) == expected
    assert given["rows"].unique().to_list() == [5]
    assert not late.height


def test_a_silent_partition_holds_the_windows_up_until_it_is_idle() -> None:
    clock = Clock(time="at", partition="part", idle=timedelta(minutes=1))
    window = tumbling(30 * _SECONDS, clock=clock, by=(), aggregates=_AGGREGATES)
    events = make_events(1).with_columns(
        part=pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("0")).otherwise(pl.lit("1"))
    )
    state, closed = fold_windows(window, WindowState(), events, now=NOW)
    assert not closed.windows.height
    state, closed = fold_windows(window, state, events.clear(), now=NOW + timedelta(seconds=60))
    assert not closed.windows.height
    state, closed = fold_windows(window, state, events[-1:], now=NOW + timedelta(seconds=61))
    assert closed.windows.height > 1


def test_a_size_that_is_no_multiple_of_its_step_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a multiple"):
        hopping(timedelta(seconds=50), timedelta(seconds=20), **_COMMON)


def test_a_window_ends_before_its_end_and_a_row_at_the_end_is_the_next_ones() -> None:
    at = [START, START + 30 * _SECONDS - timedelta(microseconds=1), START + 30 * _SECONDS, START + 90 * _SECONDS]
    rows = make_events(3, 4).with_columns(at=pl.Series(at, dtype=pl.Datetime("us", "UTC")), user=pl.lit("u"))
    window = tumbling(30 * _SECONDS, clock=Clock(time="at"), by=("user",), aggregates=_AGGREGATES)
    _, closed = fold_windows(
        window, WindowState(), rows, now=datetime.min.replace(tzinfo=START.tzinfo) + timedelta(days=999999)
    )
    assert closed.windows["rows"].to_list() == [2, 1]
