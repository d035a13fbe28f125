"""The demo once, and a `dagster dev` over a copy of what it made; both serve all journeys of a session."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.journeys.installation import Dev, Installation


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
        errors: list[str] = []  # a callback that raised would end the driver, and the reason with it
        opened.on("pageerror", lambda error: errors.append(error.stack or str(error)))
        yield opened
        browser.close()
        assert errors == []
