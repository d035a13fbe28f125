"""A rule that cannot be computed on the rows that came is named with its dataset; the rows are not quoted."""

from typing import Any

import polars as pl
import pytest

from platform_core.contracts import DataFrameModel, Dataset, Field, check, col, complete, dataframe_check, expression
from platform_core.errors import RuleError
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
