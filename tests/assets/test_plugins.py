"""The example package of plug-ins, built and put beside: its generator and its measure are found by entry point."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl

EXAMPLE = Path(__file__).parents[2] / "examples" / "number_plates"
RECIPE = "tabular: {name: cars, num_rows: 5, schema: [{name: plate, generator: number_plate}]}"


def test_the_example_package_adds_a_generator_and_a_measure(tmp_path):
    source, place = tmp_path / "source", tmp_path / "site"
    shutil.copytree(EXAMPLE, source)
    build = "from setuptools.build_meta import build_wheel; import sys; print(build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    shutil.unpack_archive(wheel, place, "zip")  # which is what installing a pure wheel does
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    pl.DataFrame({"kind": ["a", "b"] * 300, "size": [*range(600)]}).write_csv(tmp_path / "sample.csv")
    env = {**os.environ, "PYTHONPATH": str(place), "PLATFORM_STATE": str(tmp_path / "state")}

    def platform(*words):
        code = "import sys; from platform_assets.entrypoints.cli import main; sys.exit(main(sys.argv[1:]))"
        return subprocess.run([sys.executable, "-c", code, *words], env=env, cwd=tmp_path, check=True)

    platform("synth", "--recipe", "recipe.yaml", "--out", "made")
    assert pl.read_parquet(tmp_path / "made/cars.parquet")["plate"].str.contains(r"^[A-Z]{1,2}-[A-Z]{2} \d+$").all()
    platform("synth", "fit", "sample.csv", "--report", "page.html")
    assert "difference of rows without a null" in (tmp_path / "page.html").read_text()
