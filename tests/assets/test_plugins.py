"""The example package of plug-ins, built and installed: what it offers is found by entry point, and nothing else."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from platform_assets.entrypoints.cli import main
from platform_core.plugins import VALIDATORS, PluginError, load_plugins
from platform_core.rules import rules_from

EXAMPLE = Path(__file__).parents[2] / "examples" / "number_plates"
RECIPE = "tabular: {name: cars, num_rows: 5, schema: [{name: plate, generator: number_plate}]}"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A folder in which the package is built and installed, and the project of a user that names its data."""
    source, place = tmp_path / "source", tmp_path / "site"
    shutil.copytree(EXAMPLE, source)
    build = "from setuptools.build_meta import build_wheel; import sys; print(build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    shutil.unpack_archive(wheel, place, "zip")  # which is what installing a pure wheel does
    (tmp_path / "pyproject.toml").write_text('[tool.platform]\npackage = "garage"\n')
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.chdir(tmp_path)
    for name in ("state", "lake", "landing"):
        monkeypatch.setenv(f"PLATFORM_{name.upper()}", str(tmp_path / name))
    load_plugins.cache_clear()
    yield tmp_path
    load_plugins.cache_clear()
    for module in ("garage", "number_plates"):
        sys.modules.pop(module, None)


def test_the_example_package_adds_a_generator_a_rule_and_measures(installed, capsys):
    def platform(*words):
        capsys.readouterr()
        assert main([*words]) == 0
        return capsys.readouterr().out

    (installed / "recipe.yaml").write_text(RECIPE)
    platform("synth", "--recipe", "recipe.yaml", "--out", "made")
    assert pl.read_parquet("made/cars.parquet")["plate"].str.contains(r"^[A-Z]{1,2}-[A-Z]{2} \d+$").all()
    pl.DataFrame({"kind": ["a", "b"] * 300, "size": [*range(600)]}).write_csv("sample.csv")
    platform("synth", "fit", "sample.csv", "--report", "page.html")
    assert "difference of rows without a null" in Path("page.html").read_text()

    tested = json.loads(platform("test", "garage/cars", "--rows", "200", "--faults", "--json"))
    noticed = [each["noticed"] for each in tested["faults"] if "number_plate" in each["what"]]
    assert noticed == [["garage/cars: plate_number_plate"]]
    platform("catch-up")
    measured = json.loads(platform("quality", "history", "garage/cars", "--metric", "towns", "--json"))
    assert [each["value"] for each in measured["measurements"]] == [5.0]
    platform("contracts", "export", "--output", "contracts")
    assert "number_plate" in next(Path("contracts").rglob("*.yaml")).read_text()


def test_what_is_no_kind_of_rule_is_refused_by_name(tmp_path, monkeypatch):
    info = tmp_path / "odd-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[{VALIDATORS}]\nodd = json:dumps\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    load_plugins.cache_clear()
    with pytest.raises(PluginError, match=r"'odd' of .*: .* is no kind of rule\. Fix: derive"):
        rules_from([{"type": "odd", "field": "x"}])
    load_plugins.cache_clear()
