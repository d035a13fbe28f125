"""Fixtures for the tests of one's own datasets: `synthetic`, `lake`, `run_asset`, `run_pipeline`.

Pytest finds them where the platform is installed. The code location is that of the commands: `package` in the table
`[tool.platform]` of pyproject.toml, or `--platform-package`. Nothing is imported before a fixture is asked for.
"""

# ruff: noqa: PLC0415 - see above

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import polars as pl

    from platform_assets.location import CodeLocation
    from platform_assets.operations.pipeline_test import PipelineReport
    from platform_assets.operations.trials import Verdicts
    from platform_resources.storage import Lake


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the package of domains."""
    parser.addoption("--platform-package", help="Root below which datasets are declared; by pyproject.toml without.")


@pytest.fixture(scope="session")
def code_location(request: pytest.FixtureRequest) -> "CodeLocation":
    """Return the code location under test; its own lake is not touched by the fixtures."""
    from platform_assets.entrypoints.locations import open_location

    return open_location(request.config.getoption("--platform-package"), project=request.config.rootpath)


@pytest.fixture
def synthetic(code_location: "CodeLocation") -> "Callable[..., pl.DataFrame]":
    """Make rows that pass a dataset's contract: `synthetic("shop/orders", rows=50, seed=1)`."""

    def make(name: str, *, rows: int = 100, seed: int = 0) -> "pl.DataFrame":
        from platform_assets.operations.pipeline_test import generated_tables

        return generated_tables(code_location, name, rows=rows, seed=seed)[name]

    return make


@pytest.fixture
def lake(tmp_path: Path) -> "Lake":
    """Return an empty lake in the test's own folder."""
    from platform_resources.settings import Settings
    from platform_resources.storage import Lake

    return Lake(Settings(state=str(tmp_path / "state"), lake=str(tmp_path / "lake"), landing=str(tmp_path / "landing")))


@pytest.fixture
def run_asset(code_location: "CodeLocation") -> "Callable[..., Verdicts]":
    """Make one dataset in memory from generated inputs, or given ones: its rows, and the rules that do not hold.

    `run_asset("shop/totals", {"shop/orders": orders}, rows=50, seed=1)`
    """

    def run(
        name: str, inputs: "Mapping[str, pl.DataFrame] | None" = None, *, rows: int = 100, seed: int = 0
    ) -> "Verdicts":
        from platform_assets.operations.errors import UnknownName
        from platform_assets.operations.pipeline_test import open_trial

        trial = open_trial(code_location, [name], rows=rows, seed=seed)
        for input_ in inputs or {}:
            if input_ not in trial.catalog.datasets:
                raise UnknownName("input", input_, sorted(trial.catalog.datasets))
        return trial.run({**trial.tables, **(inputs or {})})[name]

    return run


@pytest.fixture
def run_pipeline(code_location: "CodeLocation") -> "Callable[..., PipelineReport]":
    """Run datasets as `platform test` does, in a lake that is thrown away: `run_pipeline("shop/*").stands`."""

    def run(*patterns: str, rows: int = 100, seed: int = 0) -> "PipelineReport":
        from platform_assets.operations.pipeline_test import run_pipeline_test

        return run_pipeline_test(code_location, patterns, rows=rows, seed=seed)

    return run


__all__: list[Any] = ["code_location", "lake", "pytest_addoption", "run_asset", "run_pipeline", "synthetic"]
