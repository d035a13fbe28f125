"""Anomalies: frozen detectors that give the same bits in a batch and in a stream."""

from platform_core.anomaly.detector import (
    Detector,
    describe_detector,
    learn_season,
    parse_detector,
    score_rows,
    shifts_of,
    train_detector,
)
from platform_core.anomaly.evaluation import Evaluation, evaluate_scores

__all__ = [
    "Detector",
    "Evaluation",
    "describe_detector",
    "evaluate_scores",
    "learn_season",
    "parse_detector",
    "score_rows",
    "shifts_of",
    "train_detector",
]
