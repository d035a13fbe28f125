"""What the API describes of itself holds: schemathesis asks every operation, in an environment of its own."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from platform_assets.entrypoints.catalog.api import build_app
from platform_assets.entrypoints.catalog.tokens import Tokens
from platform_assets.operations.catalog import PlatformCatalog
from tests.assets.catalog.conftest import TOKEN, digest
from tests.world import World

SCHEMATHESIS = os.environ.get("SCHEMATHESIS", "")
pytestmark = [
    pytest.mark.lane,
    pytest.mark.skipif(not SCHEMATHESIS, reason="SCHEMATHESIS names no program: .ci/schemathesis FOLDER installs it"),
]


@pytest.fixture
def address(shop: World) -> Iterator[str]:
    tokens = Tokens({digest(TOKEN): ("read", "sample", "register")})
    config = uvicorn.Config(build_app(PlatformCatalog(shop.location, keep_seconds=600), tokens), log_level="error")
    server, socket = uvicorn.Server(config), uvicorn.Config(config.app, port=0).bind_socket()
    threading.Thread(target=server.run, args=([socket],), daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    server.should_exit = True


def test_schemathesis_finds_nothing(address: str, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text('[parameters]\ndomain = "shop"\nname = "sales"\n')
    arguments = ["run", f"{address}/api/openapi.json", "-H", f"Authorization: Bearer {TOKEN}", "--max-examples", "10",
                 "--checks", "all", "--exclude-checks", "positive_data_acceptance"]  # fmt: skip
    # a contract that is any JSON object is refused by the rules of ODCS, which the schema of the API does not repeat
    done = subprocess.run([SCHEMATHESIS, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
