"""dbt in this process: a staged copy of the project, its manifest, and invocations that leave nothing behind.

The copy holds what is generated (sources from the contracts, profile from the settings) beside what is written, under
a name that is the hash of all of it. So a stale file cannot be used, no load of definitions parses twice, and a run
that is under way keeps the project it began with. Nothing is written into the project itself.
"""

import fcntl
import hashlib
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from platform_resources.errors import ResourceError
from platform_resources.settings import DATABASE_PREFIX, SINK_PREFIX, Settings

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult
    from dbt_common.events.base_types import EventMsg

MACROS = Path(__file__).parent / "dbt_macros"
"""The tests that the generated sources call, so that every project has them."""

PACKAGES = ("dbt-core", "dbt-duckdb", "duckdb")
_LEFT_BEHIND = frozenset({"target", "logs", "dbt_packages", ".user.yml", "__pycache__", ".DS_Store"})
_KEPT = 5
_KEYS = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION"})
_SECRETS = frozenset({"PLATFORM_BROKER", "PLATFORM_ICEBERG_CATALOG", "PLATFORM_S3_EXTERNAL_ID"})
"""Variables that may hold a password or an identity: no profile on disk does."""
_WAIT_SECONDS = 600.0

Event = Mapping[str, Any]
Listener = Callable[[Event], None]
Finish = Callable[[Path, Mapping[str, Any]], None]
"""Adds files to a new copy, from its folder and manifest."""


class DbtError(ResourceError):
    """A dbt command failed; `messages` is what dbt said."""

    def __init__(self, command: str, messages: Sequence[str]) -> None:
        self.command, self.messages = command, tuple(messages)
        lines = "\n".join(f"  {line}" for message in messages for line in message.splitlines())
        super().__init__(f"dbt {command}: failed. Fix: correct what dbt names, then load again.\n{lines}")


@dataclass(frozen=True)
class DbtProject:
    """A dbt project as written, together with what is generated for it.

    Attributes:
        folder: where dbt_project.yml lies.
        settings: which lake it reads and where its DuckDB file lies.
        sources: a dbt properties file, generated.
        stamp: anything else whose change asks for a new manifest.
    """

    folder: Path
    settings: Settings
    sources: Mapping[str, Any]
    stamp: str = ""

    @property
    def home(self) -> Path:
        """The folder of this environment's staged copies."""
        branch = "" if self.settings.branch is None else f"~{self.settings.branch}"
        return Path(self.settings.state) / "dbt" / f"{self.settings.environment}{branch}"

    @property
    def database(self) -> Path:
        """The DuckDB file; it has one writer at a time.

        A branch's has the name of the environment's, for models are called by it: a run whose tag names the branch has
        them from the environment's manifest.
        """
        name = f"{self.settings.environment}.duckdb"
        return (self.home.parent if self.settings.branch is None else self.home) / name

    @property
    def fingerprint(self) -> str:
        """The hash of everything the manifest depends on."""
        digest = hashlib.sha256(self.stamp.encode())
        digest.update(json.dumps([version(name) for name in PACKAGES]).encode())
        for path, content in self._files().items():
            digest.update(f"{path}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()[:16]

    def stage(self, finish: Finish | None = None) -> "StagedProject":
        """Return the staged copy with its manifest, made now if it is not there.

        Args:
            finish: adds files to a new copy before anyone can use it.

        Raises:
            DbtError: dbt cannot parse the project.
        """
        staged = StagedProject(self.home / self.fingerprint, self.settings, self.database)
        if not staged.manifest_path.exists():
            self._make(staged, finish)
        return staged

    def _make(self, staged: "StagedProject", finish: Finish | None) -> None:
        """Complete the copy, which its manifest then says; loads in several processes wait for one."""
        self.home.mkdir(parents=True, exist_ok=True)
        with _locked(self.home / ".lock"):
            if staged.manifest_path.exists():
                return
            shutil.rmtree(staged.folder, ignore_errors=True)
            for path, content in self._files().items():
                (staged.folder / path).parent.mkdir(parents=True, exist_ok=True)
                (staged.folder / path).write_bytes(content)
            staged.parse(finish)
            _forget_old(self.home, keep=staged.folder)

    def _files(self) -> dict[str, bytes]:
        """Return each file of the copy by its path, sorted."""
        contents = {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and not _LEFT_BEHIND.intersection(path.relative_to(self.folder).parts)
        }
        for path in sorted(MACROS.glob("*.sql")):
            contents[f"macros/platform/{path.name}"] = path.read_bytes()
        for source in self.sources["sources"]:
            content = {**self.sources, "sources": [source]}
            contents[f"models/{source['name']}/_sources.yml"] = json.dumps(content, indent=1).encode()
        contents["profiles.yml"] = json.dumps(self._profile(), indent=1).encode()
        return dict(sorted(contents.items()))

    def _profile(self) -> dict[str, Any]:
        """Return the profile without any secret. JSON is YAML, and needs no library."""
        target = {
            "type": "duckdb",
            "path": str(self.database),
            "schema": "main",
            # One node at a time: DuckDB uses all cores for each, and dbt-duckdb replaces views of sources unguarded.
            "threads": 1,
            "config_options": {"autoinstall_known_extensions": False, "autoload_known_extensions": False},
            "settings": {"TimeZone": "UTC"},
            # Views on Arrow live in memory: in the file they would outlast the run and be broken.
            "attach": [{"path": ":memory:", "alias": "lake"}],
            "plugins": [{"module": f"{__package__}.dbt_plugin", "alias": "lake", "config": _variables(self.settings)}],
        }
        name = self.settings.environment
        return {"platform": {"target": name, "outputs": {name: target}}}


@dataclass(frozen=True)
class StagedProject:
    """A project that dbt can run: complete, absolute, unchanging."""

    folder: Path
    settings: Settings
    database: Path

    @property
    def manifest_path(self) -> Path:
        """Where the manifest lies once the project was parsed."""
        return self.folder / "manifest.json"

    def manifest(self) -> dict[str, Any]:
        """Return dbt's manifest.

        Raises:
            DbtError: this copy was cleared away, because newer ones took its place.
        """
        try:
            document: dict[str, Any] = json.loads(self.manifest_path.read_bytes())
        except FileNotFoundError as error:
            raise DbtError("manifest", [f"{self.folder} is gone; reload the definitions"]) from error
        return document

    def parse(self, finish: Finish | None = None) -> None:
        """Write the manifest, last of all files: it says that the copy is complete."""
        self.invoke(["parse"]).or_raise()
        manifest = json.loads((self.folder / "target" / "manifest.json").read_bytes())
        if finish:
            finish(self.folder, manifest)
        draft = self.manifest_path.with_suffix(".draft")
        draft.write_text(json.dumps(manifest))
        draft.rename(self.manifest_path)

    def compile(self, selectors: Sequence[str]) -> dict[str, Any]:
        """Return a manifest with the SQL of the selected nodes, as for tables that are not there yet.

        The SQL of a run names the partitions of that run.

        Raises:
            DbtError: dbt cannot compile the project.
        """
        arguments = ["compile", "--full-refresh", "--indirect-selection", "empty", "--select", " ".join(selectors)]
        self.invoke(arguments).or_raise()
        compiled: dict[str, Any] = json.loads((self.folder / "target" / "manifest.json").read_bytes())
        return compiled

    @contextmanager
    def sole_writer(self) -> Iterator[None]:
        """Hold DuckDB's file: runs that write it, and read what they wrote, wait for one another.

        Raises:
            DbtError: another run held it for ten minutes.
        """
        with _locked(self.database.with_suffix(".lock")):
            yield

    def invoke(
        self, arguments: Sequence[str], *, listener: Listener | None = None, personal: Collection[str] = ()
    ) -> "Invocation":
        """Return what a dbt command did, with its events above debug.

        The command runs in this process: a child process would import dbt again, for 2 s of CPU. What dbt changes in
        a process is put back: the current folder, the environment, root log handlers, and the DuckDB connection,
        which would hold the file and let the next parse load sources.
        """
        events: list[Event] = []

        def hear(message: "EventMsg") -> None:
            if message.info.level == "debug":  # nine in ten; turning each into a record costs a fifth of the run
                return
            event = _without_values(_plain(message), personal)
            events.append(event)
            if listener:
                listener(event)

        with _as_found(), _credentials(self.settings):
            result = self._run(arguments, hear)
        if personal:
            self._withhold_results(personal)
        return Invocation(tuple(arguments), result.success, tuple(events), result.exception)

    def _run(self, arguments: Sequence[str], hear: "Callable[[EventMsg], None]") -> "dbtRunnerResult":
        """Run a command on the project as it was parsed, and write what dbt would write.

        Dbt writes its manifest before and after each command, by a JSON writer in Python: half a second of CPU for 350
        tests, each time. So it is told to write nothing, and what it would have written last is written here.
        """
        from dbt.artifacts.schemas.run import RunExecutionResult
        from dbt.cli.main import dbtRunner
        from dbt.contracts.graph.manifest import Manifest
        from dbt_common.utils.encoding import JSONEncoder  # noqa: PLC0415 - as dbt, above

        result = parsed = dbtRunner(callbacks=[hear]).invoke(["parse", *self._flags()])
        project = parsed.result
        if not isinstance(project, Manifest):
            return parsed
        if list(arguments) != ["parse"]:
            result = dbtRunner(manifest=project, callbacks=[hear]).invoke([*arguments, *self._flags()])
        target = self.folder / "target"
        target.mkdir(exist_ok=True)
        manifest = project.writable_manifest().to_dict(omit_none=False, context={"artifact": True})
        draft = target / "manifest.draft"
        draft.write_text(json.dumps(manifest, cls=JSONEncoder))
        draft.rename(target / "manifest.json")
        if isinstance(result.result, RunExecutionResult):
            result.result.write(str(target / "run_results.json"))
        return result

    def _withhold_results(self, personal: Collection[str]) -> None:
        """Take the values out of the messages that dbt has written to disk."""
        path = self.folder / "target" / "run_results.json"
        if not path.exists():
            return
        written = json.loads(path.read_bytes())
        for result in written["results"]:
            if result["unique_id"] in personal and result.get("message"):
                result["message"] = withhold_values(result["message"])
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(written))
        draft.rename(path)

    def _flags(self) -> list[str]:
        folder = str(self.folder)
        places = ["--project-dir", folder, "--profiles-dir", folder, "--target-path", f"{folder}/target"]
        return [*places, "--log-path", f"{folder}/logs", "--log-level", "none", "--no-print", "--no-write-json"]


@dataclass(frozen=True)
class Invocation:
    """What a dbt command did."""

    arguments: tuple[str, ...]
    success: bool
    events: tuple[Event, ...] = field(repr=False)
    exception: BaseException | None = None

    @property
    def errors(self) -> tuple[str, ...]:
        """What dbt said of failures, in order."""
        return tuple(str(event["info"]["msg"]).strip() for event in self.events if event["info"]["level"] == "error")

    def or_raise(self) -> "Invocation":
        """Return itself.

        Raises:
            DbtError: the command failed.
        """
        if self.exception is not None and not isinstance(self.exception, Exception):
            raise self.exception  # an interrupt is not dbt's failure
        if not self.success:
            messages = self.errors or ((str(self.exception),) if self.exception else ())
            raise DbtError(" ".join(self.arguments), messages) from self.exception
        return self


def _plain(message: "EventMsg") -> Event:
    """Return an event as dbt's JSON log has it."""
    from dbt_common.events.functions import msg_to_dict  # noqa: PLC0415 - as above

    document: dict[str, Any] = msg_to_dict(message)
    return document


_QUOTING = re.compile(
    r"((?:Conversion|Invalid Input|Out of Range|Constraint|Mismatch Type|Serialization) Error): .*?"
    r"(?=\s+LINE \d+: |\s+compiled code at |\Z)",
    re.DOTALL,
)
"""What DuckDB says of a value, up to the line of the statement, which has none."""


def withhold_values(message: str) -> str:
    """Leave out of an error of DuckDB what may quote a value; its kind and the line of the statement stay.

    >>> withhold_values("Conversion Error: Could not convert string 'Ada' to INT32 LINE 1: select name::int")
    'Conversion Error: what it says is withheld, for it may quote personal data LINE 1: select name::int'
    """
    return _QUOTING.sub(r"\1: what it says is withheld, for it may quote personal data", message)


def _without_values(event: Event, personal: Collection[str]) -> Event:
    """Return the event without values where it is about one of the nodes.

    Or where dbt does not say what it is about.
    """
    if not personal or event["info"]["level"] not in {"error", "warn"}:
        return event
    node = event.get("data", {}).get("node_info", {}).get("unique_id")
    if node and node not in personal:
        return event
    changed: Event = json.loads(json.dumps(event, default=str), object_hook=_withheld_texts)
    return changed


def _withheld_texts(record: dict[str, Any]) -> dict[str, Any]:
    return {name: withhold_values(value) if isinstance(value, str) else value for name, value in record.items()}


def _variables(settings: Settings) -> dict[str, str]:
    """Return the settings as the variables that say the same, without any that may hold a secret."""
    return {name: value for name, value in settings.to_environment().items() if not _is_secret(name)}


def _is_secret(variable: str) -> bool:
    return variable in _SECRETS or variable.startswith((DATABASE_PREFIX, SINK_PREFIX, "AWS_"))


@contextmanager
def _credentials(settings: Settings) -> Iterator[None]:
    """Put secrets where dbt's plugin looks for them, and nowhere on disk; what stood there before comes back."""
    own = {name: value for name, value in settings.to_environment().items() if _is_secret(name)}
    names = {*own, *_SECRETS, *_KEYS, *(name for name in os.environ if name.startswith((DATABASE_PREFIX, SINK_PREFIX)))}
    before = {name: os.environ.get(name) for name in names}
    _set_environment({name: own.get(name) for name in names})
    try:
        yield
    finally:
        _set_environment(before)


def _set_environment(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def _as_found() -> Iterator[None]:
    """Put back what dbt leaves changed in a process."""
    here, handlers = os.getcwd(), logging.getLogger().handlers[:]  # noqa: PTH109 - dbt changes it by os.chdir
    try:
        yield
    finally:
        os.chdir(here)
        logging.getLogger().handlers[:] = handlers
        _close_duckdb()


def _close_duckdb() -> None:
    """Close the connection that dbt-duckdb keeps open for good.

    It holds the file's lock; and while it is open, parsing loads every source.
    """
    from dbt.adapters.duckdb.connections import (
        DuckDBConnectionManager as Connections,
    )

    if Connections._ENV is not None:  # noqa: SLF001 - the public accessor raises when there is none
        Connections.env().close()
        Connections.close_all_connections()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes; it goes with the process that dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        _wait_for(file, path)
        yield


def _wait_for(file: IO[str], path: Path) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise DbtError("waiting", [f"another run has held {path} for {_WAIT_SECONDS:.0f} s"]) from None
            time.sleep(0.1)
        else:
            return


def _forget_old(home: Path, *, keep: Path) -> None:
    """Remove all but the newest copies; a run may still use a slightly older one."""
    copies = [path for path in home.iterdir() if path.is_dir() and path != keep]
    for path in sorted(copies, key=lambda copy: copy.stat().st_mtime, reverse=True)[_KEPT:]:
        shutil.rmtree(path, ignore_errors=True)
