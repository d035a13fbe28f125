"""A rule that cannot be computed on the rows that came is named with its dataset; the rows are not quoted."""

from typing import Any

import polars as pl
import pytest

from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Day,
    Field,
    Generated,
    UtcTimestamp,
    catalog_of,
    check,
    col,
    complete,
    dataframe_check,
    expression,
    not_future,
    rules_from,
)
from platform_core.errors import ContractError, RuleError
from platform_core.quality import judge
from platform_core.rules import Rule

SECRET = "ada@example.com"


class Plain(DataFrameModel):
    """A text."""

    text: str = Field(nullable=True)


class Raises(Plain):
    """A check that raises."""

    @check("text")
    def own(cls, data: Any) -> bool:  # noqa: N805 - Pandera calls it so
        raise KeyError(data.key)


class Drops(Plain):
    """A check with fewer verdicts than rows."""

    @dataframe_check
    def text_own(cls, data: Any) -> pl.LazyFrame:  # noqa: N805
        return data.lazyframe.select(pl.col("text").is_not_null()).head(2)


def declared(model: type[DataFrameModel], *rules: Rule) -> Dataset:
    return Dataset("x/texts", model, owner="team:x", version="1.0.0", rules=rules)


@pytest.mark.parametrize(
    ("dataset", "rule"),
    [
        (declared(Plain, expression("whole", col("text").cast(pl.Int64) > 0)), "whole"),
        (declared(Raises), "text_own"),
        (declared(Drops), "text_own"),
    ],
)
def test_it_is_named_with_its_dataset_and_quotes_no_value(dataset: Dataset, rule: str) -> None:
    with pytest.raises(RuleError, match=f"x/texts: rule '{rule}'") as caught:
        judge(pl.DataFrame({"text": [SECRET, "b", "c"]}), dataset, {})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("filled", range(1, 101))
def test_a_share_that_is_exactly_the_threshold_holds(filled: int) -> None:
    dataset = declared(Plain, complete("text", at_least=filled / 100))
    rows = pl.DataFrame({"text": ["x"] * filled + [None] * (100 - filled)})
    assert all(result.passed for result in judge(rows, dataset, {}).results)


class Timed(DataFrameModel):
    """One row."""

    at: UtcTimestamp
    day: Day


def test_a_rule_on_the_clock_is_tried_with_a_clock() -> None:
    """A trial without one refused every declaration of it."""
    rules = [not_future("at"), not_future("day")]
    timed = Dataset("a/timed", Timed, owner="team:a", version="1.0.0", source=Generated(rows=1), rules=rules)
    assert [rule.id for rule in catalog_of([timed])["a/timed"].rules] == ["at_not_future", "day_not_future"]


def test_a_list_of_rules_is_refused_with_every_culprit_whatever_is_wrong_with_it() -> None:
    items = [
        {"name": "a", "type": "ge", "field": "at"},
        {"name": "b", "type": "ge", "field": "n", "value": 1, "where": "country = "},
        {"name": "c", "type": "ge", "field": "n", "value": 1, "where": 5},
        {"name": "d", "type": "mostly"},
        {"name": "e", "type": "not_null", "field": "n"},
        {"name": "f", "type": "isin", "field": "n"},
    ]
    with pytest.raises(ContractError) as refused:
        rules_from(items)
    culprits = [problem.culprit for problem in refused.value.problems]
    assert culprits == ["rule 1 (a)", "rule 2 (b)", "rule 3 (c)", "rule 4 (d)", "rule 6 (f)"]
