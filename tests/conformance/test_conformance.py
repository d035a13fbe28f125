"""Every dataset is tested by existing: synthetic rows pass, and each rule is shown to be able to fail."""

import typing
from collections.abc import Callable
from functools import cache

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from platform_assets.discovery import discover
from platform_core.contracts import Dataset, Rule, Transform, rules_of
from platform_core.errors import ShapeError
from platform_core.quality import conform, judge
from platform_core.synthetic import CannotBreak, Fault, faults, lookups, synthesize, world
from platform_core.synthetic.verdicts import red_rules
from platform_resources.storage.frames import to_polars

CATALOG = discover("platform_assets.domains")
DATASETS = [pytest.param(dataset, id=name) for name, dataset in CATALOG.datasets.items()]
RULES = [
    pytest.param(dataset, rule, id=f"{name}:{rule.id}")
    for name, dataset in CATALOG.datasets.items()
    for rule in rules_of(dataset)
]
GENERATED = [pytest.param(dataset, id=name) for name, dataset in CATALOG.datasets.items() if dataset.source]
TRANSFORMS = [pytest.param(transform, id=name) for name, transform in CATALOG.transforms.items()]


@cache
def tables() -> dict[str, pl.DataFrame]:
    return world(CATALOG, 2013, rows=200)


def references(dataset: Dataset) -> dict[str, pl.DataFrame]:
    return lookups(dataset, tables())


def red(fault: Fault, dataset: Dataset) -> set[str]:
    """The rules that are red on a fault's frame."""
    if not fault.raw:
        return set(red_rules(fault.frame, dataset, {**references(dataset), **fault.references}, now=fault.now))
    try:
        typed = conform(fault.frame, dataset)
    except ShapeError:
        return {"schema"}
    results = judge(typed.frame, dataset, references(dataset), unreadable=typed.unreadable).results
    return {result.rule.id for result in results if not result.passed}


@pytest.mark.parametrize("dataset", DATASETS)
def test_synthetic_rows_pass_every_rule(dataset: Dataset):
    typed = conform(tables()[dataset.name], dataset)
    assert typed.frame.height > 0
    assert not typed.unreadable.select(pl.any_horizontal(pl.all().any())).item()
    assert red_rules(typed.frame, dataset, references(dataset)) == ()


@pytest.mark.parametrize(("dataset", "rule"), RULES)
def test_a_planted_fault_turns_its_own_check_red_and_no_other(dataset: Dataset, rule: Rule):
    if rule.id == "types" and all(column.dtype == pl.String for column in dataset.columns):
        with pytest.raises(CannotBreak, match="any text can be read as text"):
            next(faults(dataset, np.random.default_rng(7), references=references(dataset), only={rule.id}))
        return
    planted = list(faults(dataset, np.random.default_rng(7), references=references(dataset), only={rule.id}))
    assert planted
    for fault in planted:
        assert red(fault, dataset) == {rule.id, *(implied.rule_id for implied in fault.also)}, fault.what
        assert all(implied.reason for implied in fault.also)


@pytest.mark.parametrize("dataset", GENERATED)
def test_the_same_seed_makes_the_same_rows(dataset: Dataset):
    first, second = (synthesize(dataset, 20, 5, references=references(dataset)) for _ in range(2))
    assert first.equals(second)


AS: dict[object, Callable[[pl.DataFrame], object]] = {
    pl.DataFrame: lambda frame: frame,
    pl.LazyFrame: pl.DataFrame.lazy,
    pd.DataFrame: pl.DataFrame.to_pandas,
    pa.Table: pl.DataFrame.to_arrow,
    duckdb.DuckDBPyRelation: lambda frame: duckdb.from_arrow(frame.to_arrow()),
}


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_a_transform_of_synthetic_inputs_keeps_its_own_contract(transform: Transform):
    hints = typing.get_type_hints(transform.function)
    inputs = {name: AS[hints.get(name, pl.LazyFrame)](tables()[transform.input_name(name)])
              for name in transform.parameters}  # fmt: skip
    made = to_polars(transform(**inputs))
    rows = conform(made.lazy().collect(), transform.dataset).frame
    assert rows.height > 0
    assert red_rules(rows, transform.dataset, references(transform.dataset)) == ()
