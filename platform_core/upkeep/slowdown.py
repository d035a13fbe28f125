"""Slower than it was: a change in how long a dataset takes, said early and not by chance.

Durations are compared as logarithms with the runs before them, whose middle and spread are robust against single slow
runs. Two signs count: a sum of what lies above the middle (Page's CUSUM), which finds a lasting change of a third
within five runs; a single slow run is none.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

LEAST_RUNS = 20
"""So many runs before it is said that one is slower."""

BASELINE_RUNS = 60
_LEAST_SPREAD = 0.03
_SLACK, _LIMIT, _MOST = 1.0, 4.5, 3.0
_LEAST_SHARE = 0.15
_SCALE = 1.4826


@dataclass(frozen=True, kw_only=True)
class Slowdown:
    """A dataset that takes longer than it did.

    Attributes:
        usual_seconds: The median of the runs before.
        recent_seconds: The median of the runs since it began.
        runs: Since it began.
    """

    usual_seconds: float
    recent_seconds: float
    runs: int

    @property
    def share(self) -> float:
        """By how much it is slower: 0.3 is 30 %."""
        return self.recent_seconds / self.usual_seconds - 1


def find_slowdown(seconds: Sequence[float]) -> Slowdown | None:
    """Judge the newest of a dataset's durations, oldest first; None where it is not slower, or too little is known.

    Args:
        seconds: Of runs that did the same work; zero and less are left out.
    """
    logs = [math.log(second) for second in seconds if second > 0]
    total, began = 0.0, len(logs)
    for number in range(LEAST_RUNS, len(logs)):
        before = logs[max(0, min(number, began) - BASELINE_RUNS) : min(number, began)]
        middle = median(before)
        spread = max(_SCALE * median(abs(log - middle) for log in before), _LEAST_SPREAD)
        total = max(0.0, total + min((logs[number] - middle) / spread, _MOST) - _SLACK)
        began = len(logs) if total == 0 else min(began, number)
    if total < _LIMIT:
        return None
    before = logs[max(0, began - BASELINE_RUNS) : began]
    slowdown = Slowdown(
        usual_seconds=math.exp(median(before)),
        recent_seconds=math.exp(median(logs[began:])),
        runs=len(logs) - began,
    )
    return slowdown if slowdown.share >= _LEAST_SHARE else None
