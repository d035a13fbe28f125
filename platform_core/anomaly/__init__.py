"""Anomalies: frozen detectors that give the same bits in a batch and in a stream."""

from platform_core.anomaly.detector import Detector, describe_detector, parse_detector, score_rows, train_detector

__all__ = ["Detector", "describe_detector", "parse_detector", "score_rows", "train_detector"]
