"""How large the next micro-batch may be: more where there is room, half where a goal was missed (AIMD).

A larger batch costs less a message, and makes each of them wait longer and needs more memory. The rule knows no clock:
whoever works says how long a batch took and what it needed.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a micro-batch may cost.

    Attributes:
        latency: How long it may take, from the first message to the commit.
        memory_bytes: What it may need above what the process had before.
        least: Messages that a batch may have however slow it is.
        most: Messages that no batch exceeds.
        step: Messages by which the size grows.
    """

    latency: timedelta = timedelta(seconds=1)
    memory_bytes: int = 1 << 30
    least: int = 100
    most: int = 1_000_000
    step: int = 5_000

    @property
    def first_size(self) -> int:
        """The size before anything was measured: two steps."""
        return max(self.least, min(2 * self.step, self.most))


@dataclass(frozen=True)
class PaceSample:
    """What one micro-batch took.

    Attributes:
        at: When it ended, in UTC.
        messages: That it had.
        seconds: That it took.
        used_bytes: Memory above what the process had before it worked.
        size: Messages that the next one may have.
        at_once: Datasets that were taken in at the same time, at most.
    """

    at: datetime
    messages: int
    seconds: float
    used_bytes: int
    size: int
    at_once: int = 1


def next_size(goal: Goal, size: int, *, messages: int, seconds: float, used_bytes: int) -> int:
    """Return how many messages the next micro-batch may have.

    Half of what this one had where it missed a goal; a step more where it met both and was full; else as many.

    Args:
        goal: What it may cost.
        size: What it might have had.
        messages: What it had.
        seconds: What it took; exactly the goal is no miss.
        used_bytes: What it needed; exactly the goal is no miss.
    """
    if not messages:
        return size
    if seconds > goal.latency.total_seconds() or used_bytes > goal.memory_bytes:
        return max(goal.least, min(size, messages) // 2)
    if messages >= size:
        return min(goal.most, size + goal.step)
    return size


def rate_of(samples: list[PaceSample], now: datetime, *, over: timedelta = timedelta(minutes=1)) -> float:
    """Return messages a second over the time before now; a batch that ended at its first instant does not count."""
    recent = sum(sample.messages for sample in samples if now - over < sample.at <= now)
    return recent / over.total_seconds()
