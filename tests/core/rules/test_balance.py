"""Totals of two datasets, compared group by group."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Day,
    Field,
    Generated,
    Topic,
    UtcTimestamp,
    balance,
    catalog_of,
    col,
    monthly,
)
from platform_core.errors import ContractError
from platform_core.interchange.values import plain_rule, real_rule
from platform_core.quality.judge import table_results
from platform_core.synthetic.world import sides


class Trips(DataFrameModel):
    """One row per trip."""

    at: UtcTimestamp
    town: str
    cents: int = Field(nullable=True)


class Takings(DataFrameModel):
    """One row per day and town."""

    day: Day
    town: str
    cents: int = Field(nullable=True)


RULE = balance(
    "cents_are_kept", "t/trips", by={"day": col("at").dt.date(), "town": "town"}, own=col("cents").sum(),
    theirs=col("cents").sum(),
)  # fmt: skip
trips = Dataset("t/trips", Trips, owner="team:t", version="1.0.0", source=Generated(rows=5))
takings = Dataset("t/takings", Takings, owner="team:t", version="1.0.0", source=Generated(rows=5), rules=[RULE])
AT = datetime(2024, 1, 1, 9, tzinfo=UTC)
RAW = pl.DataFrame(
    {"at": [AT, AT, AT], "town": ["Cobh", "Cobh", "Rome"], "cents": [1, 2, 5]},
    schema={column.name: column.dtype for column in trips.columns},
)  # fmt: skip
GOOD = pl.DataFrame({"day": [date(2024, 1, 1)] * 2, "town": ["Cobh", "Rome"], "cents": [3, 5]})


def out_of_balance(rows: pl.DataFrame, dataset: Dataset = takings) -> float | None:
    (result,) = table_results(rows.lazy(), dataset, sides(dataset, {"t/trips": RAW}), now=AT)
    assert result.passed == (not result.value)
    return result.value


def test_a_total_that_differs_a_group_that_is_gone_and_one_too_many_are_counted():
    assert out_of_balance(GOOD) == 0
    assert out_of_balance(GOOD.with_columns(cents=pl.lit(3))) == 1
    assert out_of_balance(pl.concat([GOOD, GOOD.with_columns(town=pl.lit("Bonn"), cents=None)])) == 0, "is nothing"
    assert out_of_balance(GOOD.head(1)) == 1
    assert out_of_balance(GOOD.clear()) == 2, "no rows are out of balance with any"
    assert out_of_balance(pl.concat([GOOD, GOOD.with_columns(town=pl.lit("Bonn"))])) == 1
    assert out_of_balance(pl.concat([GOOD, GOOD])) == 2, "doubled rows are another total"


def test_without_groups_the_tables_balance_as_a_whole_and_a_tolerance_is_allowed():
    whole = balance("rows", "t/trips", own=col("cents").sum() / 2, theirs=pl.len(), tolerance=1.0)
    assert out_of_balance(GOOD, replace(takings, rules=[whole])) == 0
    assert out_of_balance(GOOD, replace(takings, rules=[replace(whole, tolerance=0.5)])) == 1


def test_groups_that_only_the_other_has_may_be_left_out():
    own = replace(takings, rules=[replace(RULE, groups="own")])
    assert out_of_balance(GOOD.head(1), own) == 0
    assert out_of_balance(GOOD.with_columns(town=pl.lit("Bonn")).head(1), own) == 1


def test_partitions_that_are_not_made_yet_are_left_out_and_rows_lost_in_one_are_not():
    monthly_takings = replace(takings, partitions=monthly("2024-01", on="day"))
    later = RAW.with_columns(at=pl.lit(AT + timedelta(days=40), RAW.schema["at"]))
    tables = {"t/trips": pl.concat([RAW, later])}
    (result,) = table_results(GOOD.lazy(), monthly_takings, sides(monthly_takings, tables), now=AT)
    assert result.value == 0
    (result,) = table_results(GOOD.head(1).lazy(), monthly_takings, sides(monthly_takings, tables), now=AT)
    assert result.value == 1


def test_a_balance_that_cannot_be_is_refused_by_name():
    def told(rule, source=None):
        declared = replace(takings, rules=[rule], **({"source": source} if source else {}))
        with pytest.raises(ContractError) as caught:
            catalog_of([trips, declared])
        return str(caught.value)

    assert "balances with 't/nothing', which is no other dataset" in told(replace(RULE, dataset="t/nothing"))
    assert "cannot be computed of t/trips" in told(replace(RULE, theirs=col("fare").sum()))
    assert "groups by day, Date here and Datetime" in told(balance("a", "t/trips", by={"day": "at"}, own=pl.len(),
                                                                   theirs=pl.len()))  # fmt: skip
    assert "which is written by then" in told(replace(RULE, severity="error"))
    assert "balances a stream" in told(RULE, Topic("takings", key="town"))
    with pytest.raises(ContractError, match="form a circle through t/takings, t/trips"):
        catalog_of([replace(trips, rules=[balance("b", "t/takings", own=pl.len(), theirs=pl.len())]), takings])


def test_a_balance_travels_in_a_contract_file():
    back = real_rule(plain_rule(RULE), id=RULE.id, severity=RULE.severity, dimension=RULE.dimension)
    assert out_of_balance(GOOD.head(1), replace(takings, rules=[back])) == 1
    assert back == RULE
