"""What a planted fault breaks, what it breaks along, and rules that nothing breaks."""

from typing import Annotated

import numpy as np
import polars as pl
import pytest

from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Field,
    UtcTimestamp,
    check,
    col,
    complete,
    expression,
    measure,
    monthly,
    references,
    rules_of,
    unique,
    volume,
)
from platform_core.synthetic import CannotBreak, faults
from platform_core.synthetic.verdicts import red_rules


class Rides(DataFrameModel):
    """One row per ride."""

    ride: str = Field(str_matches="^R[0-9]{5}$", unique=True)
    city: str = Field(isin=["Oslo", "Rome"], ne="Oslo")
    driver: str = Field(nullable=True, references="rides/drivers.name", coverage=0.9)
    zone: str = Field(references="rides/zones.zone")
    seats: int = Field(ge=1, le=6)
    minutes: float = Field(nullable=True, gt=0, in_range={"min_value": 0, "max_value": 600})
    note: str = Field(nullable=True, str_length={"max_value": 20}, str_startswith="ok")
    started: UtcTimestamp
    ended: UtcTimestamp

    @check("seats")
    @classmethod
    def not_thirteen(cls, data) -> pl.LazyFrame:
        """Five is a seat too many for this city."""
        return data.lazyframe.select(pl.col(data.key) != 5)


LOOKUPS = {
    "driver_references": pl.DataFrame({"driver": ["Ada", "Alan"]}),
    "zone_references": pl.DataFrame({"zone": ["A", "B"]}),
    "zone_seats_references": pl.DataFrame({"zone": ["A", "A", "B", "B"], "seats": [1, 2, 3, 4]}),
}
RIDES = Dataset(
    "rides/rides",
    Rides,
    owner="team:rides",
    version="1.0.0",
    key=("ride",),
    partitions=monthly("2024-01", on="started"),
    rules=[
        unique("zone", "started"),
        references(("zone", "seats"), "rides/plans"),
        expression("ends_after_start", "ended >= started"),
        complete("note", at_least=0.5),
        complete("minutes", at_least=0.8, over="table"),
        measure("mean_minutes", col("minutes").mean(), at_least=100, at_most=500),
        volume(at_least=10, at_most=200),
    ],
)


def planted(dataset, rule_id, lookups=LOOKUPS):
    return list(faults(dataset, np.random.default_rng(3), references=lookups, only={rule_id}))


@pytest.mark.parametrize("rule_id", [rule.id for rule in rules_of(RIDES) if rule.id not in {"schema", "types"}])
def test_a_fault_breaks_its_rule_and_those_it_names(rule_id):
    (fault,) = planted(RIDES, rule_id)
    assert set(red_rules(fault.frame, RIDES, LOOKUPS)) == fault.red >= {rule_id}


def implied(dataset, rule_id, lookups=LOOKUPS):
    return {each.rule_id: each.reason for fault in planted(dataset, rule_id, lookups) for each in fault.also}


def test_a_column_that_is_unique_and_the_key_breaks_both_and_says_why():
    assert implied(RIDES, "ride_unique") == {"key_unique": "rows alike in ride are alike in ride"}


def test_a_bound_inside_another_breaks_the_other_along():
    assert implied(RIDES, "minutes_gt") == {}  # zero is within the closed range
    assert list(implied(RIDES, "minutes_in_range")) in (["minutes_gt"], [])


def test_a_value_out_of_the_list_is_not_the_one_that_is_banned():
    assert implied(RIDES, "city_isin") == {}
    assert implied(RIDES, "city_ne") == {}


def test_a_row_rule_is_broken_by_one_row():
    (fault,) = planted(RIDES, "seats_le")
    assert (fault.frame["seats"] > 6).sum() == 1


def test_columns_too_many_and_too_few_are_faults_of_the_schema():
    missing, extra = planted(RIDES, "schema")
    assert (missing.frame.width, extra.frame.width) == (8, 10)


class Levels(DataFrameModel):
    """Columns whose types leave their rules nothing to refuse."""

    byte: pl.UInt8 = Field(le=255)
    level: Annotated[pl.Enum, ["low", "high"]] = Field(isin=["low", "high"])
    free: str = Field(nullable=True)


LEVELS = Dataset(
    "rides/levels",
    Levels,
    owner="team:rides",
    version="1.0.0",
    rules=[complete("byte", at_least=1.0), volume(at_most=10**7), expression("always", col("byte") >= 0)],
)


@pytest.mark.parametrize("rule_id", ["byte_le", "level_isin", "byte_complete", "volume", "always"])
def test_a_rule_that_nothing_can_break_is_refused_by_name(rule_id):
    with pytest.raises(CannotBreak, match=f"rides/levels: rule '{rule_id}' cannot be broken") as refusal:
        planted(LEVELS, rule_id, {})
    assert refusal.value.rule == rule_id
    assert refusal.value.why
