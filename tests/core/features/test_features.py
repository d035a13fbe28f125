"""Features: the definition row by row, batch equal to stream in any order of arrival, and no sight of the future."""

# ruff: noqa: S311 - seeded, so that a failure comes again

import os
import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from platform_core.features import (
    FeatureState,
    age,
    compute_features,
    count,
    distinct,
    feature,
    find_leaks,
    fold_features,
    last,
    mean,
    rate,
    total,
)
from platform_core.streaming import Clock

_START = datetime(2026, 3, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_FEATURES = [
    feature("orders", count(), over=_HOUR, by="customer"),
    feature("spent", total("amount"), over=_HOUR, by="customer"),
    feature("usual", mean("amount"), over=timedelta(minutes=7), by="customer"),
    feature("latest", last("amount"), over=_HOUR, by="customer"),
    feature("shops", distinct("shop"), over=_HOUR, by="customer"),
    feature("pace", rate(), over=_HOUR, by=("customer", "shop")),
    feature("idle_for", age(), over=_HOUR, by="customer"),
]
_TIME = pl.Datetime("us", "UTC")


def _orders(seed: int, size: int) -> pl.DataFrame:
    rng = random.Random(seed)
    at = [_START + timedelta(seconds=rng.randrange(0, 4 * 3600, 10)) for _ in range(size)]
    rows = [(rng.choice("abc"), rng.choice("xyz"), moment, rng.uniform(-1e6, 1e6)) for moment in sorted(at)]
    return pl.DataFrame(
        rows, schema={"customer": pl.String, "shop": pl.String, "at": _TIME, "amount": pl.Float64}, orient="row"
    )


def _questions(orders: pl.DataFrame) -> pl.DataFrame:
    """As of each order, so that an order must not see itself, and as of instants between."""
    between = orders.select("customer", "shop", at=pl.col("at") + timedelta(seconds=5))
    return pl.concat([orders.select("customer", "shop", "at"), between]).rename({"at": "asked"})


def test_features_are_those_of_the_definition() -> None:
    orders = _orders(1, 150)
    given = compute_features(_FEATURES, orders, _questions(orders), time="at", instant="asked")
    rows = orders.to_dicts()
    for answer in given.to_dicts():

        def seen(over: timedelta, *by: str, answer: dict[str, Any] = answer) -> list[dict[str, Any]]:
            inside = [r for r in rows if answer["asked"] - over <= r["at"] < answer["asked"]]
            return sorted((r for r in inside if all(r[k] == answer[k] for k in by)), key=lambda r: (r["at"], r["shop"]))

        hour, minutes = seen(_HOUR, "customer"), seen(timedelta(minutes=7), "customer")
        assert answer["orders"] == len(hour)
        assert answer["spent"] == pytest.approx(sum(r["amount"] for r in hour), rel=1e-9, abs=1e-3)
        assert answer["usual"] == (pytest.approx(sum(r["amount"] for r in minutes) / len(minutes)) if minutes else None)
        assert answer["shops"] == len({r["shop"] for r in hour})
        assert answer["pace"] == len(seen(_HOUR, "customer", "shop")) * (1 / 3600)
        assert answer["idle_for"] == (answer["asked"] - hour[-1]["at"] if hour else None)
        assert (answer["latest"] is None) == (not hour)


@pytest.mark.parametrize("seed", range(6))
def test_a_stream_gives_the_bits_of_the_batch_in_any_order_of_arrival_within_the_lateness(seed: int) -> None:
    orders = _orders(seed, 300)
    questions = _questions(orders)
    expected = compute_features(_FEATURES, orders, questions, time="at", instant="asked")
    rng = random.Random(seed)
    lateness = timedelta(minutes=10)
    arrival = sorted(range(300), key=lambda i: orders["at"][i] + timedelta(seconds=rng.uniform(0, 600)))
    arrived = orders[arrival]
    end = pl.DataFrame([("z", "z", _START + timedelta(days=1), 0.0)], schema=orders.schema, orient="row")
    clock = Clock(time="at", lateness=lateness)
    state, answers, start = FeatureState(), [], 0
    while start < 300:
        size = rng.choice([1, 2, 30, 80])
        asks = questions if start == 0 else questions.clear()
        batch = arrived[start : start + size]
        state, given, late = fold_features(_FEATURES, state, batch, asks, clock=clock, instant="asked", now=_START)
        assert not late.height
        answers.append(given)
        start += size
    state, given, _ = fold_features(_FEATURES, state, end, questions.clear(), clock=clock, instant="asked", now=_START)
    answers.append(given)
    order = ["asked", "customer", "shop"]
    assert_frame_equal(pl.concat(answers).sort(*order), expected.sort(*order), check_exact=True)
    assert state.events is not None
    assert state.events.height == 1


@pytest.mark.lane
@pytest.mark.parametrize("seed", range(1, 11 if os.environ.get("NIGHTLY") else 3))  # a million orders a night
def test_a_hundred_thousand_keys_in_as_many_orders_of_arrival_have_the_bits_of_the_batch(seed: int) -> None:
    rng, keys, events = np.random.default_rng(seed), 100_000, 6
    size = keys * events
    micros = 10_000_000 * rng.integers(0, 3 * 360, size)  # ties among them
    orders = pl.DataFrame({
        "customer": np.tile(np.arange(keys), events), "shop": rng.integers(0, 3, size),
        "at": pl.Series(micros + int(_START.timestamp()) * 1_000_000).cast(_TIME), "amount": rng.normal(0, 1e6, size),
    })  # fmt: skip
    asks = orders.sample(keys, seed=seed).select("customer", "shop", asked=pl.col("at") + timedelta(seconds=5))
    expected = compute_features(_FEATURES, orders, asks, time="at", instant="asked")
    arrived, clock = orders[rng.permutation(size)], Clock(time="at", lateness=timedelta(hours=4))
    end = orders[:1].with_columns(at=pl.lit(_START + timedelta(days=1)).cast(_TIME))
    state, answers, cuts = FeatureState(), [], sorted({0, size, *rng.integers(0, size, 3).tolist()})
    batches = [arrived[start:stop] for start, stop in pairwise(cuts)]
    for batch in [*batches, end]:
        asked = asks if not answers else asks.clear()
        state, given, late = fold_features(_FEATURES, state, batch, asked, clock=clock, instant="asked", now=_START)
        assert late.is_empty()
        answers.append(given)
    order = ["asked", "customer", "shop", *(each.name for each in _FEATURES)]
    assert_frame_equal(pl.concat(answers).sort(*order), expected.sort(*order), check_exact=True)
    assert state.events is not None
    assert state.events.height == 1  # what no feature asks for any more is gone


def test_no_feature_of_ours_sees_the_future_and_planted_leaks_are_found() -> None:
    orders = _orders(3, 200).unique(["at"], keep="first").sort("at")
    price = pl.col("amount")

    def leaky(rows: pl.DataFrame) -> pl.DataFrame:
        instants = rows.with_columns(asked=pl.col("at"))
        features = compute_features(_FEATURES, rows, instants, time="at", instant="asked").drop("asked")
        ahead = rows.select("customer", "at", wrong_side="amount").sort("at")
        features = features.join_asof(
            ahead, on="at", by="customer", strategy="forward", allow_exact_matches=False, check_sortedness=False
        )
        return features.with_columns(
            centred=price.rolling_mean(5, center=True), ahead=price.shift(-1), z=(price - price.mean()) / price.std()
        )

    instants = [orders["at"][place] for place in (20, 90, 150)]
    leaks = find_leaks(leaky, orders, time="at", instants=instants, seed=1)
    assert set(leaks) == {"centred", "ahead", "z", "wrong_side"}


def test_a_feature_without_a_key_is_refused() -> None:
    with pytest.raises(ValueError, match="give a time above 0 and a key"):
        feature("n", count(), over=_HOUR, by=())
