"""What a measurement is expected to be, from its own past alone: seasons, changes of level, and what people left out.

A baseline is learned from the values before the one it judges, never from that value itself. Of the level and of the
season, whichever would have foretold the past more closely gives the band; another one holds since the level changed.
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

LEAST_POINTS = 5
"""With fewer earlier values nothing is expected."""

_SPREADS = 5.5
_NOISES = 5.5
_MAD = 1.4826
_LEVEL_POINTS = 4
_SEASON_MOVES = 12
_DAY_LENGTH, _MONTH_LENGTH = 10, 7


@dataclass(frozen=True)
class Point:
    """A value of a period, and the standard error that chance alone gives it."""

    period: str
    value: float
    noise: float = 0.0


@dataclass(frozen=True)
class Band:
    """Where a value is expected, both ends closed; `basis` says from what it was learned."""

    low: float
    high: float
    basis: str

    def deviation(self, value: float) -> float:
        """Return how far a value lies from the middle, in half widths; up to 1 is inside."""
        half = (self.high - self.low) / 2
        return abs(value - (self.low + half)) / half if half else float(value != self.low) * 1e9


@dataclass(frozen=True)
class Tolerance:
    """What a metric may move in any case: a share of its level, or so much."""

    relative: float = 0.05
    absolute: float = 0.0


def expected(past: Sequence[Point], period: str, *, noise: float = 0.0, tolerance: Tolerance) -> tuple[Band, ...]:
    """Learn where the value of a period is expected.

    Args:
        past: The values before it, oldest first, without those of periods that people left out.
        period: Whose value is to be judged: a day, a month, or any text that begins with one.
        noise: The standard error of the value.
        tolerance: What the metric may move in any case.

    Returns:
        The band of its level or season, and that since the last change of level; none with fewer than five values.
    """
    if len(past) < LEAST_POINTS:
        return ()
    values = [point.value for point in past]
    level = _band(values, noise, tolerance, f"{len(values)} earlier values")
    closest = min([(_error(values), level), *_seasonal(past, period, noise, tolerance)], key=lambda model: model[0])
    bands = [closest[1]]
    since = _last_change(values, noise, tolerance)
    if since:
        bands.append(_band(values[since:], noise, tolerance, f"since {past[since].period}"))
    return tuple(bands)


def deviation(bands: Sequence[Band], value: float) -> float:
    """Return how far a value lies from the nearest band's middle, in half widths; up to 1 is as expected."""
    return min((band.deviation(value) for band in bands), default=0.0)


def _band(values: Sequence[float], noise: float, tolerance: Tolerance, basis: str) -> Band:
    middle = statistics.median(values)
    spread = _MAD * statistics.median(abs(value - middle) for value in values)
    # The fewer the values, the less their spread is known.
    half = max(
        _SPREADS * (1 + 4 / len(values)) * spread, _NOISES * noise, tolerance.relative * abs(middle), tolerance.absolute
    )
    return Band(middle - half, middle + half, basis)


def _last_change(values: Sequence[float], noise: float, tolerance: Tolerance) -> int | None:
    """Return where the last lasting change of level begins: four values at least on each side, none in common."""
    for place in range(len(values) - _LEVEL_POINTS, _LEVEL_POINTS - 1, -1):
        before, after = values[max(0, place - 12) : place], values[place:]
        gap = max(min(after) - max(before), min(before) - max(after))
        room = _band(after, noise, tolerance, "")
        if gap > (room.high - room.low) / 2:
            return place
    return None


def season(period: str) -> tuple[str, ...]:
    """Return the seasons of a period: its month; of a day its weekday.

    >>> season("2024-03-05"), season("2024-03")
    (('weekday 1',), ('month 3',))
    """
    try:
        if len(period) >= _DAY_LENGTH:
            return (f"weekday {date.fromisoformat(period[:_DAY_LENGTH]).weekday()}",)
        return (f"month {int(period[5:7])}",) if len(period) == _MONTH_LENGTH else ()
    except ValueError:
        return ()


def _error(values: Sequence[float]) -> float:
    """Return how far the values lie from their median, in the mean: what foretelling it would have cost."""
    middle = statistics.median(values)
    return statistics.fmean(abs(value - middle) for value in values)


def _seasonal(past: Sequence[Point], period: str, noise: float, tolerance: Tolerance) -> Iterator[tuple[float, Band]]:
    """Yield a band around the last value of the same season, moved by what such values moved, and its error before."""
    for word in season(period):
        latest: dict[str, float] = {}
        moves = []
        for point in past:
            for own in season(point.period):
                if own in latest:
                    moves.append(point.value - latest[own])
                latest[own] = point.value
        if word in latest and len(moves) >= _SEASON_MOVES:
            moved = _band(moves, noise * 2**0.5, Tolerance(0.0, 0.0), word)
            middle = latest[word] + (moved.high + moved.low) / 2
            half = max((moved.high - moved.low) / 2, tolerance.relative * abs(middle), tolerance.absolute)
            yield _error(moves), Band(middle - half, middle + half, word)
