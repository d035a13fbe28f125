"""A new project works as it stands: its sample runs through the graph, and commands find it in its folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from platform_assets.entrypoints.cli import main

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("projects") / "acme"
    assert main(["init", "acme", "--folder", str(folder)]) == 0
    return folder


def run(project: Path, *command: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PLATFORM_", "DAGSTER_"))}
    done = subprocess.run(command, cwd=project, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_sample_runs_through_the_graph_and_its_bad_row_is_set_aside(project: Path) -> None:
    run(project, "make", "demo", f"PYTHON={sys.executable}")
    listing = run(project, sys.executable, "-m", "platform_assets.entrypoints.cli", "datasets", "--json")
    lines = {line["name"]: line for line in json.loads(listing)}
    assert (lines["shop/orders"]["rows"], lines["shop/orders"]["quarantine_open"]) == (2, 1)
    assert lines["shop/revenue_by_customer"]["source"] == "dbt"
    assert lines["shop/revenue_by_customer"]["checks"] == {"passed": 3, "warned": 0, "failed": 0}


def test_dagsters_own_command_finds_the_project(project: Path) -> None:
    listing = run(project, str(Path(sys.executable).with_name("dg")), "list", "defs", "--json")
    assert '"shop/orders"' in listing


@pytest.mark.lane
def test_its_own_tests_pass(project: Path) -> None:
    assert "1 passed" in run(project, "make", "test", f"PYTHON={sys.executable}")


def test_its_instance_is_set_up_as_the_platforms_own(project: Path) -> None:
    assert (project / "dagster.yaml").read_text() == (ROOT / "dagster.yaml").read_text()


def test_a_name_that_no_package_can_have_and_a_folder_in_use_are_refused(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", "my-company"]) == 1
    assert "'my-company' is no name of a package. Fix: " in capsys.readouterr().err
    assert main(["init", "acme", "--folder", str(project)]) == 1
    assert "is there already, and not empty" in " ".join(capsys.readouterr().err.split())
