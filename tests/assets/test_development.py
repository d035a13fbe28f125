"""The UI, the stream worker and the catalog as processes: they begin together, and end together."""

import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from platform_assets.composition import build_location
from platform_assets.location import CodeLocation
from platform_assets.operations.development import Companion, companions_of, run_beside, ui_command
from platform_resources.settings import Settings

_WORK = (
    "import pathlib, signal, sys, time\n"
    "def end(*_): pathlib.Path(sys.argv[1] + '.ended').touch(); sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, end)\n"
    "pathlib.Path(sys.argv[1]).touch()\n"
    "while True: time.sleep(0.05)\n"
)
_BESIDE = "import sys; from platform_assets.operations.development import Companion, run_beside; "


def _until(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None


def test_sigterm_ends_all_each_by_its_own_handler_and_tells_nobody_to_start_them_again(tmp_path: Path) -> None:
    paths = [tmp_path / "ui", tmp_path / "worker", tmp_path / "catalog"]
    slow = _WORK.replace("sys.exit(0)", "time.sleep(1.5); sys.exit(0)")  # the UI ends last
    commands = [[sys.executable, "-c", slow if path.name == "ui" else _WORK, str(path)] for path in paths]
    companions = [Companion(path.name, command, "start") for path, command in zip(paths, commands, strict=True)][1:]
    code = f"{_BESIDE} sys.exit(run_beside({commands[0]!r}, {companions!r}, print))"
    process = subprocess.Popen([sys.executable, "-c", code], text=True, stdout=subprocess.PIPE)
    for path in paths:
        _until(path, process)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=20) == ("", None)
    assert process.returncode == 0
    assert all(path.with_name(f"{path.name}.ended").exists() for path in paths)


def test_a_worker_that_ends_is_told_and_the_ui_stays_for_as_long_as_it_likes(tmp_path: Path) -> None:
    told: list[str] = []
    waits = f"import pathlib, time\nwhile not pathlib.Path({str(tmp_path / 'told')!r}).exists(): time.sleep(0.05)"

    def tell(line: str) -> None:
        told.append(line)
        (tmp_path / "told").touch()

    worker = Companion("the worker", [sys.executable, "-c", "import sys; sys.exit(3)"], "platform stream run --all")
    assert run_beside([sys.executable, "-c", waits], [worker], tell) == 0
    assert told == ["the worker ended with 3; start it again: platform stream run --all"]


@pytest.fixture
def location(tmp_path: Path) -> CodeLocation:
    return build_location(
        "platform_assets.domains.commerce", Settings.from_environment({"PLATFORM_STATE": str(tmp_path)})
    )


def test_a_catalog_whose_port_is_taken_is_told_and_the_worker_starts_all_the_same(location: CodeLocation) -> None:
    told: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        location = replace(location, settings=replace(location.settings, catalog_url=f"http://127.0.0.1:{port}"))
        companions = companions_of(location, told.append)
    assert [each.name for each in companions] == ["the stream worker"]
    fix = "set PLATFORM_CATALOG_URL to http://127.0.0.1 with a free port"
    assert told == [f"no catalog is started, port {port} is taken. Fix: {fix}."]
    assert companions_of(location, told.append)[1].restart == f"platform serve catalog --host 127.0.0.1 --port {port}"


def test_a_catalog_that_another_machine_serves_is_not_started_here(location: CodeLocation) -> None:
    location = replace(location, settings=replace(location.settings, catalog_url="https://catalog.example.com"))
    assert [each.name for each in companions_of(location, print)] == ["the stream worker"]


def test_the_ui_s_command_is_dagsters_own() -> None:
    command = ui_command(host="127.0.0.1", port=3000)
    done = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage:")
    assert "--code-server-log-level" in done.stdout
    assert not done.stderr
