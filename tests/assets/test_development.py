"""The UI and the stream worker as two processes: they begin together, and end together."""

import signal
import subprocess
import sys
from pathlib import Path

from platform_assets.operations.development import run_beside

_WORK = (
    "import pathlib, signal, sys, time\n"
    "def end(*_): pathlib.Path(sys.argv[1] + '.ended').touch(); sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, end)\n"
    "pathlib.Path(sys.argv[1]).touch()\n"
    "while True: time.sleep(0.05)\n"
)
_BESIDE = "import sys; from platform_assets.operations.development import run_beside; "


def _until(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None


def test_sigterm_ends_both_each_by_its_own_handler(tmp_path: Path) -> None:
    paths = [tmp_path / "ui", tmp_path / "worker"]
    commands = [[sys.executable, "-c", _WORK, str(path)] for path in paths]
    code = f"{_BESIDE} sys.exit(run_beside({commands[0]!r}, {commands[1]!r}, print))"
    process = subprocess.Popen([sys.executable, "-c", code], text=True)
    for path in paths:
        _until(path, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert all(path.with_name(f"{path.name}.ended").exists() for path in paths)


def test_a_worker_that_ends_is_told_and_the_ui_stays_for_as_long_as_it_likes(tmp_path: Path) -> None:
    told: list[str] = []
    waits = f"import pathlib, time\nwhile not pathlib.Path({str(tmp_path / 'told')!r}).exists(): time.sleep(0.05)"

    def tell(line: str) -> None:
        told.append(line)
        (tmp_path / "told").touch()

    assert run_beside([sys.executable, "-c", waits], [sys.executable, "-c", "import sys; sys.exit(3)"], tell) == 0
    assert told == ["the stream worker ended with 3; start it again: platform stream run --all"]
