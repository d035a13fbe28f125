"""Chunk size and hands follow the memory limit."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from platform_resources.conversion.chunks import FIRST_ROWS, MOST_ROWS, Plan, regrouped

MIB = 1 << 20


def plan(limit: int = 1000 * MIB, **known: int) -> Plan:
    return Plan(**{"limit_bytes": limit, "base_bytes": 200 * MIB, "most_workers": 4, **known})


def settled(first: Plan, row_bytes: int, overhead: int = 3) -> Plan:
    """The plan after many chunks of rows of one width, where a row costs `overhead` times its size."""
    for _ in range(40):
        held = first.rows * row_bytes * overhead * first.workers
        first = first.after(rows=first.rows, frame_bytes=first.rows * row_bytes, resident_bytes=first.base_bytes + held)
    return first


@given(st.integers(1, 50 * MIB), st.integers(1, 12))
def test_chunks_in_hand_stay_within_the_room(row_bytes: int, overhead: int) -> None:
    found = settled(plan(), row_bytes, overhead)
    assert 1 <= found.rows <= MOST_ROWS
    assert found.rows == 1 or found.rows * row_bytes * found.workers <= found.room_bytes


def test_narrow_rows_go_in_large_chunks_and_all_hands() -> None:
    found = settled(plan(), 50)
    assert (found.rows, found.workers) == (MOST_ROWS, 4)


def test_wide_rows_go_one_after_another() -> None:
    found = settled(plan(), 40 * MIB)
    assert found.workers == 1
    assert found.rows <= 3


def test_rows_that_become_wider_shrink_the_next_chunk_at_once() -> None:
    before = settled(plan(), 100)
    after = before.after(rows=before.rows, frame_bytes=before.rows * 10_000, resident_bytes=1100 * MIB)
    assert after.rows * 10 < before.rows
    assert after.workers == 1


def test_a_process_that_is_over_the_limit_goes_on_in_chunks_that_are_worth_their_overhead() -> None:
    found = plan(base_bytes=900 * MIB)
    for _ in range(40):  # whatever it does, others hold more than the limit
        found = found.after(rows=found.rows, frame_bytes=found.rows * 100, resident_bytes=2000 * MIB)
    assert found.workers == 1
    assert found.rows * 100 >= 100_000


def test_growth_is_by_doubling_and_an_empty_chunk_teaches_nothing() -> None:
    first = plan()
    assert first.after(rows=0, frame_bytes=0, resident_bytes=0) == first
    assert first.after(rows=5, frame_bytes=0, resident_bytes=0).rows == 2 * FIRST_ROWS  # of nulls alone
    next_ = first.after(rows=FIRST_ROWS, frame_bytes=FIRST_ROWS * 8, resident_bytes=201 * MIB)
    assert next_.rows == 2 * FIRST_ROWS


@given(st.lists(st.integers(0, 30)), st.integers(1, 20))
def test_regrouping_keeps_all_rows_in_order(heights: list[int], wanted: int) -> None:
    frames, start = [], 0
    for height in heights:
        frames.append(pl.DataFrame({"n": range(start, start + height)}, schema={"n": pl.Int64}))
        start += height
    found = list(regrouped(iter(frames), lambda: wanted))
    assert [value for frame in found for value in frame["n"]] == list(range(start))
    assert all(frame.height == wanted for frame in found[:-1])
