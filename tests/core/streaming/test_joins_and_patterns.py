"""Joins and patterns against references that compare each row with each."""

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from platform_core.streaming import (
    Clock,
    IntervalJoin,
    JoinState,
    Pattern,
    PatternState,
    fold_interval_join,
    fold_pattern,
    look_up,
    look_up_as_of,
)
from tests.core.streaming.events import LATENESS, NOW, START, cut, make_events, with_watermarks

_CLOCK = Clock(time="at", lateness=LATENESS, partition="part")
_FAR = START + timedelta(days=365)


def _end_of_time(events: pl.DataFrame) -> pl.DataFrame:
    """Rows of a user of their own, in each partition, far ahead: they bring the watermark behind all others."""
    ends = [{**events.to_dicts()[0], "user": "end", "part": part, "at": _FAR, "n": -1, "kind": "X"} for part in "01"]
    return pl.DataFrame(ends, schema=events.schema)


@pytest.mark.parametrize("seed", range(8))
def test_pairs_within_an_interval_come_out_once_however_the_streams_are_cut(seed: int) -> None:
    left, right = make_events(seed, 120), make_events(seed + 100, 120)
    before, after = timedelta(seconds=10), timedelta(seconds=30)
    join = IntervalJoin(left=_CLOCK, right=_CLOCK, by=("user",), before=before, after=after)
    in_time = [
        [row for row, reached in with_watermarks(side) if reached is None or row["at"] >= reached]
        for side in (left, right)
    ]
    expected = sorted(
        (a["n"], b["n"])
        for a in in_time[0]
        for b in in_time[1]
        if a["user"] == b["user"] and -before <= b["at"] - a["at"] <= after
    )
    state, pairs = JoinState(), []
    lefts, rights = list(cut(seed, left)), list(cut(seed + 1, right))
    for turn in range(max(len(lefts), len(rights))):
        one = lefts[turn] if turn < len(lefts) else left.clear()
        other = rights[turn] if turn < len(rights) else right.clear()
        state, joined = fold_interval_join(join, state, one, other, now=NOW)
        pairs += joined.pairs.select("n", "n_right").rows()
    assert sorted(pairs) == expected
    assert expected
    state, _ = fold_interval_join(join, state, _end_of_time(left), _end_of_time(right), now=NOW)
    assert state.left is not None
    assert set(state.left["user"]) == {"end"}


def test_a_row_sees_what_was_valid_at_its_time_and_nothing_later() -> None:
    batch = make_events(5, 60)
    history = make_events(6, 60).select("user", valid_from="at", price="x").unique(["user", "valid_from"], keep="first")
    given = look_up_as_of(batch, history, by=("user",), time="at", valid_from="valid_from")
    expected = []
    for row in batch.to_dicts():
        valid = [h for h in history.to_dicts() if h["user"] == row["user"] and h["valid_from"] <= row["at"]]
        expected.append(max(valid, key=lambda h: h["valid_from"])["price"] if valid else None)
    assert given["price"].to_list() == expected
    assert given["n"].to_list() == batch["n"].to_list()


def test_a_key_that_the_table_lacks_gets_nulls_and_a_double_key_is_refused() -> None:
    batch = make_events(5, 20)
    table = pl.DataFrame({"user": ["u", "v"], "country": ["FR", "US"]})
    given = look_up(batch, table, by=("user",))
    assert given["country"].to_list() == [{"u": "FR", "v": "US"}.get(user) for user in batch["user"]]
    with pytest.raises(pl.exceptions.ComputeError):
        look_up(batch, pl.concat([table, table]), by=("user",))


def _reference(events: pl.DataFrame, pattern: Pattern) -> list[tuple[int, str, object]]:
    """The ends by definition; A, B and C are the kinds."""
    rows = [row for row, reached in with_watermarks(events) if reached is None or row["at"] >= reached]
    passed = {"next": "B" if pattern.first_times == 1 else "AB"}.get(pattern.follow, "ABX")
    ends = []
    for a in (row for row in rows if row["kind"] == "A"):
        behind = sorted((r for r in rows if r["user"] == a["user"] and r["at"] > a["at"]), key=lambda r: r["at"])
        deadline, reached = a["at"] + pattern.within, a["at"]
        for kind, count in (("A", pattern.first_times - 1), ("B", pattern.times)):
            later = [r["at"] for r in behind if r["kind"] == kind and reached is not None and r["at"] > reached]
            reached = reached if not count else later[count - 1] if len(later) >= count else None
        broken = next((r["at"] for r in behind if r["kind"] not in passed), None)
        until = deadline if broken is None else min(broken, deadline)
        matches = [reached] if reached is not None and reached <= until else []
        if pattern.follow == "each" and matches:
            matches = [r["at"] for r in behind if r["kind"] == "B" and reached <= r["at"] <= until]
        outcome = "broken" if broken is not None and broken <= deadline else "timed_out"
        ends += [(a["n"], "matched", at) for at in matches] or [(a["n"], outcome, until)]
    return sorted(ends)


PATTERNS: list[dict[str, object]] = [
    {}, {"times": 2}, {"first_times": 2}, {"first_times": 2, "times": 2, "follow": "each"},
    {"follow": "next"}, {"follow": "next", "first_times": 2}, {"follow": "each"},
]  # fmt: skip


@pytest.mark.parametrize("words", PATTERNS, ids=str)
@pytest.mark.parametrize("seed", range(6))
def test_a_pattern_ends_as_defined_however_the_stream_is_cut(seed: int, words: dict[str, Any]) -> None:
    events = make_events(seed, 250)
    events = pl.concat([events, _end_of_time(events)])
    within = timedelta(seconds=45)
    kind = pl.col("kind")
    pattern = Pattern(
        clock=_CLOCK, by=("user",), first=kind == "A", then=kind == "B", without=kind == "C", within=within, **words
    )
    outputs = []
    for batches in ([events], list(cut(seed, events))):
        state, rows = PatternState(), []
        for batch in batches:
            state, ends = fold_pattern(pattern, state, batch, now=NOW)
            rows.append(ends.rows)
        outputs.append(pl.concat(rows))
        assert state.rows is not None
        assert set(state.rows["user"]) <= {"end"}
    assert sorted(outputs[0].select("n", "outcome", "ended_at").rows()) == _reference(events, pattern)
    assert_frame_equal(outputs[1], outputs[0])
    assert set(outputs[0]["outcome"]) >= {"matched", "broken"}
