"""A platform as its user has it: a state folder, commands in processes of their own, a `dagster dev` beside them."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg
import polars as pl

from platform_assets.ingest import table_spec
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.location import CodeLocation
from platform_resources.settings import Settings
from platform_resources.storage import TableSpec
from tests.world import as_file

REPOSITORY = Path(__file__).parents[2]
DEADLINE = 300.0
"""Seconds after which a wait is given up; not a promise, for the machine may be busy."""

_OURS = ("PLATFORM_", "DAGSTER_", "AWS_")
_POLL = 0.2
T = TypeVar("T")


def until(met: Callable[[], T | None], told: str, seconds: float = DEADLINE) -> T:
    """The first thing that is true of what `met` returns; an AssertionError with `told` if none comes in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := met():
            return found
        time.sleep(_POLL)
    raise AssertionError(f"{told}: not within {seconds:.0f} s")


@dataclass(frozen=True)
class Installation:
    """A state folder, with further settings by their variables."""

    state: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def fresh(cls, state: Path, **variables: str) -> "Installation":
        """An installation as `make` sets it up."""
        made = cls(state, variables)
        made.home.mkdir(parents=True)
        shutil.copy(REPOSITORY / "dagster.yaml", made.home)
        return made

    def copy(self, state: Path) -> "Installation":
        """The same with a state of its own; times of files are kept, for the ingest log knows them."""
        shutil.copytree(self.state, state)
        return replace(self, state=state)

    @property
    def home(self) -> Path:
        """DAGSTER_HOME."""
        return self.state / "dagster"

    @property
    def landing(self) -> Path:
        """The landing folder, where it is on disk."""
        return Path(self.settings.landing)

    @property
    def environment(self) -> dict[str, str]:
        """What its processes see."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        own = {"PLATFORM_STATE": str(self.state), "DAGSTER_HOME": str(self.home), "PYTHONPATH": str(REPOSITORY)}
        return {**inherited, **own, "PYTHONWARNINGS": "ignore", **self.variables}

    @property
    def settings(self) -> Settings:
        """What its processes read from their environment."""
        return Settings.from_environment(self.environment)

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of the virtual environment, run to its end."""
        return subprocess.run(
            [binary(command), *arguments],
            cwd=REPOSITORY, env=self.environment, capture_output=True, text=True, timeout=2 * DEADLINE, check=False,
        )  # fmt: skip

    def succeed(self, command: str, *arguments: str) -> str:
        """The standard output of a command that exits with 0."""
        done = self.run(command, *arguments)
        assert done.returncode == 0, f"{command} {' '.join(arguments)}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def asked(self, *arguments: str) -> Any:
        """What `platform ... --json` answers."""
        return json.loads(self.succeed("platform", *arguments, "--json"))

    def land(self, source: str, content: pl.DataFrame | bytes) -> float:
        """The instant at which a file, complete, took its place in the landing folder."""
        self.location.landing.put(source, content if isinstance(content, bytes) else as_file(source, content))
        return time.time()

    @property
    def location(self) -> CodeLocation:
        """The repository's own code location, over this installation's lake."""
        from platform_assets.definitions import location  # noqa: PLC0415 - importing builds the whole graph

        return replace(location, settings=self.settings)

    def scan(self, name: str) -> pl.LazyFrame:
        """The table of a dataset, or of a mart."""
        lake, catalog = self.location.lake, self.location.catalog
        return lake.scan(table_spec(catalog[name]) if name in catalog.datasets else TableSpec(path=f"{name}/v1"))

    def count(self, name: str, *conditions: pl.Expr) -> int:
        """How many rows of a table meet the conditions."""
        return int(self.scan(name).filter(*conditions).select(pl.len()).collect().item())

    def store(self, name: str) -> QuarantineStore:
        """The quarantine and ingest log of a dataset."""
        return QuarantineStore(self.location.lake, self.location.catalog[name])

    def versions(self) -> dict[str, int]:
        """How many commits each Delta table below the lake has."""
        return {
            str(log.parent.relative_to(self.settings.lake)): len(list(log.glob("*.json")))
            for log in Path(self.settings.lake).rglob("_delta_log")
        }

    @contextlib.contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """Dagster's history, read beside the processes that write it."""
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            yield instance

    @contextlib.contextmanager
    def dev(self, *arguments: str) -> Iterator["Dev"]:
        """A `dagster dev` whose daemon works, stopped with all its processes afterwards."""
        chosen = arguments or ("-w", "workspace.yaml")
        with self.serving("dagster", "dev", *chosen) as server, self.instance() as instance:
            dev = Dev(server, self, instance)
            dev.until(dev.ticking, "the daemon's first look at the landing folder")
            yield dev

    @contextlib.contextmanager
    def serving(self, command: str, *arguments: str) -> Iterator["Server"]:
        """A command that serves Dagster's UI, once it answers."""
        log = self.state / f"{Path(command).name}.log"
        port = free_port()
        with log.open("ab") as output:
            process = subprocess.Popen(
                [binary(command), *arguments, "-h", "127.0.0.1", "-p", str(port)],
                cwd=REPOSITORY, env=self.environment, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        server = Server(process, f"http://127.0.0.1:{port}", log)
        try:
            server.until(server.answers, "an answer from the web server")
            yield server
        finally:
            server.stop()


@dataclass(frozen=True)
class Server:
    """A process with a web server, the leader of its own group."""

    process: "subprocess.Popen[bytes]"
    url: str
    log: Path

    def until(self, met: Callable[[], T | None], told: str) -> T:
        """As `until`; gives up at once if the process ended, and shows the end of its log."""

        def alive() -> T | None:
            assert self.process.poll() is None, "the process has ended"
            return met()

        try:
            return until(alive, told)
        except AssertionError as error:
            raise AssertionError(f"{told}: {error}\n{self.log.read_text(errors='replace')[-4000:]}") from error

    def answers(self) -> bool:
        """Whether the web server does."""
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/server_info", timeout=5) as response:  # noqa: S310 - our own address
            return bool(response.status == 200)
        return False

    def graphql(self, query: str, **variables: object) -> Any:
        """The data that a query returns."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        asked = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})  # noqa: S310 - our own address
        with urllib.request.urlopen(asked, timeout=60) as response:  # noqa: S310 - our own address
            return json.load(response)["data"]

    def stop(self) -> None:
        """Returns when no process of the group is left."""
        for each in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(self.process.pid, each)
                self.process.wait(timeout=30)

    def kill(self) -> None:
        """Takes every process of the group away, as a power cut would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=30)


@dataclass(frozen=True)
class Dev:
    """A running `dagster dev` and the history that it writes."""

    server: Server
    installation: Installation
    instance: dg.DagsterInstance

    def until(self, met: Callable[[], T | None], told: str) -> T:
        """As `until`; shows the end of the log when it gives up."""
        return self.server.until(met, told)

    def ticks(self, sensor: str = "flights_landing") -> int:
        """How often the sensor has looked so far."""
        states = self.instance.all_instigator_state()
        found = [state for state in states if state.instigator_name == sensor]
        return len(self.instance.get_ticks(found[0].instigator_origin_id, found[0].selector_id)) if found else 0

    def ticking(self) -> bool:
        """Whether the landing sensor has looked at least once."""
        return self.ticks() > 0

    def looked(self, times: int = 2, sensor: str = "flights_landing") -> None:
        """Returns when the sensor has looked so many times from now on."""
        before = self.ticks(sensor)
        self.until(lambda: self.ticks(sensor) >= before + times, f"{times} looks of {sensor}")

    def runs(self) -> list[dg.RunRecord]:
        """All runs, oldest first."""
        return list(self.instance.get_run_records(ascending=True))

    def after(self, known: Sequence[dg.RunRecord]) -> list[dg.RunRecord]:
        """The runs that were not known yet, oldest first."""
        ids = {record.dagster_run.run_id for record in known}
        return [record for record in self.runs() if record.dagster_run.run_id not in ids]

    def of(self, source: str, known: Sequence[dg.RunRecord]) -> dg.RunRecord | None:
        """The finished run that took in the file, among those that were not known yet."""
        for record in self.after(known):
            if record.dagster_run.is_finished and source in json.dumps(record.dagster_run.run_config):
                return record
        return None

    def settle(self) -> None:
        """Returns when nothing waits or works, and two more looks have asked for nothing."""
        while True:
            self.until(self.idle, "the end of all runs")
            known = self.runs()
            self.looked()
            if not self.after(known):
                return

    def idle(self) -> bool:
        """Whether every run has finished."""
        return all(each.dagster_run.is_finished for each in self.runs())

    def events(self, run_id: str) -> list[dg.EventLogEntry]:
        """What a run has told so far, in order."""
        return self.instance.all_logs(run_id)


def binary(name: str) -> str:
    """The path of a command in the virtual environment."""
    return str(Path(sys.executable).with_name(name))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
