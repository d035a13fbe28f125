"""Time series by recipe: trend, seasons, noise, gaps, and anomalies that are labelled where they stand."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
import polars as pl

from platform_core.synthetic.recipes.blocks import generator

Numbers = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
AnomalyKind = Literal["spike", "level_shift", "drift", "dropout"]
TrendKind = Literal["none", "linear", "exponential", "logistic"]


@dataclass(frozen=True, kw_only=True)
class Trend:
    """The slow part of a metric.

    Attributes:
        kind: Its form.
        slope: Of a linear one the change a day, of an exponential one the growth a day (0.01 is one percent), of a
            logistic one how steep it is at its middle, a day.
        capacity: What a logistic trend adds in the end.
        changes: Instants from which another slope holds, of a linear trend.
    """

    kind: TrendKind = "none"
    slope: float = 0.0
    capacity: float = 1.0
    changes: tuple[tuple[datetime, float], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Season:
    """A wave of a period, as high as `amplitude` above and below; `phase` shifts it by a share of the period."""

    period: timedelta
    amplitude: float
    phase: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Anomalies:
    """Anomalies of one kind.

    Attributes:
        kind: A spike is one instant, a level shift and a drift last to the end of their `length`, a dropout is null.
        count: How many.
        size: How large, in standard deviations of the metric without them.
        length: How many instants each takes; 1 for a spike.
    """

    kind: AnomalyKind
    count: int
    size: float = 6.0
    length: int = 1


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric of a series: base + trend + seasons + noise, then anomalies and gaps.

    Attributes:
        name: The column's; its labels stand in `<name>_anomaly`, the kind or null.
        base: Where it begins.
        noise: Standard deviation of the noise.
        persistence: Of AR(1) noise, 0 for white noise, below 1.
        gap_share: The share of instants without a value, in runs.
        holidays: What is added on days, by date as `MM-DD`.
        correlates: Other metrics whose noise it shares, with the coefficient.
    """

    name: str
    base: float = 0.0
    trend: Trend = Trend()
    seasons: tuple[Season, ...] = ()
    noise: float = 0.0
    persistence: float = 0.0
    gap_share: float = 0.0
    anomalies: tuple[Anomalies, ...] = ()
    holidays: tuple[tuple[str, float], ...] = ()
    correlates: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, kw_only=True)
class SeriesRecipe:
    """Metrics over the instants of [start, end) at a frequency."""

    name: str
    start: datetime
    end: datetime
    frequency: timedelta
    metrics: tuple[Metric, ...]

    @property
    def rows(self) -> int:
        """The number of instants."""
        return max(0, -((self.start - self.end) // self.frequency))


def series(recipe: SeriesRecipe, seed: int) -> pl.DataFrame:
    """Make the series: a column `at` in UTC, then for each metric its values and the labels of its anomalies.

    Each metric has chance of its own by its name, so that adding one changes no other; a later end keeps trend,
    seasons and white noise of the earlier instants, while anomalies and gaps are spread anew.
    """
    instants = pl.datetime_range(
        recipe.start, recipe.start + recipe.frequency * recipe.rows, recipe.frequency,
        closed="left", time_unit="us", time_zone="UTC", eager=True,
    ).alias("at")  # fmt: skip
    noises: dict[str, Numbers] = {}
    columns = [instants]
    for metric in recipe.metrics:
        noises[metric.name] = _noise(metric, recipe, seed, noises)
        columns += _columns(metric, recipe, instants, noises[metric.name], generator(seed, recipe.name, metric.name, 1))
    return pl.DataFrame(columns)


def _noise(metric: Metric, recipe: SeriesRecipe, seed: int, others: Mapping[str, Numbers]) -> Numbers:
    """Draw noise of unit variance: white or AR(1), sharing what it correlates with."""
    own = generator(seed, recipe.name, metric.name, 0).normal(size=recipe.rows)
    shared = [(others[name], coefficient) for name, coefficient in metric.correlates]
    mixed = own * np.sqrt(max(0.0, 1 - sum(coefficient**2 for _, coefficient in shared)))
    for noise, coefficient in shared:
        mixed = mixed + coefficient * noise
    return mixed if not metric.persistence else _persistent(mixed, metric.persistence)


def _persistent(shocks: Numbers, persistence: float) -> Numbers:
    scaled = shocks * np.sqrt(1 - persistence**2)
    values: Numbers = np.empty_like(scaled)
    level = shocks[0] if len(shocks) else 0.0
    for place, shock in enumerate(scaled):
        level = level if place == 0 else persistence * level + shock
        values[place] = level
    return values


def _columns(
    metric: Metric, recipe: SeriesRecipe, instants: pl.Series, noise: Numbers, rng: np.random.Generator
) -> list[pl.Series]:
    days: Numbers = np.arange(recipe.rows, dtype=np.float64) * (recipe.frequency / timedelta(days=1))
    values: Numbers = metric.base + _trend(metric, recipe, days)
    for season in metric.seasons:
        turns = days / (season.period / timedelta(days=1)) + season.phase
        values = values + season.amplitude * np.sin(2 * np.pi * turns)
    values = values + metric.noise * noise
    for day, effect in metric.holidays:
        values = values + effect * (instants.dt.strftime("%m-%d") == day).to_numpy()
    labels = np.full(recipe.rows, None, dtype=object)
    scale = float(np.std(values)) or 1.0
    for anomalies in metric.anomalies:
        values = _with_anomalies(values, labels, anomalies, scale, rng)
    missing = _gaps(recipe.rows, metric.gap_share, rng) | np.isnan(values)
    column = pl.Series(metric.name, values).set(pl.Series(missing), None)
    return [column, pl.Series(f"{metric.name}_anomaly", labels.tolist(), dtype=pl.String)]


def _trend(metric: Metric, recipe: SeriesRecipe, days: Numbers) -> Numbers:
    trend = metric.trend
    if trend.kind == "exponential":
        return np.asarray(metric.base * ((1 + trend.slope) ** days - 1))
    if trend.kind == "logistic":
        middle = days[-1] / 2 if len(days) else 0.0
        return np.asarray(trend.capacity / (1 + np.exp(-trend.slope * (days - middle))))
    if trend.kind == "none":
        return np.zeros_like(days)
    slopes = np.full_like(days, trend.slope)
    for instant, slope in trend.changes:
        slopes[days >= (instant - recipe.start) / timedelta(days=1)] = slope
    return np.asarray(np.cumsum(slopes * np.diff(days, prepend=0.0)))


def _with_anomalies(
    values: Numbers, labels: np.ndarray[tuple[int], np.dtype[np.object_]], anomalies: Anomalies, scale: float,
    rng: np.random.Generator,
) -> Numbers:  # fmt: skip
    changed = values.copy()
    length = min(anomalies.length, len(values))
    for _ in range(anomalies.count):
        free = [place for place in rng.integers(0, len(values) - length + 1, 64)
                if all(label is None for label in labels[place : place + length])]  # fmt: skip
        if not free:
            break
        span = slice(int(free[0]), int(free[0]) + length)
        sign = 1.0 if rng.random() < 0.5 else -1.0  # noqa: PLR2004 - up as often as down
        match anomalies.kind:
            case "spike" | "level_shift":
                changed[span] += sign * anomalies.size * scale
            case "drift":
                changed[span] += sign * anomalies.size * scale * np.linspace(0, 1, length)
            case "dropout":
                changed[span] = np.nan
        labels[span] = anomalies.kind
    return changed


def _gaps(rows: int, share: float, rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Mark runs of missing instants that take about `share` of all."""
    missing = np.zeros(rows, dtype=bool)
    while rows and share and missing.mean() < share:
        start = int(rng.integers(0, rows))
        missing[start : start + int(rng.integers(1, max(2, rows // 100)))] = True
    return missing
