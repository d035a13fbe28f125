"""A shop whose commands are called as a person calls them, in this process."""

import json
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from platform_assets.composition import build_location
from platform_assets.entrypoints.cli import main
from platform_resources.settings import Settings
from tests.servers import S3Server, s3_server
from tests.world import World, sales


@dataclass(frozen=True)
class Shell:
    """The command line over a world, and the world itself."""

    world: World
    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> str:
        """What a command prints that does its work."""
        code = main(["--package", "tests.declared", *arguments])
        told = self.capture.readouterr()
        assert code == 0, told.err
        return told.out

    def json(self, *arguments: str) -> Any:
        """The JSON it prints."""
        return json.loads(self(*arguments, "--json"))

    def refused(self, *arguments: str) -> str:
        """The message of a command that cannot do its work, as one line."""
        assert main(["--package", "tests.declared", *arguments]) == 1
        return " ".join(self.capture.readouterr().err.split())

    def first(self, decision: str = "open") -> str:
        """The id of the oldest envelope of shop/sales."""
        return str(self.json("quarantine", "list", "shop/sales", "--decision", decision)[0]["id"])

    def outcomes(self, *arguments: str) -> list[str]:
        """What a replay of shop/sales made of each row."""
        return [row["outcome"] for row in self.json("quarantine", "replay", "shop/sales", *arguments)["rows"]]


GOOD = sales((1, "apple", 1.0), (2, "pear", 2.0))
BAD = sales((1, "apple", 1.0), (2, "pear", 2.0), (3, "plum", 3.0))
"""The third row breaks `sku_isin`."""


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def place(request: pytest.FixtureRequest) -> str:
    return str(getattr(request, "param", "disk"))


@pytest.fixture(scope="session")
def empty_history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of Dagster in which nothing ran; a copy is there in a fifth of the time that a new one takes."""
    folder = tmp_path_factory.mktemp("history")
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(folder))
        dg.DagsterInstance.get().dispose()
    return folder


@pytest.fixture
def shell(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    empty_history: Path,
    place: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Shell]:
    """A shop on disk, or in a bucket of its own where the test asks for `s3`."""
    variables = {"PLATFORM_STATE": str(tmp_path / "state"), "DAGSTER_HOME": str(tmp_path / "dagster")}
    if place == "s3":
        server: S3Server = request.getfixturevalue("s3")
        root = f"s3://{server.bucket}/{uuid.uuid4().hex}"
        variables |= server.environment | {"PLATFORM_LAKE": f"{root}/lake", "PLATFORM_LANDING": f"{root}/landing"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    shutil.copytree(empty_history, tmp_path / "dagster")
    location = build_location("tests.declared", Settings.from_environment())
    with dg.DagsterInstance.get() as instance:
        yield Shell(World(location, instance), capsys)
