"""One small world for the tests of platform_resources: a lake on disk, and one on a real S3 server."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from platform_resources.settings import Settings
from platform_resources.storage import Lake
from tests.servers import S3Server, s3_server


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def environment(request: pytest.FixtureRequest, tmp_path: Path, place: str) -> dict[str, str]:
    """The variables that name a fresh lake at the place."""
    state = {"PLATFORM_STATE": str(tmp_path / "state")}
    if place == "disk":
        return state
    server: S3Server = request.getfixturevalue("s3")
    return state | server.environment | {"PLATFORM_LAKE": f"s3://{server.bucket}/{uuid.uuid4().hex}"}


@pytest.fixture(params=["disk", "s3"])
def place(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def lake(environment: dict[str, str]) -> Lake:
    return Lake(Settings.from_environment(environment))
