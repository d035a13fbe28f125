"""A platform to develop with: the Dagster UI with its daemon, and the stream worker beside them.

Both are processes of their own. Whoever asks this one to end ends both; when the UI ends, so does the worker, behind
the micro-batch that it is in. A worker that ends by itself leaves the UI where it is.
"""

import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from platform_assets.location import CodeLocation

_PATIENCE_SECONDS = 30
_LOOK_SECONDS = 0.5


def run_beside(main: Sequence[str], beside: Sequence[str] | None, tell: Callable[[str], None]) -> int:
    """Run a program, and another one for as long; return the first one's exit code.

    SIGTERM and SIGINT are passed on to both. A terminal's Ctrl+C has reached them already, and counts once.

    Args:
        main: The program that decides how long.
        beside: The other one; None runs the first alone.
        tell: Is told that the other one ended by itself.
    """
    processes = [subprocess.Popen(command) for command in (main, *([beside] if beside else []))]

    def pass_on(number: int, frame: object) -> None:
        del frame
        for process in processes:
            if process.poll() is None:
                process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        is_told = len(processes) == 1
        while processes[0].poll() is None:
            if not is_told and processes[1].poll() is not None:
                tell(
                    f"the stream worker ended with {processes[1].returncode}; start it again: platform stream run --all"
                )
                is_told = True
            try:
                processes[0].wait(_LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                continue
    finally:
        for process in processes:
            _end(process)
        for number, handler in before.items():
            signal.signal(number, handler)
    return int(processes[0].returncode or 0)


def development_commands(location: CodeLocation, *, host: str, port: int) -> tuple[list[str], list[str] | None]:
    """Return the commands of the UI and of the worker; None for the latter where no dataset is a stream."""
    programs = Path(sys.executable).parent
    ui = [str(programs / "dagster"), "dev", "-w", "workspace.yaml", "-h", host, "-p", str(port)]
    streams = [each for each in location.catalog.datasets.values() if each.source and each.source.is_stream]
    worker = [
        sys.executable,
        "-m",
        "platform_assets.entrypoints.cli",
        "--package",
        location.package,
        "stream",
        "run",
        "--all",
    ]
    return ui, worker if streams else None


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
