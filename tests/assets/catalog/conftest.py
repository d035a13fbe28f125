"""A catalog over the shop, asked over HTTP in this process."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from fastapi.testclient import TestClient

from platform_assets.composition import build_location
from platform_assets.entrypoints.catalog.api import build_app
from platform_assets.entrypoints.catalog.tokens import Tokens
from platform_assets.operations.catalog import PlatformCatalog
from platform_resources.settings import Settings
from tests.world import World, sales

TOKEN = "s3cret-of-the-test"
READER = "r3ader-of-the-test"


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("catalog")
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(folder))
        settings = Settings.from_environment({"PLATFORM_STATE": str(folder / "state")})
        shop = World(build_location("tests.declared", settings), dg.DagsterInstance.get())
        shop.land("shop/sales-1.parquet", sales((1, "apple", 1.0), (2, "pear", 2.0), (3, "plum", 3.0)))
        shop.catch_up()
        yield shop
        shop.instance.dispose()


@pytest.fixture(scope="session")
def open_client(shop: World) -> TestClient:
    return TestClient(build_app(PlatformCatalog(shop.location, keep_seconds=600), Tokens()))


@pytest.fixture(scope="session")
def client(shop: World) -> TestClient:
    """One whose sender may do everything; without the header he may do nothing."""
    tokens = Tokens({digest(TOKEN): ("read", "sample", "register"), digest(READER): ("read",)})
    app = build_app(PlatformCatalog(shop.location, keep_seconds=600), tokens)
    return TestClient(app, headers={"Authorization": f"Bearer {TOKEN}"})
