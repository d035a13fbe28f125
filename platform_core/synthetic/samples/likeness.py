"""How like a sample drawn rows are, and how unlike any one row of it: measured beside a part kept back.

The rows kept back are of the sample and were not learnt; what they score is what good rows would.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from platform_core.synthetic.samples.normal import Floats

_COMPARED, _AMONG, _CHUNK, _MOST_PAIRS = 1000, 5000, 100, 400


@dataclass(frozen=True)
class Scores:
    """What rows score beside those that were learnt.

    Attributes:
        distances: By column, the largest distance of the two distributions (KS of numbers, total variation of others).
        nulls: By column, the difference of the shares of nulls.
        correlation: The mean difference of the rank correlations of numbers.
        conditional: By number, the mean distance of a group's median from the learnt rows', in its own unit.
        classifier: How well a logistic regression tells the rows from those learnt: 0.5 is not at all, 1 is always.
    """

    distances: Mapping[str, float]
    nulls: Mapping[str, float]
    correlation: float
    conditional: Mapping[str, float]
    classifier: float


@dataclass(frozen=True)
class Likeness:
    """Scores of drawn rows beside those of rows kept back, and how near drawn rows come to learnt ones.

    Attributes:
        drawn: Of the drawn rows.
        kept_back: Of the rows kept back.
        copies: Drawn rows that equal a learnt one in all columns.
        closest: The median distance of a drawn row to the closest learnt one; 0 is a copy, 1 is unlike in everything.
        closest_kept_back: The same of the rows kept back.
        too_close: The share of drawn rows closer than the closest hundredth of the rows kept back.
        smallest_group: Rows of the smallest group that was learnt.
    """

    drawn: Scores
    kept_back: Scores
    copies: int
    closest: float
    closest_kept_back: float
    too_close: float
    smallest_group: int


def compare(
    learnt: pl.DataFrame, kept_back: pl.DataFrame, drawn: pl.DataFrame, *,
    group_by: Sequence[str] = (), smallest_group: int = 0, seed: int = 0,
) -> Likeness:  # fmt: skip
    """Measure drawn rows, and rows kept back, against those that were learnt.

    Columns in which every value is another, such as keys, are left out.
    """
    names = [name for name in learnt.columns
             if learnt[name].n_unique() < learnt.height and not learnt[name].is_null().all()]  # fmt: skip
    mine, back, drawn_rows = (frame.select(names) for frame in (learnt, kept_back, drawn))
    rng = np.random.default_rng(seed)
    near, back_near = _closest(mine, drawn_rows, rng), _closest(mine, back, rng)
    return Likeness(
        drawn=_scores(mine, drawn_rows, group_by, rng),
        kept_back=_scores(mine, back, group_by, rng),
        copies=drawn_rows.join(mine.unique(), on=names, how="semi", nulls_equal=True).height,
        closest=float(np.median(near)),
        closest_kept_back=float(np.median(back_near)),
        too_close=float((near < np.quantile(back_near, 0.01)).mean()),
        smallest_group=smallest_group,
    )


def _scores(mine: pl.DataFrame, other: pl.DataFrame, group_by: Sequence[str], rng: np.random.Generator) -> Scores:
    numeric = [name for name, kind in mine.schema.items() if kind.is_numeric()]
    return Scores(
        distances={name: _distance(mine[name], other[name]) for name in mine.columns},
        nulls={name: abs(_null_share(mine[name]) - _null_share(other[name])) for name in mine.columns},
        correlation=float(np.nanmean(np.abs(_ranked(mine, numeric) - _ranked(other, numeric)))) if numeric else 0.0,
        conditional=_conditional(mine, other, group_by, [name for name in numeric if name not in group_by]),
        classifier=_classifier(mine, other, rng),
    )


def _distance(left: pl.Series, right: pl.Series) -> float:
    if left.dtype.is_numeric() or left.dtype.is_temporal():
        first, second = (np.sort(series.drop_nulls().to_physical().to_numpy()) for series in (left, right))
        places = np.concatenate([first, second])
        if not (first.size and second.size):
            return 0.0 if first.size == second.size else 1.0
        shares = [
            np.searchsorted(sorted_values, places, side="right") / sorted_values.size
            for sorted_values in (first, second)
        ]
        return float(np.abs(shares[0] - shares[1]).max())
    parts = [
        series.cast(pl.String).value_counts(normalize=True).rename({left.name: "value"}) for series in (left, right)
    ]
    both = parts[0].join(parts[1], on="value", how="full", nulls_equal=True).fill_null(0)
    return float((both["proportion"] - both["proportion_right"]).abs().sum() / 2)


def _null_share(values: pl.Series) -> float:
    return values.null_count() / max(values.len(), 1)


def _ranked(frame: pl.DataFrame, numeric: Sequence[str]) -> Floats:
    spread = frame.gather_every(max(frame.height // 50_000, 1))  # the first rows of a sorted sample are one season's
    ranks = spread.select(pl.col(name).rank().cast(pl.Float64) for name in numeric)
    values = ranks.select(pl.all().fill_null(pl.all().mean())).to_numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.atleast_2d(np.corrcoef(values, rowvar=False))


def _conditional(
    mine: pl.DataFrame, other: pl.DataFrame, group_by: Sequence[str], numeric: Sequence[str]
) -> dict[str, float]:
    if not group_by:
        return {}
    medians = [frame.group_by(group_by).agg(pl.col(numeric).median()) for frame in (mine, other)]
    both = medians[0].join(medians[1], on=list(group_by), nulls_equal=True)
    differences = both.select((pl.col(name) - pl.col(f"{name}_right")).abs().mean().alias(name) for name in numeric)
    return {name: float(value) for name, value in differences.row(0, named=True).items() if value is not None}


def _encoded(mine: pl.DataFrame, frame: pl.DataFrame) -> tuple[Floats, Any]:
    """Return numbers as the shares of learnt ones below them, null as -1, and other columns as codes."""
    shares, codes = [], []
    for name, kind in mine.schema.items():
        if kind.is_numeric() or kind.is_temporal():
            known = np.sort(mine[name].drop_nulls().to_physical().to_numpy())
            values = frame[name].to_physical().cast(pl.Float64).to_numpy()
            below = np.searchsorted(known, np.nan_to_num(values)) / max(known.size, 1)
            shares.append(np.where(np.isnan(values), -1.0, below))
        else:
            words = mine[name].cast(pl.String).unique().sort()
            places = dict(zip(words.to_list(), range(len(words)), strict=True))
            coded = frame[name].cast(pl.String).replace_strict(places, default=-1, return_dtype=pl.Int64)
            codes.append(coded.fill_null(-2).to_numpy())
    height = frame.height
    return (np.array(shares).T if shares else np.zeros((height, 0)),
            np.array(codes).T if codes else np.zeros((height, 0), dtype=int))  # fmt: skip


def _closest(mine: pl.DataFrame, other: pl.DataFrame, rng: np.random.Generator) -> Floats:
    among = mine[rng.permutation(mine.height)[:_AMONG]]
    some = other[rng.permutation(other.height)[:_COMPARED]]
    numbers, codes = _encoded(mine, among)
    compared_numbers, names = _encoded(mine, some)
    distances = []
    for start in range(0, some.height, _CHUNK):
        part = slice(start, start + _CHUNK)
        apart = np.abs(compared_numbers[part, None, :] - numbers[None, :, :]).clip(max=1).sum(axis=2)
        apart += (names[part, None, :] != codes[None, :, :]).sum(axis=2)
        distances.append(apart.min(axis=1))
    return np.concatenate(distances) / max(len(mine.columns), 1) if distances else np.ones(1)


def _classifier(mine: pl.DataFrame, other: pl.DataFrame, rng: np.random.Generator) -> float:
    """Fit a logistic regression on half of the rows, and return the area under its curve on the other half."""
    size = min(mine.height, other.height, _AMONG)
    parts = [_features(mine, frame[rng.permutation(frame.height)[:size]]) for frame in (mine, other)]
    values, labels = np.concatenate(parts), np.repeat([0.0, 1.0], size)
    order = rng.permutation(values.shape[0])
    values, labels = values[order], labels[order]
    half = values.shape[0] // 2
    weights = np.zeros(values.shape[1])
    for _ in range(8):
        chance = 1 / (1 + np.exp(-np.clip(values[:half] @ weights, -30, 30)))
        slope = values[:half].T @ (labels[:half] - chance) - weights
        curve = (values[:half] * (chance * (1 - chance))[:, None]).T @ values[:half] + np.eye(weights.size)
        weights += np.linalg.solve(curve, slope)
    scores, truth = values[half:] @ weights, labels[half:]
    ranks = pl.Series(scores).rank().to_numpy()
    positive = int(truth.sum())
    negative = truth.size - positive
    if not positive or not negative:
        return 0.5
    return float((ranks[truth == 1].sum() - positive * (positive + 1) / 2) / (positive * negative))


def _features(mine: pl.DataFrame, frame: pl.DataFrame) -> Floats:
    numbers, codes = _encoded(mine, frame)
    scaled = codes / np.maximum(codes.max(axis=0, initial=1), 1)
    plain = np.concatenate([numbers, scaled], axis=1)
    width = plain.shape[1]
    pairs = [plain[:, left] * plain[:, right] for left in range(width) for right in range(left, width)]
    return np.column_stack([np.ones(frame.height), plain, *pairs[:_MOST_PAIRS]])
