"""Features: declared once, computed point-in-time correct in a batch and in a stream, with the same bits."""

from platform_core.features.compute import FeatureState, compute_features, fold_features
from platform_core.features.declarations import Feature, Measure, age, count, distinct, feature, last, mean, rate, total
from platform_core.features.leaks import find_leaks

__all__ = [
    "Feature",
    "FeatureState",
    "Measure",
    "age",
    "compute_features",
    "count",
    "distinct",
    "feature",
    "find_leaks",
    "fold_features",
    "last",
    "mean",
    "rate",
    "total",
]
