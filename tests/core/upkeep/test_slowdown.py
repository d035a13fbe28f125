"""A third slower is said within five runs, and a year of noise raises next to no alarm."""

import numpy as np
import pytest

from platform_core.upkeep.critical_path import critical_path
from platform_core.upkeep.slowdown import find_slowdown


def noise(random: np.random.Generator, count: int, spread: float) -> np.ndarray:
    """Durations around one second, of which one in fifty takes three times as long."""
    seconds = np.exp(random.normal(0, spread, count))
    seconds[random.random(count) < 0.02] *= 3
    return seconds


@pytest.mark.parametrize(("spread", "least"), [(0.05, 0.98), (0.1, 0.85)])
def test_thirty_percent_are_found_within_five_runs(spread: float, least: float) -> None:
    random, detected = np.random.default_rng(1), 0
    for _ in range(60):
        seconds = noise(random, 65, spread)
        seconds[60:] *= 1.3
        detected += any(find_slowdown(seconds[: 60 + runs]) for runs in range(1, 6))
    assert detected / 60 >= least


@pytest.mark.parametrize("spread", [0.05, 0.1])
def test_a_year_of_noise_alarms_in_less_than_one_percent_of_its_runs(spread: float) -> None:
    random, alarms, judged = np.random.default_rng(2), 0, 0
    for _ in range(3):
        seconds = noise(random, 365, spread)
        verdicts = [find_slowdown(seconds[max(0, end - 80) : end]) is not None for end in range(20, 365, 3)]
        alarms, judged = alarms + sum(verdicts), judged + len(verdicts)
    assert alarms / judged < 0.01


def test_it_says_what_was_usual_and_how_much_slower_it_is() -> None:
    found = find_slowdown([1.0] * 30 + [1.5] * 6)
    assert found is not None
    assert (round(found.usual_seconds, 2), round(found.share, 2), found.runs) == (1.0, 0.5, 6)


def test_one_slow_run_and_a_faster_dataset_are_no_slowdown() -> None:
    assert find_slowdown([1.0] * 30 + [9.0]) is None
    assert find_slowdown([1.0] * 30 + [0.5] * 9) is None


def test_a_path_follows_what_each_step_waited_for() -> None:
    steps = {"raw": (0.0, 4.0), "small": (0.0, 1.0), "clean": (4.0, 9.0), "mart": (9.5, 10.0)}
    needs = {"clean": frozenset({"raw"}), "mart": frozenset({"clean", "small"})}
    assert [step.name for step in critical_path(steps, needs)] == ["raw", "clean", "mart"]
