"""The chain of steps that a run waited for: making any of them shorter makes the run shorter."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PathStep:
    """A step on the path, in seconds from the run's start."""

    name: str
    start: float
    end: float


def critical_path(steps: Mapping[str, tuple[float, float]], needs: Mapping[str, AbstractSet[str]]) -> list[PathStep]:
    """Follow from the step that ended last back to whatever each waited for, first step first.

    Args:
        steps: Start and end of each step.
        needs: The steps that each comes after; where it began later than all of them ended, what worked last before
            it counts as well, for it held the place.

    >>> [step.name for step in critical_path({"a": (0, 5), "b": (0, 1), "c": (5, 7)}, {"c": {"a", "b"}})]
    ['a', 'c']
    """
    path: list[PathStep] = []
    name = max(steps, key=lambda step: steps[step][1], default=None)
    while name is not None:
        start, end = steps[name]
        path.append(PathStep(name=name, start=start, end=end))
        needed = [step for step in needs.get(name, ()) if step in steps]
        before = [step for step in steps if steps[step][1] <= start and step != name]
        candidates = {*needed, *before} - {step.name for step in path}
        name = max(
            (candidate for candidate in candidates if steps[candidate][1] <= start),
            key=lambda step: (steps[step][1], step in needed),
            default=None,
        )
    return path[::-1]
