"""The tutorial's notebook runs, on a lake of its own, and masks what is personal."""

import os
import runpy

import pytest

from tests.docs.pages import ROOT
from tests.world import world

CSV = b"""trip,station,started_at,minutes,rider
T0001,park,2024-05-01T08:00:00Z,10,ada@example.com
T0002,market,2024-06-01T08:00:00Z,20,bob@example.com
"""


@pytest.fixture
def lake(tmp_path):
    with world(tmp_path, "docs_src.tutorial") as made:
        made.land("bikes/trips-1.csv", CSV)
        made.catch_up()
        yield made.location.lake


def test_the_notebook_runs(lake, monkeypatch):
    nbformat, client = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    for name, value in lake.settings.to_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(ROOT / "docs/notebooks/lake.ipynb", as_version=4)
    client.NotebookClient(notebook, timeout=120, kernel_name="python3").execute(cwd=str(ROOT))
    shown = str([cell.get("outputs") for cell in notebook.cells])
    assert "bikes/trips" in shown
    assert "•••" in shown
    assert "ada@example.com" not in shown
    assert "market" in shown


@pytest.mark.lane
def test_the_marimo_notebook_runs(lake, monkeypatch):
    pytest.importorskip("marimo", reason="marimo is not installed: pip install 'dagster-asset-platform[notebooks]'")
    for name, value in lake.settings.to_environment().items():
        monkeypatch.setenv(name, value)
    outputs, defined = runpy.run_path(str(ROOT / "docs/notebooks/lake_marimo.py"))["app"].run()
    assert defined["minutes"].rows() == [("market", 20), ("park", 10)]
    assert defined["counted"]["trips"].to_list() == [1, 1]
    shown = "".join(each._repr_html_() for each in outputs if hasattr(each, "_repr_html_"))
    assert "•••" in shown
    assert "ada@example.com" not in shown
