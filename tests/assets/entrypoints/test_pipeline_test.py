"""`platform test`: assets in isolation on generated rows; a broken transform is said, and nothing is left behind."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl
import pytest

from platform_assets.composition import definitions_of
from platform_assets.entrypoints.cli import main
from platform_assets.location import CodeLocation
from platform_assets.operations.edges import judge_edges
from platform_assets.operations.mutation.expected_rows import ExpectedRows
from platform_assets.operations.pipeline_test import open_mutation_trial, run_pipeline_test, throw_away_folder
from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Files, catalog_of
from platform_resources.scratch import WRITING, scratch_folder
from platform_resources.settings import Settings

MODULE = '''"""Trips a day."""

import polars as pl

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Files


class Trips(DataFrameModel):
    """One row per trip."""

    trip: int = Field(gt=0)
    minutes: int = Field(gt=0, le=100)


class Sums(DataFrameModel):
    """One row."""

    minutes: int = Field(ge=0)
    broken: int = Field(le={limit})


trips = Dataset("bikes/trips", Trips, owner="team:a", version="1.0.0", key=("trip",), source=Files("trips*"),
                store=Delta(mode="merge"))
sums = Dataset("bikes/sums", Sums, owner="team:a", version="1.0.0")


@sums.transform
def build(trips: pl.LazyFrame) -> pl.LazyFrame:
    """Sum up."""
    return trips.select(pl.col("minutes").sum(), broken={broken})
'''


def package(folder, name, **words):
    domain = folder / name / "bikes"
    domain.mkdir(parents=True)
    for place in (domain.parent, domain):
        (place / "__init__.py").write_text('"""A package."""\n')
    (domain / "tables.py").write_text(MODULE.format(**words))
    return name


def test_a_selected_asset_runs_on_generated_inputs_and_nothing_is_left(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("PLATFORM_STATE", str(tmp_path / "state"))
    monkeypatch.syspath_prepend(str(tmp_path))
    name = package(tmp_path, "bikes_that_pass", limit=5, broken="pl.lit(1)")
    report = tmp_path / "report.xml"
    left = tmp_path / "platform-test-killed"
    left.mkdir()
    (left / "lock").touch()
    assert main(["--package", name, "test", "bikes/sums", "--rows", "50", "--json", "--junit", str(report)]) == 0
    told = json.loads(capsys.readouterr().out)
    steps = {step["name"]: step for step in told["steps"]}
    assert [(edge["source"], edge["columns"], edge["fits"]) for edge in told["edges"]] == [
        ("bikes/trips", ["minutes"], True)
    ]
    assert {key: (step["selected"], step["rows"], step["stands"]) for key, step in steps.items()} == {
        "bikes/trips": (False, 50, True), "bikes/sums": (True, 1, True),
    }  # fmt: skip
    assert 'failures="0"' in report.read_text()
    assert not left.exists()
    assert not list(Path(tmp_path).glob("platform-test-*"))
    assert not (tmp_path / "state").exists()


@pytest.mark.lane
def test_a_killed_test_leaves_nothing_that_the_next_one_does_not_clear(tmp_path, monkeypatch):
    name, scratch = package(tmp_path, "killed", limit=5, broken="pl.len()"), tmp_path / "scratch"
    scratch.mkdir()
    code = "import sys; from platform_assets.entrypoints.cli import main; sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", code, "--package", name, "test", "bikes/*", "--rows", "5"]
    places = {"TMPDIR": str(scratch), "PYTHONPATH": str(tmp_path), "PLATFORM_STATE": str(tmp_path / "state")}
    for wanted in ("rows", "lake"):  # before the first run, and in the middle of one
        process = subprocess.Popen(words, env={**os.environ, **places}, cwd=tmp_path)
        while not list(scratch.glob(f"platform-test-*/{wanted}")):
            assert process.poll() is None, "it ended before it could be killed"
        process.kill()
        process.wait()
        (left,) = scratch.glob("platform-test-*")
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with throw_away_folder() as folder, scratch_folder(WRITING):
        assert not left.exists()
        assert list(scratch.glob("platform-test-*")) == [folder]
    assert list(scratch.iterdir()) == []


def test_a_transform_that_breaks_its_contract_or_raises_is_red_with_the_reason(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PLATFORM_STATE", str(tmp_path / "state"))
    monkeypatch.syspath_prepend(str(tmp_path))
    broken = package(tmp_path, "bikes_that_break", limit=0, broken="pl.lit(1)")
    assert main(["--package", broken, "test", "bikes/*", "--rows", "20"]) == 1
    assert "bikes/sums" in (shown := capsys.readouterr().out)
    assert "broken" in shown
    raising = package(tmp_path, "bikes_that_raise", limit=5, broken="pl.col('nowhere')")
    assert main(["--package", raising, "test", "bikes/sums", "--rows", "20"]) == 1
    assert "nowhere" in capsys.readouterr().out


def test_a_selection_without_a_match_names_what_there_is(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(tmp_path))
    name = package(tmp_path, "bikes_unasked", limit=5, broken="pl.lit(1)")
    assert main(["--package", name, "test", "bikes/none*"]) == 1
    assert "bikes/trips" in capsys.readouterr().err


BY_HAND = '''"""Assets by hand."""

import dagster as dg
from platform_resources.storage import Lake, TableSpec


@dg.asset(key=["bikes", "board"], deps=[["bikes", "long_trips"]])
def board(lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
    """Read what the model wrote."""
    rows = lake.scan(TableSpec(path="bikes/long_trips/v1")).collect()
    return dg.MaterializeResult(metadata={"dagster/row_count": rows.height})


@dg.asset(key=["bikes", "unasked"])
def unasked() -> None:
    """Nobody asks for this one."""
    raise AssertionError
'''


COUNTED = '''"""A mart that dbt makes, with a contract."""

from platform_core.contracts import DataFrameModel, Dataset, DbtModel, Field


class Counted(DataFrameModel):
    """One row."""

    trips: int = Field(ge=0)


counted = Dataset("bikes/counted", Counted, owner="team:a", version="1.0.0", source=DbtModel())
'''


def test_a_model_of_dbt_and_an_asset_by_hand_run_on_generated_rows(tmp_path, monkeypatch):
    monkeypatch.setenv("PLATFORM_STATE", str(tmp_path / "state"))
    monkeypatch.syspath_prepend(str(tmp_path))
    name = package(tmp_path, "bikes_with_models", limit=5, broken="pl.lit(1)")
    (tmp_path / name / "bikes" / "by_hand.py").write_text(BY_HAND)
    (tmp_path / name / "bikes" / "counted.py").write_text(COUNTED)
    models = tmp_path / "dbt" / "models" / "bikes"
    models.mkdir(parents=True)
    (tmp_path / "dbt" / "dbt_project.yml").write_text("{name: bikes, version: 1.0.0, profile: platform}")
    (models / "long_trips.sql").write_text("select * from {{ source('bikes', 'trips') }} where minutes > 10")
    (models / "counted.sql").write_text("select count(*) as trips from {{ ref('long_trips') }}")
    (models / "_models.yml").write_text(
        "version: 2\nmodels:\n  - name: long_trips\n"
        "    config: {materialized: table, group: bikes, meta: {lake: {version: 1.0.0}, "
        "dagster: {asset_key: [bikes, long_trips], group: bikes}}}\n    columns: [{name: trip, data_tests: [unique]}]\n"
        "  - name: counted\n    config: {materialized: table, group: bikes, "
        "meta: {dagster: {asset_key: [bikes, counted], group: bikes}}}\n"
        "groups: [{name: bikes, owner: {name: a, email: a@example.com}}]\n"
    )
    location = CodeLocation(name, Settings.from_environment(), definitions_of, tmp_path / "dbt")
    report = run_pipeline_test(location, ["bikes/board", "bikes/counted"], rows=40, seed=1)
    assert {step.name: (step.selected, step.stands) for step in report.steps} == {
        "bikes/trips": (False, True), "bikes/long_trips": (False, True), "bikes/board": (True, True),
        "bikes/counted": (True, True),
    }  # fmt: skip
    rows = {step.name: step.rows for step in report.steps}
    assert rows["bikes/board"] == rows["bikes/long_trips"] < rows["bikes/trips"] == 40
    assert next(step.passed for step in report.steps if step.name == "bikes/long_trips") >= 1
    trial = open_mutation_trial(location, report, rows=40, seed=1, expected=ExpectedRows(tmp_path / "expected"))
    changes = {mutant.after for mutant in trial.mutants({"bikes/counted", "bikes/long_trips"})}
    assert {"minutes >= 10", "COUNT(*) + 1"} <= changes, "models are changed, by the SQL that dbt compiled"
    assert {(edge.source, edge.target) for edge in report.edges} == {
        ("bikes/trips", "bikes/long_trips"), ("bikes/long_trips", "bikes/board"),
        ("bikes/long_trips", "bikes/counted"),
    }  # fmt: skip


class Rides(DataFrameModel):
    """One row per ride."""

    ride: int = Field(ge=0)
    rider: str = Field(pii="name")
    took: float = Field(ge=0, unit="minutes")


class Boards(DataFrameModel):
    """One row per ride."""

    ride: str
    rider: str
    took: float = Field(ge=0, unit="hours")


def test_an_edge_that_changes_a_unit_a_type_or_forgets_a_person_does_not_fit(tmp_path):
    rides = Dataset("t/rides", Rides, owner="team:t", version="1.0.0", key=("ride",), source=Files("r*"),
                    store=Delta(mode="merge"))  # fmt: skip
    boards = Dataset("t/boards", Boards, owner="team:t", version="1.0.0")

    def build(rides: pl.LazyFrame) -> pl.LazyFrame:
        return rides.select("ride", "rider", "took")

    settings = Settings(state=str(tmp_path), lake=str(tmp_path / "lake"), landing=str(tmp_path / "landing"))
    catalog = catalog_of([rides, boards], [boards.transform(build)])
    location = CodeLocation("platform_assets.domains", settings, definitions_of, declared=catalog)
    (edge,) = judge_edges(location, {"t/rides", "t/boards"})
    assert edge.problems == (
        "ride is Int64 above and String below",
        "rider is personal data (name) above and not marked below",
        "took is in minutes above and in hours below",
    )
