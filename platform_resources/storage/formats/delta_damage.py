"""What a Delta table lacks: a data file that its log names, an entry of the log, or the checkpoint before it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import polars as pl

from platform_resources.errors import TableDamaged
from platform_resources.storage.damage import BRING_BACK, Lost, damaged, first_lost, is_json, newest_whole, restorable
from platform_resources.storage.folder import Entry, Folder
from platform_resources.storage.table import TableSpec
from platform_resources.vendor.deltalake_internals import storage_options_of

if TYPE_CHECKING:
    from deltalake import DeltaTable

_LOG = "_delta_log"
_HINT = f"{_LOG}/_last_checkpoint"
_EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"


def damage(spec: TableSpec, folder: Folder, opened: "DeltaTable | None") -> TableDamaged | None:
    """Return what is wrong with a table that cannot be read, or None.

    Args:
        spec: the table.
        folder: its place.
        opened: the table, at the version that was read; None where its log cannot be.
    """
    entries = {entry.name: entry for entry in folder.entries()}
    if opened is None:
        lost = _of_log(folder, entries)
        return None if lost is None else damaged(spec.path, lost, fix=_fix(lost, entries))
    sizes = {name: entry.size_bytes for name, entry in entries.items()}
    lost = _of_version(opened, sizes, spec.partition_column)
    if lost is None:
        return None
    whole = newest_whole(_earlier(opened), lambda version: _at(opened, int(version), sizes))
    lost = Lost(lost.kind, folder.uri(lost.place), lost.problem, lost.partition)
    return restorable(spec.path, lost, whole)


def refuse_empty(spec: TableSpec, folder: Folder, table: "DeltaTable") -> None:
    """Raise TableDamaged where the last commit on a disk is an empty file, as a power cut leaves one.

    delta-rs takes it for a commit that changed nothing, and the rows that it wrote are missing in silence.
    """
    name = f"{_LOG}/{table.version():020}.json"
    last = Path(folder.uri(name))
    if last.is_file() and not last.stat().st_size:
        raise _nothing(spec, folder, name)


def refuse_empty_object(spec: TableSpec, folder: Folder, version: str, etag: str) -> None:
    """Raise TableDamaged where the last commit on S3 is empty, by its ETag; it asks nothing."""
    if etag.strip('"') == _EMPTY_MD5:
        raise _nothing(spec, folder, f"{_LOG}/{int(version):020}.json")


def _nothing(spec: TableSpec, folder: Folder, name: str) -> TableDamaged:
    return damaged(spec.path, Lost("log entry", folder.uri(name), "is empty"), fix=_LAST)


_LAST = f"{BRING_BACK}; or delete it: the table is then at the version before, and what it wrote is materialised again"
_ANEW = f"{BRING_BACK}; where there is none, remove the table's folder and materialise it anew"


def _fix(lost: Lost, entries: Mapping[str, Entry]) -> str:
    numbers = _numbers(entries)
    last = bool(numbers) and lost.place.endswith(f"{max(numbers):020}.json") and lost.problem != "is gone"
    return _LAST if last else _ANEW


def _numbers(entries: Mapping[str, Entry]) -> list[int]:
    """Return the commits whose entries are in the log."""
    names = (Path(name) for name in entries if name.startswith(f"{_LOG}/"))
    return sorted(int(name.stem) for name in names if name.suffix == ".json" and name.stem.isdigit())


def _of_log(folder: Folder, entries: Mapping[str, Entry]) -> Lost | None:
    """Return what the log lacks: from the last checkpoint on, no entry may."""
    start, lost = _checkpoint(folder, entries)
    if lost is not None:
        return lost
    numbers = [number for number in _numbers(entries) if number >= start]
    for number in range(start, max(numbers, default=start) + 1):
        name = f"{_LOG}/{number:020}.json"
        if name not in entries:
            return Lost("log entry", folder.uri(name), "is gone")
        if not is_json(folder.read(name), lines=True):
            return Lost("log entry", folder.uri(name), "is empty or cut off")
    return None


def _checkpoint(folder: Folder, entries: Mapping[str, Entry]) -> tuple[int, Lost | None]:
    """Return the first commit that has to be read, and the checkpoint before it where it cannot be."""
    checkpoints = {int(Path(name).name.partition(".")[0]): name for name in entries if ".checkpoint." in name}
    hint = json.loads(folder.read(_HINT)).get("version") if _HINT in entries and is_json(folder.read(_HINT)) else None
    if hint is not None and hint not in checkpoints:
        place = folder.uri(f"{_LOG}/{hint:020}.checkpoint.parquet")
        return 0, Lost("checkpoint", place, f"is gone, and {folder.uri(_HINT)} names it")
    if not checkpoints:
        return 0, None
    last = max(checkpoints)
    content = folder.read(checkpoints[last])
    if content[:4] != b"PAR1" or content[-4:] != b"PAR1":
        return 0, Lost("checkpoint", folder.uri(checkpoints[last]), "is empty or cut off")
    return last + 1, None


def _of_version(table: "DeltaTable", sizes: Mapping[str, int], column: str | None = None) -> Lost | None:
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    label = f"partition.{column}"
    labels = actions[label] if label in actions.columns else [None] * actions.height
    ours = ((unquote(path), size, part)
            for path, size, part in zip(actions["path"], actions["size_bytes"], labels, strict=True)
            if "://" not in path and not path.startswith("/"))  # fmt: skip
    return first_lost(ours, sizes, "data file")


def _earlier(table: "DeltaTable") -> list[str]:
    return [str(entry["version"]) for entry in table.history() if entry["version"] < table.version()]


def _at(table: "DeltaTable", version: int, sizes: Mapping[str, int]) -> Lost | None:
    from deltalake import DeltaTable

    options = dict(storage_options_of(table)) or None
    return _of_version(DeltaTable(table.table_uri, version=version, storage_options=options), sizes)
