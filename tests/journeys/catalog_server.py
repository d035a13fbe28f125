"""The catalog over a package of declarations, served on loopback for a browser."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
import uvicorn

from platform_assets.composition import build_location
from platform_assets.entrypoints.catalog.api import build_app
from platform_assets.entrypoints.catalog.tokens import Tokens
from platform_assets.operations.catalog import PlatformCatalog
from platform_resources.settings import Settings
from tests.world import World


@contextmanager
def catalog_world(package: str, folder: Path) -> Iterator[World]:
    """Give an installation in a folder, whose history is Dagster's own."""
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(folder))
        location = build_location(package, Settings.from_environment({"PLATFORM_STATE": str(folder / "state")}))
        yield World(location, dg.DagsterInstance.get())


@contextmanager
def served(world: World) -> Iterator[str]:
    """Serve the catalog of an installation, and give its address."""
    config = uvicorn.Config(build_app(PlatformCatalog(world.location, keep_seconds=600), Tokens()), log_level="error")
    server = uvicorn.Server(config)
    socket = uvicorn.Config(config.app, port=0).bind_socket()
    threading.Thread(target=server.run, args=([socket],), daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    server.should_exit = True
