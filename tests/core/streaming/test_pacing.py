"""Sizes of micro-batches: a machine that is squeezed gets smaller ones, and larger ones when it is free again."""

from datetime import timedelta

import pytest

from platform_core.streaming.pacing import Goal, next_size

GOAL = Goal(latency=timedelta(seconds=1), memory_bytes=1_000, least=100, most=50_000, step=1_000)


def sizes(goal: Goal, costs: list[tuple[float, int]]) -> list[int]:
    """Work off a backlog; each batch costs seconds and bytes a message."""
    run = [goal.first_size]
    for seconds, used_bytes in costs:
        size = run[-1]
        run.append(next_size(goal, size, messages=size, seconds=seconds * size, used_bytes=used_bytes * size))
    return run


def test_a_run_that_is_squeezed_halves_its_batches_and_grows_again_when_it_is_let_go() -> None:
    free, squeezed = (1 / 10_000, 0), (1 / 1_000, 0)
    run = sizes(GOAL, [free] * 20 + [squeezed] * 40 + [free] * 40)
    assert max(run[:20]) > 9_000
    assert all(size <= 2_000 for size in run[25:60])
    assert max(run[60:]) > 9_000


@pytest.mark.parametrize(
    ("seconds", "used_bytes", "expected"), [(0.1, 1_001, 1_000), (1.1, 0, 1_000), (1, 1_000, 3_000)]
)
def test_memory_and_latency_are_goals_alike(seconds: float, used_bytes: int, expected: int) -> None:
    assert next_size(GOAL, 2_000, messages=2_000, seconds=seconds, used_bytes=used_bytes) == expected


def test_a_batch_that_was_not_full_says_nothing_about_larger_ones_and_bounds_hold() -> None:
    assert next_size(GOAL, 2_000, messages=1_999, seconds=0.1, used_bytes=0) == 2_000
    assert next_size(GOAL, 2_000, messages=0, seconds=9, used_bytes=0) == 2_000
    assert next_size(GOAL, 150, messages=150, seconds=9, used_bytes=0) == 100
    assert next_size(GOAL, 50_000, messages=50_000, seconds=0.1, used_bytes=0) == 50_000
