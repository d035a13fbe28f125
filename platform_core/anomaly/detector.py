"""A detector: the forest and robust z-scores together, each of which catches what the other misses.

One value far out is first by its z-score and hardly noticed by a forest of many columns; records whose columns are odd
only together are the other way round. The forest sees the principal axes beside the columns: it cuts along its columns,
and would find nothing in an empty corner between clusters. Each score is divided by what a share `rate` of the training
rows exceeds, so that 1 is the limit of both; the larger is the score. The bits are the same in a batch and in a stream.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from platform_core.anomaly.forest import Forest, Values, score_forest, train_forest

_MAD_OF_NORMAL, _IQR_OF_NORMAL = 1.4826, 1.349
_LARGEST_Z, _USUAL_Z = 1e9, 5.0


@dataclass(frozen=True, eq=False)
class Season:
    """What is usual at a time of the day, or of another period: a value is odd by what it is beside that.

    Attributes:
        time: the column of instants, in UTC, never null.
        period: after which it begins again, counted from 1970.
        profile: a row for each part of the period, with the median of each column.
    """

    time: str
    period: timedelta
    profile: Values

    def residuals(self, rows: pl.DataFrame, values: Values) -> Values:
        """Return the values less what is usual at their time."""
        return np.asarray(values - self.profile[_slots(rows, self.time, self.period, len(self.profile))])


@dataclass(frozen=True, eq=False)
class Detector:
    """What was learnt.

    Attributes:
        columns: the columns that it reads, as float64; nulls and NaN count as the median.
        median: of each column.
        scale: of each column: 1.4826 median absolute deviations, or what stands in where that is 0.
        axes: the principal axes of the training rows, a column each.
        forest: trained on the values less their median, in scales, and on where they lie along the axes.
        forest_limit: the forest's score that a share `rate` of the training rows exceeds.
        z_limit: the same of the largest z-score of a row.
        rate: that share.
        season: what is taken from the values before anything else; None for nothing.
    """

    columns: tuple[str, ...]
    median: Values
    scale: Values
    axes: Values
    forest: Forest
    forest_limit: float
    z_limit: float
    rate: float
    season: Season | None = None

    @property
    def version(self) -> str:
        """Twelve characters that name its content."""
        return hashlib.sha256(json.dumps(describe_detector(self)).encode()).hexdigest()[:12]


def learn_season(rows: pl.DataFrame, columns: tuple[str, ...], *, time: str, period: timedelta, slots: int) -> Season:
    """Learn what is usual in each of so many parts of a period; a part without values is like all of them."""
    values = _matrix(rows, columns)
    usual = np.nan_to_num(np.nanmedian(values, axis=0))
    places, profile = _slots(rows, time, period, slots), np.tile(usual, (slots, 1))
    for slot in np.unique(places):
        own = values[places == slot]
        measured = np.isfinite(own).any(axis=0)
        profile[slot, measured] = np.nanmedian(own[:, measured], axis=0)
    return Season(time, period, profile)


def train_detector(
    rows: pl.DataFrame,
    columns: tuple[str, ...],
    rng: np.random.Generator,
    *,
    rate: float = 0.001,
    trees: int = 100,
    season: Season | None = None,
) -> Detector:
    """Learn from rows most of which are usual; with a season, from what they are beside it.

    Raises:
        ValueError: there are fewer than two rows, or the rate is not between 0 and 1.
    """
    if rows.height < 2 or not 0 < rate < 1:  # noqa: PLR2004 - one row has no scale
        raise ValueError(f"{rows.height} rows, rate {rate}: two rows are needed, and 0 < rate < 1. Fix: give more rows")
    values = _values(rows, columns, season)
    median = np.nan_to_num(np.nanmedian(values, axis=0))
    scale = np.array([_scale(values[:, number], median[number]) for number in range(len(columns))])
    standard = _standardise(values, median, scale)
    axes = np.linalg.eigh(np.atleast_2d(np.cov(np.clip(standard, -_USUAL_Z, _USUAL_Z), rowvar=False)))[1]
    forest = train_forest(_turn(standard, axes), rng, trees=trees)
    limits = [
        float(np.quantile(scores, 1 - rate, method="higher"))
        for scores in (score_forest(forest, _turn(standard, axes)), np.abs(standard).max(axis=1))
    ]
    return Detector(columns, median, scale, axes, forest, limits[0], max(limits[1], 1e-9), rate, season)


def score_rows(detector: Detector, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with `anomaly_score` and, at 1 or above, `anomaly_column`: the column that explains it.

    That is the column farthest out where the z-score decides; else the one whose value, put to the median, lowers the
    forest's score most. The score of a row does not depend on the others.
    """
    standard = _standardise(_values(rows, detector.columns, detector.season), detector.median, detector.scale)
    distance = np.abs(standard)
    forest = score_forest(detector.forest, _turn(standard, detector.axes)) / detector.forest_limit
    far = distance.max(axis=1, initial=0.0) / detector.z_limit
    score = np.maximum(forest, far)
    names = np.array([*detector.columns, None], object)
    reason = np.full(rows.height, -1)
    odd = np.flatnonzero(score >= 1)
    reason[odd] = np.where(far[odd] >= forest[odd], distance[odd].argmax(axis=1), _explain(detector, standard[odd]))
    return rows.with_columns(
        pl.Series("anomaly_score", score, pl.Float64), pl.Series("anomaly_column", names[reason].tolist(), pl.String)
    )


def describe_detector(detector: Detector) -> Mapping[str, Any]:
    """Return the detector as values that JSON keeps without loss."""
    forest = {name: getattr(detector.forest, name).tolist() for name in ("feature", "child", "path", "roots")}
    leaves, season = np.isinf(detector.forest.threshold), detector.season
    forest["threshold"] = np.where(leaves, 0.0, detector.forest.threshold).tolist()
    forest["leaf"] = leaves.tolist()
    return {
        "columns": list(detector.columns),
        "median": detector.median.tolist(),
        "scale": detector.scale.tolist(),
        "axes": detector.axes.tolist(),
        "forest": forest | {"depth": detector.forest.depth, "expected": detector.forest.expected},
        "forest_limit": detector.forest_limit,
        "z_limit": detector.z_limit,
        "rate": detector.rate,
        **({} if season is None else {"season": _describe_season(season)}),
    }


def _describe_season(season: Season) -> Mapping[str, Any]:
    return {"time": season.time, "seconds": season.period.total_seconds(), "profile": season.profile.tolist()}


def parse_detector(described: Mapping[str, Any]) -> Detector:
    """Return the detector that was described; bit for bit the same."""
    nodes = described["forest"]
    threshold = np.where(np.array(nodes["leaf"], bool), np.inf, np.array(nodes["threshold"], np.float64))
    forest = Forest(
        np.array(nodes["feature"], np.int64), threshold, np.array(nodes["child"], np.int64),
        np.array(nodes["path"], np.float64), np.array(nodes["roots"], np.int64), nodes["depth"], nodes["expected"],
    )  # fmt: skip
    median, scale, axes = (np.array(described[name], np.float64) for name in ("median", "scale", "axes"))
    limits = described["forest_limit"], described["z_limit"], described["rate"]
    season = None
    if kept_season := described.get("season"):
        period, profile = timedelta(seconds=kept_season["seconds"]), np.array(kept_season["profile"], np.float64)
        season = Season(kept_season["time"], period, profile)
    return Detector(tuple(described["columns"]), median, scale, axes, forest, *limits, season)


def shifts_of(detector: Detector, rows: pl.DataFrame) -> dict[str, float]:
    """Return by column how far the median of the rows lies from that of the training, in its scales: drift.

    A column without values has not moved.
    """
    if rows.is_empty():
        return dict.fromkeys(detector.columns, 0.0)
    values = _values(rows, detector.columns, detector.season)
    now = np.nanmedian(np.where(np.isnan(values).all(axis=0), detector.median, values), axis=0)
    moved = np.abs(now - detector.median) / detector.scale
    return dict(zip(detector.columns, moved.tolist(), strict=True))


def _values(rows: pl.DataFrame, columns: tuple[str, ...], season: Season | None) -> Values:
    values = _matrix(rows, columns)
    return values if season is None else season.residuals(rows, values)


def _slots(rows: pl.DataFrame, time: str, period: timedelta, slots: int) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Return the part of the period in which each row lies: `[start, end)`."""
    whole = period // timedelta(microseconds=1)
    inside = rows.select(pl.col(time).dt.timestamp("us") % whole).to_series().to_numpy()
    return np.asarray(inside * slots // whole, np.int64)


def _matrix(rows: pl.DataFrame, columns: tuple[str, ...]) -> Values:
    return rows.select(pl.col(name).cast(pl.Float64).fill_null(np.nan) for name in columns).to_numpy()


def _standardise(values: Values, median: Values, scale: Values) -> Values:
    standard = (np.where(np.isnan(values), median, values) - median) / scale
    return np.clip(standard, -_LARGEST_Z, _LARGEST_Z)


def _turn(standard: Values, axes: Values) -> Values:
    """Return the values with where they lie along the axes; a matrix product's bits depend on how many rows it has."""
    along = np.zeros(standard.shape)
    for number in range(standard.shape[1]):
        along += standard[:, number, None] * axes[number]
    return np.hstack([standard, along])


def _scale(values: Values, median: float) -> float:
    values = values[np.isfinite(values)]
    if not len(values):
        return 1.0
    low, high = np.quantile(values, [0.25, 0.75])
    candidates = (np.median(np.abs(values - median)) * _MAD_OF_NORMAL, (high - low) / _IQR_OF_NORMAL, values.std())
    return float(next((scale for scale in candidates if scale > 0), 1.0))


def _explain(detector: Detector, standard: Values) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return, for each row, the column without whose value the forest finds it least odd."""
    without = np.empty(standard.shape)
    for number in range(standard.shape[1]):
        changed = standard.copy()
        changed[:, number] = 0.0
        without[:, number] = score_forest(detector.forest, _turn(changed, detector.axes))
    return np.asarray(without.argmin(axis=1), np.int64)
