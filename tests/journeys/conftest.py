"""The demo once, and a `dagster dev` over a copy of what it made; both serve all journeys of a session."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

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
