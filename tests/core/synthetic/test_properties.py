"""For any contract: rows that pass are found, the same seed finds the same, and Pandera agrees with the judge."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import numpy as np
import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandera.errors import SchemaErrors

from platform_core.contracts import DataFrameModel, Dataset, Day, Field, RowRule, UtcTimestamp, rules_of
from platform_core.quality import judge
from platform_core.synthetic import faults, synthesize, synthesize_batches
from platform_core.synthetic.errors import CannotBreak, CannotGenerate
from platform_core.synthetic.verdicts import red_rules

INTS = st.integers(-1000, 1000)
FLOATS = st.floats(-1000, 1000, allow_nan=False).map(lambda value: round(value, 3))
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
DECIMALS = st.integers(-99_999, 99_999).map(lambda cents: Decimal(cents).scaleb(-2))


def dataset_of(columns: dict[str, tuple[Any, dict[str, Any]]], **terms: Any) -> Dataset:
    """A dataset with the columns `{name: (annotation, rules)}`."""
    fields = {name: Field(**rules) for name, (_, rules) in columns.items()}
    annotations = {name: annotation for name, (annotation, _) in columns.items()}
    model = type("Drawn", (DataFrameModel,), {"__annotations__": annotations, "__doc__": "Drawn.", **fields})
    return Dataset("drawn/table", model, owner="team:test", version="1.0.0", **terms)


def _bounds(values):
    pair = st.tuples(values, values).map(sorted).filter(lambda pair: pair[0] < pair[1])
    low = st.sampled_from(["ge", "gt"]).flatmap(lambda name: values.map(lambda value: {name: value}))
    high = st.sampled_from(["le", "lt"]).flatmap(lambda name: values.map(lambda value: {name: value}))
    between = pair.map(lambda pair: {"in_range": {"min_value": pair[0], "max_value": pair[1], "include_min": False}})
    closed = pair.map(lambda pair: {"ge": pair[0], "le": pair[1], "ne": pair[0]})
    listed = st.lists(values, min_size=2, max_size=5, unique=True).map(lambda each: {"isin": each, "ne": each[0]})
    banned = st.lists(values, min_size=1, max_size=3, unique=True).map(lambda each: {"notin": each})
    return st.one_of(st.just({}), low, high, between, closed, listed, banned, values.map(lambda value: {"eq": value}))


TEXT_RULES = st.sampled_from([
    {},
    {"str_matches": r"^[A-Z]{2}\d{2,4}$"},
    {"str_matches": "ab|cd"},
    {"str_matches": r"^N\w+", "str_length": {"min_value": 4, "max_value": 9}},
    {"str_contains": r"\d{3}"},
    {"str_startswith": "id-", "str_endswith": ".csv", "str_length": {"max_value": 30}},
    {"str_length": {"min_value": 5, "max_value": 5}},
    {"str_length": {"min_value": 2}, "notin": ["NA", "none"]},
    {"isin": ["red", "green", "blue"], "ne": "red"},
])  # fmt: skip

COLUMN = st.one_of(
    st.tuples(st.just(int), _bounds(INTS)),
    st.tuples(st.just(pl.Int32), _bounds(INTS)),
    st.tuples(st.just(float), _bounds(FLOATS)),
    st.tuples(st.just(UtcTimestamp), _bounds(MOMENTS)),
    st.tuples(st.just(Day), _bounds(MOMENTS.map(datetime.date))),
    st.tuples(st.just(Annotated[pl.Decimal, 10, 2]), _bounds(DECIMALS)),
    st.tuples(st.just(str), TEXT_RULES),
    st.tuples(st.just(bool), st.just({})),
)
NULLABLE = st.booleans().map(lambda nullable: {"nullable": True} if nullable else {})
COLUMNS = st.lists(st.tuples(COLUMN, NULLABLE), min_size=1, max_size=4).map(
    lambda columns: {
        f"c{index}": (annotation, {**rules, **(nullable if index else {})})
        for index, ((annotation, rules), nullable) in enumerate(columns)
    }
)
CONTRACTS = COLUMNS.map(dataset_of)

SEEDS = st.integers(0, 2**32)
calm = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def drawn(dataset, rows, seed):
    """The generated frame, or None where the contract allows no value at all."""
    try:
        return synthesize(dataset, rows, seed)
    except CannotGenerate as refusal:
        if "satisf" not in refusal.reason:
            raise
        return None


@calm
@given(CONTRACTS, st.integers(0, 60), SEEDS)
def test_generated_rows_pass_every_rule(dataset, rows, seed):
    frame = drawn(dataset, rows, seed)
    if frame is not None:
        assert frame.height == rows
        assert red_rules(frame, dataset, {}) == ()


@calm
@given(CONTRACTS, st.integers(0, 60), st.integers(1, 25), SEEDS)
def test_fewer_rows_and_other_batches_are_the_same_rows(dataset, rows, size, seed):
    frame = drawn(dataset, rows, seed)
    if frame is not None:
        assert drawn(dataset, rows // 2, seed).equals(frame.head(rows // 2))
        assert pl.concat([frame.clear(), *synthesize_batches(dataset, rows, seed, size=size)]).equals(frame)


def planted(dataset, seed):
    """Good rows and one bad row for each rule that can be broken by a value."""
    good = drawn(dataset, 10, seed)
    if good is None:
        return None
    frames = [good]
    for rule in rules_of(dataset):
        try:
            found = faults(dataset, np.random.default_rng(seed), only={rule.id})
            frames += [fault.frame.tail(1) for fault in found if not fault.raw]
        except CannotBreak:
            pass
    return pl.concat(frames)


def pandera_failures(dataset, frame):
    """The failing rows that Pandera finds eagerly: (column, check's place or `not_null`, row)."""
    try:
        dataset.model.validate(frame, lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases.select("column", "check", "check_number", "index").rows()
        return {(column, "not_null" if number is None else number, row) for column, _, number, row in cases}
    return set()


def our_failures(dataset, frame):
    """The same from the judge: a rule is named by the place of its check on its column."""
    fails, found = judge(frame, dataset, {}).fails, set()
    for column in dataset.columns:
        rules = [rule for rule in rules_of(dataset) if isinstance(rule, RowRule) and rule.columns == (column.name,)]
        place = 0
        for rule in rules:
            name = rule.kind if rule.kind == "not_null" else place
            place += rule.kind != "not_null"
            found |= {(column.name, name, row) for row in fails[rule.id].arg_true()}
    return found


@calm
@given(CONTRACTS, SEEDS)
def test_the_judge_agrees_with_pandera_row_for_row(dataset, seed):
    frame = planted(dataset, seed)
    if frame is not None:
        assert our_failures(dataset, frame) == pandera_failures(dataset, frame)
