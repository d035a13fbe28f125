"""Branches of a lake: what each began with, and a lake of its own for what is materialised in it.

    {lake}/_branches/{environment}/{name}/branch.json        the tables and the versions that it began with
    {lake}/_branches/{environment}/{name}/begun/{table}      a table that the branch writes; the last file of its start
    {lake}/_branches/{environment}/{name}/taking/{table}     a table whose promotion began; the first file of it
    {lake}/_branches/{environment}/{name}/{environment}/...  those tables, laid out like the lake's own

Nothing is copied when a branch is made. A table is read from the environment, at the version the branch began with,
until the branch first writes it; then the branch gets a table of its own that lends the other's files.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from filelock import FileLock

from platform_resources.errors import BranchExists, BranchOutdated, UnknownBranch
from platform_resources.settings import Settings
from platform_resources.storage.folder import DiskFolder, Folder, file_name, folder_at
from platform_resources.storage.formats import FORMATS
from platform_resources.storage.formats.base import TableFormat
from platform_resources.storage.table import Format, TableSpec

FOLDER = "_branches"
_RECORD = "branch.json"
_BEGUN = "begun"
_TAKING = "taking"
_DELTA_LOG = FORMATS["delta"].marker
_ICEBERG_MARKER = "/metadata/in-catalogue"
_PROMOTED = "/metadata/read-by-the-environment"
_THREADS = 16


@dataclass(frozen=True)
class Pin:
    """A table as a branch found it: its format, and the version that it then had."""

    format: Format
    version: str


@dataclass(frozen=True)
class Branch:
    """A branch of an environment's tables.

    Attributes:
        name: As it was given.
        created_at: In UTC; what was live then stays readable.
        pins: What each table was, by its path below the tables root.
    """

    name: str
    created_at: datetime
    pins: Mapping[str, Pin]


@dataclass(frozen=True)
class TableChange:
    """A table that a branch changed or made.

    Attributes:
        path: Below the tables root.
        format: Of the branch's.
        since: What it began with; None for a table that it made.
        version: What it has now.
    """

    path: str
    format: Format
    since: Pin | None
    version: str

    @property
    def since_version(self) -> str | None:
        """The version it began with."""
        return None if self.since is None else self.since.version


class Branches:
    """The branches of an environment, on disk or S3."""

    def __init__(self, settings: Settings) -> None:
        self.settings = replace(settings, branch=None)
        self._folder = folder_at(f"{settings.lake}/{FOLDER}/{settings.environment}", settings.s3)

    def names(self) -> list[str]:
        """List the branches by name."""
        if isinstance(self._folder, DiskFolder):
            return sorted(path.parent.name for path in self._folder.root.glob(f"*/{_RECORD}"))
        listed = (entry.name.split("/") for entry in self._folder.entries())
        return [parts[0] for parts in listed if parts[1:] == [_RECORD]]

    def create(self, name: str) -> Branch:
        """Make a branch of the tables as they are now.

        Each table is pinned at a version of its own; while runs write, that is not one instant for all.

        Raises:
            BranchExists: The name is taken.
        """
        if self._is_there(name):
            raise BranchExists(name)
        leftovers = [entry.name for entry in self._folder.entries(name)]
        created_at = datetime.now(UTC)
        pins = {path: pin for path, pin in found_tables(self.settings) if pin is not None}
        branch = Branch(name, created_at, pins)
        self._clear(name, [leftover for leftover in leftovers if leftover != f"{name}/{_RECORD}"])
        if not self._folder.create(f"{name}/{_RECORD}", _record(branch)):  # another machine was first
            raise BranchExists(name)
        return branch

    def open(self, name: str) -> Branch:
        """Read what a branch began with; raises UnknownBranch."""
        if not self._is_there(name):
            raise UnknownBranch(name, self.names())
        record = json.loads(self._folder.read(f"{name}/{_RECORD}"))
        pins = {path: Pin(cast("Format", kind), version) for path, (kind, version) in record["tables"].items()}
        return Branch(name, datetime.fromisoformat(record["created_at"]), pins)

    def save(self, branch: Branch) -> None:
        """Write what a branch began with."""
        self._folder.write(f"{branch.name}/{_RECORD}", _record(branch))

    def drop(self, name: str) -> int:
        """Remove a branch and its tables; return how many files went.

        The files of Iceberg tables that were promoted stay where they are, because the environment reads them: those of
        an earlier branch of the name, and of a promotion that was interrupted, too.
        """
        self.open(name)
        own = self.tables_of(name)
        entries = [entry.name for entry in self._folder.entries(name)]
        promoted = tuple(f"{entry.removesuffix(_PROMOTED)}/" for entry in entries if entry.endswith(_PROMOTED))
        doomed = [entry for entry in entries if not entry.startswith(promoted)]
        self._folder.remove(f"{name}/{_RECORD}")
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(self._folder.remove, doomed))
        _forget_catalogue(own)
        if isinstance(self._folder, DiskFolder):
            _remove_empty_folders(self._folder.root / name)
        return len(doomed)

    def changed(self, branch: Branch) -> list[TableChange]:
        """List the tables of which a branch has other rows than those it began with, in the order of a commit."""
        own = self.tables_of(branch.name)
        changes = []
        for path, now in found_tables(own):
            if now is None:
                continue
            since = branch.pins.get(path)
            if since is None or (self.is_begun(branch.name, path) and now.version != since.version):
                changes.append(TableChange(path, now.format, since, now.version))
        return sorted(changes, key=lambda change: (change.path.partition("__")[0], _order(change.path)))

    def promote(self, name: str) -> list[TableChange]:
        """Make what a branch changed the environment's, without reading or computing a row; return what was.

        Each table changes by one commit of its own. After a promotion that was interrupted, the next one does the rest.
        The branch goes on from what the environment has then.

        Raises:
            BranchOutdated: A table changed in the environment, too; nothing is promoted.
        """
        branch = self.open(name)
        changes = self.changed(branch)
        resumed = {change.path: version for change in changes if (version := self._resume(branch, change)) is not None}
        moved = [change.path for change in changes
                 if change.path not in resumed and self._table(change).version() != change.since_version]  # fmt: skip
        if moved:
            raise BranchOutdated(name, moved)
        for change in changes:
            branch = self._take(branch, change, resumed.get(change.path))
        return changes

    def _table(self, change: TableChange) -> TableFormat:
        return table_at(TableSpec(path=change.path, format=change.format), self.settings)

    def _resume(self, branch: Branch, change: TableChange) -> str | None:
        """End the promotion of a table that was interrupted; None where none was, or the environment moved on since."""
        journal = f"{branch.name}/{_TAKING}/{file_name(change.path)}"
        if all(entry.name != journal for entry in self._folder.entries(f"{branch.name}/{_TAKING}")):
            return None
        record = json.loads(self._folder.read(journal))
        if record["since"] != change.since_version:
            return None
        theirs = table_at(TableSpec(path=change.path, format=change.format), self.tables_of(branch.name))
        return self._table(change).resume_take(theirs, change.since_version, record["files"])

    def _take(self, branch: Branch, change: TableChange, taken_version: str | None) -> Branch:
        """Promote one table, unless it was; the branch reads the environment's from then on."""
        theirs = table_at(TableSpec(path=change.path, format=change.format), self.tables_of(branch.name))
        journal = f"{branch.name}/{_TAKING}/{file_name(change.path)}"
        if taken_version is None:
            table = self._table(change)
            record = {"since": change.since_version, "files": dict(table.file_stamps())}
            self._folder.write(journal, json.dumps(record).encode())
        version = taken_version or table.take(theirs, change.since_version)
        renewed = replace(branch, pins={**branch.pins, change.path: Pin(change.format, version)})
        self.save(renewed)
        self._folder.remove(f"{branch.name}/{_BEGUN}/{file_name(change.path)}")
        self._folder.remove(journal)
        if change.format == "iceberg":
            theirs.forget()
        else:
            place = folder_at(theirs.location, self.settings.s3)
            for entry in place.entries():
                place.remove(entry.name)
            if isinstance(place, DiskFolder):
                _remove_empty_folders(place.root)
        return renewed

    def tables_of(self, name: str) -> Settings:
        """Return the settings under which a branch's own tables lie."""
        return replace(self.settings, lake=f"{self.settings.lake}/{FOLDER}/{self.settings.environment}/{name}",
                       branch=name)  # fmt: skip

    def holding(self, path: str) -> list[tuple[Branch, Pin]]:
        """List the branches that may read files of a table, and the version at which."""
        branches = [self.open(name) for name in self.names()]
        return [(branch, branch.pins[path]) for branch in branches if path in branch.pins]

    def is_begun(self, name: str, path: str) -> bool:
        """Ask whether a branch has a table of its own in the place of one that it began with."""
        place = file_name(path)
        if isinstance(self._folder, DiskFolder):
            return (self._folder.root / name / _BEGUN / place).exists()
        return any(entry.name.endswith(f"/{place}") for entry in self._folder.entries(f"{name}/{_BEGUN}"))

    def begin(self, branch: Branch, spec: TableSpec) -> None:
        """Give the branch a table of its own in the place of one that it began with, unless it has one."""
        pin = branch.pins.get(spec.path)
        if pin is None or self.is_begun(branch.name, spec.path):
            return
        with self._alone(branch.name, spec.path):
            if not self.is_begun(branch.name, spec.path):
                pinned = TableSpec(path=spec.path, format=pin.format, partition_column=spec.partition_column)
                table_at(pinned, self.settings).lend(pin.version, table_at(pinned, self.tables_of(branch.name)))
                self._folder.write(f"{branch.name}/{_BEGUN}/{file_name(spec.path)}", b"")

    @contextmanager
    def _alone(self, name: str, path: str) -> Iterator[None]:
        """Wait until no other process of this machine gives the branch the table."""
        lock = Path(self.settings.state) / "locks" / f"branch-{file_name(f'{name} {path}')}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock):
            yield

    def _clear(self, name: str, entries: Sequence[str]) -> None:
        """Remove what a run wrote after its branch was dropped; files of Iceberg tables may be the environment's."""
        shared = {entry.rpartition("/metadata/")[0] for entry in entries if entry.endswith(".metadata.json")}
        if shared:
            _forget_catalogue(self.tables_of(name))
        for entry in entries:
            lies_in_table = any(entry.startswith((f"{place}/data/", f"{place}/metadata/")) for place in shared)
            if not lies_in_table or entry.endswith(_ICEBERG_MARKER):
                self._folder.remove(entry)

    def _is_there(self, name: str) -> bool:
        return name in self.names()


def _record(branch: Branch) -> bytes:
    tables = {path: [pin.format, pin.version] for path, pin in sorted(branch.pins.items())}
    return json.dumps({"created_at": branch.created_at.isoformat(), "tables": tables}).encode()


def table_at(spec: TableSpec, settings: Settings) -> TableFormat:
    """Return a table of some settings' lake."""
    return FORMATS[spec.format](spec, f"{settings.tables_root}/{spec.path}", settings)


def found_tables(settings: Settings) -> Iterator[tuple[str, Pin | None]]:
    """List the tables of a lake with their versions; None for one whose first write did not end.

    The number of a Delta table's version is that of the newest file in its log, so that it need not be opened.
    """
    folder = folder_at(settings.tables_root, settings.s3)
    tables = dict(_walked(folder.root) if isinstance(folder, DiskFolder) else _listed(folder))

    def pin(path: str) -> Pin | None:
        name, newest = tables[path]
        version = newest if name == "delta" else table_at(TableSpec(path=path, format=name), settings).version()
        return None if version is None else Pin(name, version)

    with ThreadPoolExecutor(_THREADS) as pool:
        yield from zip(tables, pool.map(pin, tables), strict=True)


def _walked(root: Path) -> Iterator[tuple[str, tuple[Format, str | None]]]:
    """Walk the folders, not into those of tables."""
    waiting = [root] if root.exists() else []
    while waiting:
        place = waiting.pop()
        with os.scandir(place) as entries:
            below = {entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("_iceberg")}
        name = next((name for name, kind in FORMATS.items() if kind.marker in below), None)
        if name is None:
            waiting += [place / entry for entry in below]
            continue
        newest = None
        if name == "delta":
            newest = _newest(entry.name for entry in os.scandir(place / _DELTA_LOG))
        yield place.relative_to(root).as_posix(), (name, newest)


def _listed(folder: Folder) -> Iterator[tuple[str, tuple[Format, str | None]]]:
    """Read one listing of everything."""
    names: dict[str, tuple[Format, list[str]]] = {}
    for entry in folder.entries():
        for name, kind in FORMATS.items():
            path, marker, file = entry.name.partition(f"/{kind.marker}/")
            if marker:
                names.setdefault(path, (name, []))[1].append(file)
    for path, (name, files) in names.items():
        yield path, (name, _newest(files) if name == "delta" else None)


def _newest(names: Any) -> str | None:
    numbers = [name.removesuffix(".json") for name in names if name.endswith(".json")]
    return max((str(int(number)) for number in numbers if number.isdigit()), key=int, default=None)


def _order(path: str) -> int:
    """Return the order in which an ingest commits: quarantine, table, then what says that both are done."""
    return 0 if path.endswith("__quarantine") else 1 if "__" not in path else 2


def _forget_catalogue(own: Settings) -> None:
    """Drop what the Iceberg catalogue knows of a branch: its file, or its entries in a database."""
    from platform_resources.storage.formats.iceberg_catalog import forget_branch  # noqa: PLC0415 - imports a vendor

    forget_branch(own)


def _remove_empty_folders(place: Path) -> None:
    for folder in sorted((path for path in place.rglob("*") if path.is_dir()), reverse=True):
        with suppress(OSError):
            folder.rmdir()
    with suppress(OSError):
        place.rmdir()
