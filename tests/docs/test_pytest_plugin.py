"""The example of the fixtures runs as a user runs it: by pytest, with the plug-in and nothing of this suite."""

import os
import subprocess
import sys
from importlib.metadata import entry_points

from tests.docs.pages import ROOT


def test_pytest_finds_the_fixtures_by_themselves():
    (found,) = entry_points(group="pytest11", name="platform")
    assert found.value == "platform_assets.entrypoints.pytest_plugin"
    assert callable(found.load().synthetic)


def test_the_example_of_the_fixtures_passes(tmp_path):
    example = str(ROOT / "docs_src/tutorial/test_daily_trips.py")
    plugin, ini = "platform_assets.entrypoints.pytest_plugin", str(tmp_path / "pytest.ini")
    words = [sys.executable, "-m", "pytest", "-q", "-p", plugin, "-c", ini, "--platform-package", "docs_src.tutorial"]
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*words, example], env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "4 passed" in done.stdout, done.stdout[-3000:] + done.stderr[-1000:]
