"""`platform test`: assets in isolation on generated rows; a broken transform is said, and nothing is left behind."""

import json
import tempfile
from pathlib import Path

from platform_assets.entrypoints.cli import main

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
    assert main(["--package", name, "test", "bikes/sums", "--rows", "50", "--json", "--junit", str(report)]) == 0
    steps = {step["name"]: step for step in json.loads(capsys.readouterr().out)}
    assert {key: (step["selected"], step["rows"], step["stands"]) for key, step in steps.items()} == {
        "bikes/trips": (False, 50, True), "bikes/sums": (True, 1, True),
    }  # fmt: skip
    assert 'failures="0"' in report.read_text()
    assert not left.exists()
    assert not list(Path(tmp_path).glob("platform-test-*"))
    assert not (tmp_path / "state").exists()


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


def test_a_selection_without_a_match_names_what_there_is(capsys):
    assert main(["test", "flights/none*"]) == 1
    assert "flights/airlines" in capsys.readouterr().err
