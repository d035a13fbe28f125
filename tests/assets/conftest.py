"""The shared small world."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import World, world


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, "tests.oddities") as made:
        yield made
