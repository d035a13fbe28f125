"""`make dev &` in a script: bash starts it with SIGINT ignored, and it ends on SIGTERM all the same."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journeys.installation import REPOSITORY, Installation, Server, free_port, until

pytestmark = pytest.mark.journey


def is_gone(process_id: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process_id, 0)
        return False
    return True


def test_dev_in_the_background_of_a_script_ends_on_sigterm(tmp_path: Path) -> None:
    installation, log, port = Installation.fresh(tmp_path / "state"), tmp_path / "log", free_port()
    make = f"make -o .venv/ready dev BIN={Path(sys.executable).parent} PORT={port} STATE={installation.state}"
    with log.open("wb") as output:
        script = subprocess.Popen(
            ["/bin/bash", "-c", f"{make} & echo $! > {tmp_path}/pid; wait $!"], cwd=REPOSITORY,
            env=installation.environment, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    server = Server(script, f"http://127.0.0.1:{port}", log)
    try:
        server.until(server.answers, "an answer from the web server")
        process_id = int((tmp_path / "pid").read_text())
        os.kill(process_id, signal.SIGTERM)
        until(lambda: is_gone(process_id) and not server.answers(), "the end of make and of the web server")
    finally:
        server.stop()
