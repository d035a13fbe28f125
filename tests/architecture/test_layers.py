"""The house: who may import whom (pyproject's import-linter contracts), and what no room may be called."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("platform_core", "platform_resources", "platform_assets")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

READ_ENVIRONMENT = {
    "platform_resources/settings.py",  # the one reader of settings
    "platform_resources/engines/dbt.py",  # hands a run's values to dbt, which reads nothing else
    "platform_resources/engines/dbt_plugin.py",  # reads them on dbt's side
    "platform_assets/entrypoints/cli.py",  # --branch holds for what the command starts as well
    "platform_assets/operations/instance.py",  # DAGSTER_HOME is Dagster's own
}


def test_every_import_law_is_kept():
    command = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert command, "import-linter is not installed: pip install -e '.[dev]'"
    done = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("word", ["utils", "util", "common", "helpers", "helper", "lib", "misc"])
def test_no_module_is_a_drawer(word):
    assert [path for path in MODULES if word in (path.stem, path.parent.name)] == []


def test_only_named_modules_touch_the_environment():
    assert {str(path.relative_to(ROOT)) for path in MODULES if _touches_environment(path)} <= READ_ENVIRONMENT


def test_every_module_says_why_it_exists():
    silent = [path for path in MODULES if path.read_text().strip() and not ast.get_docstring(_parsed(path))]
    assert [str(path.relative_to(ROOT)) for path in silent] == []


def _touches_environment(path):
    names = {node.attr for node in ast.walk(_parsed(path)) if isinstance(node, ast.Attribute)}
    return bool(names & {"environ", "getenv", "putenv"})


def _parsed(path):
    return ast.parse(path.read_text())
