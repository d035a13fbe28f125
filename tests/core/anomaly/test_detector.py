"""Detectors find what was planted, say which column, and give the same bits whatever is scored together."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from platform_core.anomaly import (
    Detector,
    describe_detector,
    evaluate_scores,
    learn_season,
    parse_detector,
    score_rows,
    shifts_of,
    train_detector,
)

_COLUMNS = ("wind", "temperature", "pressure", "humidity")


def _weather(seed: int, count: int = 4000) -> pl.DataFrame:
    """Weather whose temperature and pressure go together."""
    rng = np.random.default_rng(seed)
    temperature = rng.normal(12, 8, count)
    return pl.DataFrame(
        {
            "wind": rng.gamma(2, 4, count),
            "temperature": temperature,
            "pressure": 1013 - 1.5 * (temperature - 12) + rng.normal(0, 1.5, count),
            "humidity": rng.uniform(20, 100, count),
        }
    )


@pytest.fixture(scope="module")
def detector() -> Detector:
    return train_detector(_weather(1), _COLUMNS, np.random.default_rng(7), rate=0.005)


def test_a_wind_of_1048_is_first_and_its_column_is_named(detector: Detector) -> None:
    rows = _weather(2).with_columns(wind=pl.when(pl.int_range(pl.len()) == 77).then(1048.0).otherwise("wind"))
    scored = score_rows(detector, rows)
    assert scored["anomaly_score"].arg_max() == 77
    assert scored["anomaly_column"][77] == "wind"
    assert 0 < (scored["anomaly_score"] >= 1).mean() < 0.03
    assert (
        scored.filter(pl.col("anomaly_score") < 1)["anomaly_column"].null_count() == (scored["anomaly_score"] < 1).sum()
    )


def test_records_that_are_odd_only_together_are_first_by_the_forest_and_none_by_the_z_score() -> None:
    rng = np.random.default_rng(2)
    warm = rng.choice([0.0, 1.0], 3000)
    rows = pl.DataFrame({"wind": warm + rng.normal(0, 0.05, 3000), "temperature": warm + rng.normal(0, 0.05, 3000)})
    detector = train_detector(rows, ("wind", "temperature"), np.random.default_rng(7), rate=0.005)
    scored = score_rows(detector, pl.concat([rows, pl.DataFrame({"wind": [0.0], "temperature": [1.0]})]))
    assert scored["anomaly_score"].rank(descending=True)[-1] <= 10
    distance = (pl.Series([0.0, 1.0]).to_numpy() - detector.median) / detector.scale
    assert np.abs(distance).max() < detector.z_limit


def test_labelled_faults_are_ranked_above_usual_rows(detector: Detector) -> None:
    rng = np.random.default_rng(5)
    faults = _weather(4, 100).with_columns(
        pressure=pl.col("pressure") + pl.Series(rng.choice([-60.0, 60.0], 100)),
        humidity=pl.Series(rng.uniform(0, 20, 100)),
    )
    usual = score_rows(detector, _weather(5))["anomaly_score"].to_numpy()
    scores = score_rows(detector, faults)["anomaly_score"].to_numpy()
    auc = np.mean(scores[:, None] > usual[None, :])
    assert auc > 0.98


def test_a_row_has_the_same_bits_alone_in_a_batch_and_from_a_kept_detector(detector: Detector) -> None:
    rows = _weather(6, 5000)
    whole = score_rows(detector, rows)
    kept = parse_detector(json.loads(json.dumps(describe_detector(detector))))
    parts = [score_rows(kept, rows[start : start + size]) for start, size in ((0, 1), (1, 2), (3, 997), (1000, 4000))]
    assert_frame_equal(pl.concat(parts), whole, check_exact=True)
    assert kept.version == detector.version
    other = train_detector(_weather(1), _COLUMNS, np.random.default_rng(8))
    assert other.version != detector.version


def test_missing_values_count_as_usual_ones_and_a_constant_column_is_odd_when_it_moves() -> None:
    rows = _weather(1, 500).with_columns(wind=pl.lit(3.0))
    detector = train_detector(rows, _COLUMNS, np.random.default_rng(1))
    row = pl.DataFrame(
        {"wind": [None, 1e6], "temperature": [float("nan"), 12.0], "pressure": [1013.0] * 2, "humidity": [60] * 2}
    )
    scored = score_rows(detector, row)
    assert scored["anomaly_score"][0] < 1
    assert scored["anomaly_column"].to_list() == [None, "wind"]


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="two rows are needed"):
        train_detector(_weather(1, 1), _COLUMNS, np.random.default_rng(1))


def test_a_night_value_at_noon_is_odd_for_a_detector_with_a_season_and_none_for_one_without() -> None:
    rng, start = np.random.default_rng(3), datetime(2026, 3, 1, tzinfo=UTC)
    hours = pl.DataFrame({"at": [start + timedelta(hours=number) for number in range(24 * 60)]})
    load = pl.Series(50 + 40 * np.sin(2 * np.pi * np.arange(24 * 60) / 24) + rng.normal(0, 1, 24 * 60))
    rows = hours.with_columns(load=load)
    season = learn_season(rows, ("load",), time="at", period=timedelta(days=1), slots=24)
    seasonal = train_detector(rows, ("load",), np.random.default_rng(1), rate=0.002, season=season)
    plain = train_detector(rows, ("load",), np.random.default_rng(1), rate=0.002)
    planted = rows.with_row_index().with_columns(is_odd=pl.col("index") % 97 == 0)
    faulty = planted.with_columns(load=pl.when("is_odd").then(140 - pl.col("load").abs()).otherwise("load"))
    figures = [evaluate_scores(score_rows(one, faulty)["anomaly_score"], faulty["is_odd"]) for one in (seasonal, plain)]
    assert figures[0].auc is not None
    assert figures[1].auc is not None
    assert figures[0].auc > 0.95 > figures[1].auc
    kept = parse_detector(json.loads(json.dumps(describe_detector(seasonal))))
    assert score_rows(kept, faulty).equals(score_rows(seasonal, faulty))


def test_precision_recall_and_auc_are_those_of_the_definition() -> None:
    scores, odd = pl.Series([0.2, 1.0, 2.0, 0.5, None]), pl.Series([False, True, False, True, True])
    found = evaluate_scores(scores, odd)
    assert (found.rows, found.odd, found.precision, found.recall, found.auc) == (4, 2, 0.5, 0.5, 0.5)
    nothing = evaluate_scores(pl.Series([0.1]), pl.Series([False]))
    assert (nothing.precision, nothing.recall, nothing.auc) == (None, None, None)


def test_drift_is_told_by_the_column_that_moved(detector: Detector) -> None:
    moved = shifts_of(detector, _weather(9).with_columns(pl.col("temperature") + 30))
    assert moved["temperature"] > 2
    assert max(shift for column, shift in moved.items() if column != "temperature") < 0.2
