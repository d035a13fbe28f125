"""A month is compared with those that the table has: a drift warns, or stops the write, and a version may be named."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from platform_assets.ingest.ingest import Run, ingest
from platform_assets.ingest.inputs import adapter_for, take_inputs
from platform_assets.ingest.references import load_references
from platform_assets.ingest.tables import table_spec
from platform_assets.ingest.verdicts import TableVerdicts
from platform_core.contracts import Dataset, catalog_of, drift
from platform_core.errors import RuleError
from platform_core.quality import RuleResult
from platform_core.quality.policy import stopping
from platform_resources.storage import Lake
from tests.assets.ingest.worker import land, opened, orders

MEAN = drift("price", "mean", at_most=0.2, against="last 2")


def month(lake: Lake, dataset: Dataset, number: int, price: int) -> RuleResult:
    """Take in a file of 40 orders of a month; what the drift rule says of the table then."""
    land(lake, str(number), [(number * 100 + place, number, price + place % 3) for place in range(40)])
    references = load_references(lake, catalog_of([dataset]), dataset)
    now = datetime.now(UTC)
    (taken,) = ingest(
        lake, dataset,
        lambda state: take_inputs(adapter_for(dataset, lake.settings), state, again=True, partitions=None,
                                  names=[f"shop/orders-{number}.csv"]),
        references, run=Run(run_id=f"run-{number}", at=now),
        admits=lambda intake: not stopping(dataset, intake.results),
    )  # fmt: skip
    judged = taken.intake.results
    rule = dataset.rules[0].id
    if stopping(dataset, judged):
        return next(result for result in judged if result.rule.id == rule)
    return next(each for each in TableVerdicts(lake, dataset).results(judged, now=now) if each.rule.id == rule)


def test_a_month_unlike_the_two_before_warns_and_stands(tmp_path: Path) -> None:
    lake, dataset = opened(tmp_path), replace(orders("delta"), rules=[MEAN])
    assert [month(lake, dataset, number, 100).passed for number in (1, 2, 3)] == [True, True, True]
    late = month(lake, dataset, 4, 200)
    assert (late.passed, late.reason) == (False, "2024-04: 0.9903")
    assert lake.scan(table_spec(dataset)).collect().height == 160
    mended = month(lake, dataset, 4, 101)
    assert (mended.passed, round(mended.value or 0, 3)) == (True, 0.01)


def test_a_month_unlike_the_one_before_is_not_written_where_the_rule_is_an_error(tmp_path: Path) -> None:
    lake, dataset = opened(tmp_path), replace(orders("delta"), rules=[replace(MEAN, severity="error")])
    month(lake, dataset, 1, 100)
    assert not month(lake, dataset, 2, 300).passed
    assert lake.scan(table_spec(dataset)).collect().height == 40
    assert month(lake, dataset, 2, 101).passed


def test_a_version_is_compared_with_and_one_that_is_gone_is_named(tmp_path: Path) -> None:
    lake, plain = opened(tmp_path), orders("delta")
    month(lake, replace(plain, rules=[MEAN]), 1, 100)
    version = lake.version(table_spec(plain))
    month(lake, replace(plain, rules=[MEAN]), 2, 115)
    rule = drift("price", "mean", at_most=0.2, against=f"version {version}")
    assert not month(lake, replace(plain, rules=[rule]), 3, 130).passed
    with pytest.raises(RuleError, match="version 99 of the table, which is not there"):
        month(lake, replace(plain, rules=[replace(rule, against="version 99")]), 4, 130)
