"""A platform to develop with: the Dagster UI with its daemon, the stream worker and the catalog beside them.

Each is a process of its own. Whoever asks this one to end ends all; when the UI ends, so do the others, the worker
behind the micro-batch that it is in. One of them that ends by itself leaves the UI where it is.
"""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from platform_assets.location import CodeLocation
from platform_assets.operations import dagster_dev

_PATIENCE_SECONDS = 30
_LOOK_SECONDS = 0.5
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Companion:
    """A program that runs beside the UI.

    Attributes:
        name: What it is.
        command: The program and its arguments.
        restart: The command by which a person starts it again.
    """

    name: str
    command: Sequence[str]
    restart: str


def run_beside(main: Sequence[str], companions: Sequence[Companion], tell: Callable[[str], None]) -> int:
    """Run a program, and others for as long; return the first one's exit code.

    SIGTERM and SIGINT are passed on to all. A terminal's Ctrl+C has reached them already, and counts once.

    Args:
        main: The program that decides how long.
        companions: The others.
        tell: Is told of each of them that ended by itself.
    """
    processes = [subprocess.Popen(command) for command in (main, *(other.command for other in companions))]
    is_ending = False

    def pass_on(number: int, frame: object) -> None:
        nonlocal is_ending
        del frame
        is_ending = True
        for process in processes:
            if process.poll() is None:
                process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        running = dict(zip(processes[1:], companions, strict=True))
        while processes[0].poll() is None:
            for process in [candidate for candidate in running if candidate.poll() is not None]:
                companion = running.pop(process)
                if not is_ending:
                    tell(f"{companion.name} ended with {process.returncode}; start it again: {companion.restart}")
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


def ui_command(*, host: str, port: int) -> list[str]:
    """Return the command of the Dagster UI with its daemon."""
    return [sys.executable, "-m", dagster_dev.__name__, "dev", "-w", "workspace.yaml", "-h", host, "-p", str(port)]


def companions_of(location: CodeLocation, tell: Callable[[str], None]) -> list[Companion]:
    """Return the stream worker, where a dataset is a stream, and the catalog, where its address is on this machine.

    Args:
        location: The datasets, and the settings that say where the catalog is served.
        tell: Is told why there is no catalog, where its port is taken.
    """
    program = [sys.executable, "-m", "platform_assets.entrypoints.cli", "--package", location.package]
    companions = []
    if any(dataset.source and dataset.source.is_stream for dataset in location.catalog.datasets.values()):
        words = ["stream", "run", "--all"]
        companions.append(Companion("the stream worker", [*program, *words], f"platform {' '.join(words)}"))
    url = urlsplit(location.settings.catalog_url)
    if url.scheme == "http" and url.hostname in _LOOPBACK and url.port:
        if _is_free(url.hostname, url.port):
            words = ["serve", "catalog", "--host", url.hostname, "--port", str(url.port)]
            companions.append(Companion("the catalog", [*program, *words], f"platform {' '.join(words)}"))
        else:
            fix = "set PLATFORM_CATALOG_URL to http://127.0.0.1 with a free port"
            tell(f"no catalog is started, port {url.port} is taken. Fix: {fix}.")
    return companions


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: a port just left is free
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
