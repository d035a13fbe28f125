"""The demo once, and a `dagster dev` over a copy of what it made; both serve all journeys of a session."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.journeys.installation import Dev, Installation


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the journeys over the demo on one worker, in their order; others bring worlds of their own, file by file."""
    for item in items:
        if isinstance(item, pytest.Function) and item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.xdist_group("demo" if "demo" in item.fixturenames else item.path.stem))


@dataclass(frozen=True)
class Demo:
    """An installation after its first `platform demo`, and what that printed."""

    installation: Installation
    told: str


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    installation = Installation.fresh(tmp_path_factory.mktemp("demo") / "state")
    return Demo(installation, installation.succeed("platform", "demo"))


@pytest.fixture(scope="session")
def dev(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    with demo.installation.copy(tmp_path_factory.mktemp("dev") / "state").dev() as running:
        yield running


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of Chromium; an error in its scripts fails the test."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("no chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        opened = browser.new_page()
        opened.on("pageerror", lambda error: pytest.fail(str(error)))
        yield opened
        browser.close()
