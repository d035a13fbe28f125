"""Others judge as we do: `datacontract lint` our contracts, Great Expectations the same suites on random frames.

Each stands in an environment of its own, which is made for the test; where that cannot be, the test says why it skips.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from platform_assets.discovery import discover
from platform_core.contracts import DataFrameModel, Dataset, Field
from platform_core.interchange.expectations import from_suite
from platform_core.interchange.odcs import to_odcs
from platform_core.quality import judge
from platform_resources.documents import write_document

pytestmark = pytest.mark.lane


def environment(folder: Path, requirement: str) -> Path:
    """The `bin` of a new environment that holds one package."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", requirement]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"pip cannot install {requirement}: {done.stderr.strip().splitlines()[-1]}")
    return folder / "bin"


def test_datacontract_lints_every_contract(tmp_path: Path) -> None:
    catalog = discover("platform_assets.domains")
    program = environment(tmp_path / "env", "datacontract-cli==1.2.8") / "datacontract"
    for name in sorted(catalog.datasets):
        path = tmp_path / f"{name.replace('/', '.')}.odcs.yaml"
        write_document(path, to_odcs(catalog[name]))
        done = subprocess.run([str(program), "lint", str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{name}: {done.stdout}"


class Things(DataFrameModel):
    number: float = Field(nullable=True)
    other: float = Field(nullable=True)
    count: int
    text: str = Field(nullable=True)


EXPECTATIONS: list[dict[str, Any]] = [
    {"type": kind, "kwargs": kwargs} for kind, kwargs in [
        ("expect_column_values_to_not_be_null", {"column": "number"}),
        ("expect_column_values_to_not_be_null", {"column": "text", "mostly": 0.8}),
        ("expect_column_values_to_be_null", {"column": "other"}),
        ("expect_column_values_to_be_in_set", {"column": "text", "value_set": ["a", "bb", "ccc"]}),
        ("expect_column_values_to_be_in_set", {"column": "count", "value_set": [1, 2], "mostly": 0.5}),
        ("expect_column_values_to_not_be_in_set", {"column": "count", "value_set": [7]}),
        ("expect_column_values_to_be_between", {"column": "number", "min_value": -1, "max_value": 1}),
        ("expect_column_values_to_be_between", {"column": "number", "min_value": 0, "strict_min": True, "mostly": 0.4}),
        ("expect_column_values_to_match_regex", {"column": "text", "regex": "b"}),
        ("expect_column_values_to_not_match_regex", {"column": "text", "regex": "^x"}),
        ("expect_column_values_to_match_regex_list", {"column": "text", "regex_list": ["a", "b"], "match_on": "any"}),
        ("expect_column_values_to_not_match_regex_list", {"column": "text", "regex_list": ["x", "y"]}),
        ("expect_column_value_lengths_to_be_between", {"column": "text", "min_value": 1, "max_value": 2}),
        ("expect_column_values_to_be_unique", {"column": "count"}),
        ("expect_compound_columns_to_be_unique", {"column_list": ["count", "text"]}),
        ("expect_table_row_count_to_be_between", {"min_value": 4, "max_value": 9}),
        ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "number", "column_B": "other"}),
        ("expect_column_pair_values_to_be_equal", {"column_A": "number", "column_B": "other"}),
        ("expect_column_mean_to_be_between", {"column": "count", "min_value": 1, "max_value": 4}),
        ("expect_column_median_to_be_between", {"column": "count", "min_value": 1, "max_value": 4}),
        ("expect_column_min_to_be_between", {"column": "count", "min_value": 1, "max_value": 2}),
        ("expect_column_max_to_be_between", {"column": "count", "max_value": 6}),
        ("expect_column_sum_to_be_between", {"column": "count", "max_value": 20}),
        ("expect_column_stdev_to_be_between", {"column": "count", "max_value": 2}),
        ("expect_column_unique_value_count_to_be_between", {"column": "text", "max_value": 2}),
        ("expect_column_distinct_values_to_be_in_set", {"column": "count", "value_set": [0, 1, 2, 3, 4, 5]}),
        ("expect_column_distinct_values_to_contain_set", {"column": "count", "value_set": [1, 2]}),
    ]
]  # fmt: skip


def frames(count: int) -> list[pl.DataFrame]:
    rng = np.random.default_rng(17)
    made = []
    for _ in range(count):
        rows = int(rng.integers(2, 12))
        numbers = rng.normal(0, 1, (2, rows)).round(1)
        numbers[:, rng.random(rows) < rng.choice([0.0, 0.3])] = np.nan
        texts = [None if rng.random() < 0.1 else str(rng.choice(["a", "bb", "ccc", "xb"], p=[0.4, 0.3, 0.2, 0.1]))
                 for _ in range(rows)]  # fmt: skip
        made.append(pl.DataFrame(
            {"number": numbers[0], "other": numbers[int(rng.random() < 0.8)], "count": rng.integers(0, 9, rows),
             "text": texts}, schema={"number": pl.Float64, "other": pl.Float64, "count": pl.Int64, "text": pl.String},
        ).with_columns(pl.col("number", "other").fill_nan(None)))  # fmt: skip
    return made


FRAMES = 100  # of 1,000, which take twelve minutes, none was judged otherwise


def test_great_expectations_gives_the_same_verdicts(tmp_path: Path) -> None:
    python = environment(tmp_path / "env", "great-expectations==1.24.1") / "python"
    found = compare(python, tmp_path, FRAMES)
    assert found["disagreements"] == [], [(item, rows) for item, rows, *_ in found["disagreements"]]


def compare(python: Path, folder: Path, count: int) -> dict[str, Any]:
    made, types = frames(count), {"number": "float64", "other": "float64", "count": "int64", "text": "object"}
    given, said = folder / "given.json", folder / "said.json"
    payload = [{"columns": frame.to_dict(as_series=False), "types": types} for frame in made]
    expectations = [{**item, "meta": {"place": place}} for place, item in enumerate(EXPECTATIONS)]
    given.write_text(json.dumps({"expectations": expectations, "frames": payload}))
    subprocess.run([str(python), str(Path(__file__).with_name("suites.py")), str(given), str(said)], check=True)
    theirs = json.loads(said.read_text())
    # As warnings, for a rule on the whole judges the rows that no error refused.
    rules = [from_suite({"expectations": [{**item, "severity": "warning"}]}).rules for item in EXPECTATIONS]
    named = [
        type(rule)(**{**vars(rule), "id": f"r{place}_{number}"})
        for place, listed in enumerate(rules)
        for number, rule in enumerate(listed)
    ]
    dataset = Dataset("toy/things", Things, owner="team:toy", version="1.0.0", rules=named)
    started = time.perf_counter()
    verdicts = [_verdicts(frame, dataset, named) for frame in made]
    ours = time.perf_counter() - started
    disagreements = [
        (EXPECTATIONS[place], frame.to_dicts(), bool(mine[place]), theirs_one)
        for frame, mine, row in zip(made, verdicts, theirs["verdicts"], strict=True)
        for place, theirs_one in zip(theirs["order"], row, strict=True)
        if mine[place] != theirs_one
    ]
    return {"disagreements": disagreements, "ours": ours, "theirs": theirs["seconds"]}


def _verdicts(frame: pl.DataFrame, dataset: Dataset, rules: list[Any]) -> list[bool]:
    whole = [type(rule)(**{**vars(rule), "over": "partition"}) if hasattr(rule, "over") else rule for rule in rules]
    judged = judge(frame, Dataset(dataset.name, Things, owner=dataset.owner, version="1.0.0", rules=whole), {})
    passed: dict[str, bool] = {}
    for result in judged.results:
        place = result.rule.id.partition("_")[0]
        passed[place] = passed.get(place, True) and result.passed
    return [passed[f"r{place}"] for place in range(len(EXPECTATIONS))]
