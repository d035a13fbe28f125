"""A partition unlike those before it turns a rule on drift red, and one like them does not."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from platform_core.contracts import Dataset, catalog_of, drift, rules_from, rules_of
from platform_core.errors import ContractError
from platform_core.interchange.odcs import from_odcs, to_odcs
from platform_core.interchange.python_code import dataset_code
from platform_core.quality import judge
from platform_core.rules import DriftRule
from platform_core.synthetic import faults, synthesize
from platform_core.synthetic.verdicts import red_rules
from tests.core.rules.fares import FARES, day

DRIFTS = [rule.id for rule in rules_of(FARES) if isinstance(rule, DriftRule)]


def red(*days: pl.DataFrame) -> set[str]:
    return set(red_rules(pl.concat(days), FARES, {}))


def test_days_that_are_alike_are_green_and_so_is_chance() -> None:
    assert red(*(day(number) for number in range(1, 10))) == set()
    for seed in range(8):
        frame = synthesize(FARES, 3000, seed)
        assert red_rules(frame, FARES, {}) == ()


@pytest.mark.parametrize(
    ("drifted", "rules"),
    [
        (day(9, fare=pl.col("fare") * 1.5), {"fare_mean_drift", "fare_quantile_drift_0_9_last_3", "fare_psi",
                                            "fare_ks_last_3"}),
        (day(9, fare=pl.when(pl.col("code") > 7).then(70.0).otherwise("fare")), {"fare_quantile_drift_0_9_last_3"}),
        (day(9, city=pl.when(pl.col("code") < 5).then(pl.lit("Ünna")).otherwise("city")), {"city_new_values"}),
        (day(9, city=pl.when(pl.col("code") < 5).then(pl.lit("it's")).otherwise("city")),
         {"city_new_values", "city_share_drift_it_s_weekday"}),
    ],
)  # fmt: skip
def test_a_drift_turns_its_rules_red_and_no_others(drifted: pl.DataFrame, rules: set[str]) -> None:
    assert red(*(day(number) for number in range(1, 9)), drifted) == rules


def test_the_first_partition_and_one_of_few_rows_have_no_verdict() -> None:
    few = day(2, fare=pl.col("fare") * 9, rows=20)
    results = judge(pl.concat([day(1), few]), FARES, {}).results
    mean = next(result for result in results if result.rule.id == "fare_mean_drift")
    assert (mean.passed, mean.value) == (True, None)
    assert "nothing was compared" in mean.reason


def test_values_at_the_ends_of_their_types_are_compared() -> None:
    rule = drift("n", "mean", at_most=0.1)
    zero, most = (pl.DataFrame({"n": [value] * 40}) for value in (0, 2**63 - 1))
    assert (rule.distance(zero, zero), rule.distance(most, zero), rule.distance(zero, most)) == (0.0, 1.0, 1.0)
    odd = pl.DataFrame({"n": [float("nan"), -0.0, 0.0, None] * 40})
    assert drift("n", "ks", at_most=0.1).distance(odd, odd) == 0.0
    assert drift("n", "psi", at_most=0.1).distance(odd.with_columns(n=pl.lit(1e308)), odd) > 1


@pytest.mark.parametrize("rule_id", DRIFTS)
def test_a_fault_is_planted_for_each(rule_id: str) -> None:
    (fault,) = faults(FARES, np.random.default_rng(5), only={rule_id})
    assert rule_id in red_rules(fault.frame, FARES, {})
    assert set(red_rules(fault.frame, FARES, {})) == fault.red
    assert fault.red <= set(DRIFTS)


def test_it_travels_through_a_contract_and_a_list() -> None:
    back = from_odcs(to_odcs(FARES)).dataset
    assert rules_of(back) == rules_of(FARES)
    items = [{"type": "psi", "field": "fare", "value": {"at_most": 0.2}, "where": "code < 8"},
             {"type": "share_drift", "field": "city", "value": {"value": "it's", "at_most": 0.3, "against": "weekday"}},
             {"type": "mean_drift", "field": "fare", "value": 0.3}]  # fmt: skip
    assert set(rules_from(items)) <= {*rules_of(FARES)}
    code: dict[str, Any] = {}
    exec(dataset_code(FARES), code)  # noqa: S102 - our own code
    assert next(rules_of(each) for each in code.values() if isinstance(each, Dataset)) == rules_of(FARES)


def test_what_cannot_be_compared_is_refused_whole() -> None:
    wrong = [drift("fare", "psi", at_most=-1, against="yesterday"), drift("city", "ks", at_most=0.1),
             drift("city", "mean", at_most=0.1), drift("fare", "mean", at_most=0.1, where="fare >"),
             drift("fare", "quantile", at=2, at_most=0.1)]  # fmt: skip
    with pytest.raises(ContractError) as caught:
        catalog_of([replace(FARES, rules=wrong)])
    told = str(caught.value)
    for words in ("at_most=-1", "'yesterday'", "compares an order", "compares numbers", "no SQL", "no quantile 2"):
        assert words in told
    with pytest.raises(ContractError, match="no partitions by time"):
        catalog_of([replace(FARES, partitions=None, rules=[drift("fare", "psi", at_most=0.1)])])
