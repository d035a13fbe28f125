"""Makes a stored table older than it is, so that a test can let days pass without waiting for them."""

import json
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from platform_resources.storage import Lake, TableSpec
from platform_resources.storage.formats.iceberg_catalog import identifier, open_catalogue

_DELTA = {"commitInfo": "timestamp", "remove": "deletionTimestamp", "add": "modificationTime"}


def age(lake: Lake, spec: TableSpec, by: timedelta) -> None:
    """Moves every commit and every file of a table on disk into the past."""
    root = Path(lake.location(spec))
    seconds = by.total_seconds()
    for path in [each for each in root.rglob("*") if each.is_file()]:
        times = path.stat().st_atime - seconds, path.stat().st_mtime - seconds
        if "_delta_log" in path.parts and path.suffix == ".json":
            _rewrite(path, lambda action: _older(action, int(seconds * 1000)))
        os.utime(path, times)
    if spec.format == "iceberg":
        _age_snapshots(lake, spec, int(seconds * 1000))


def _age_snapshots(lake: Lake, spec: TableSpec, milliseconds: int) -> None:
    """Moves the snapshots in the metadata that the catalogue names."""
    table = open_catalogue(lake.settings).load_table(identifier(lake.settings, spec))
    path = Path(table.metadata_location)
    known = json.loads(path.read_text())
    for each in [*known["snapshots"], *known["snapshot-log"], *known["metadata-log"], known]:
        for name in ("timestamp-ms", "last-updated-ms"):
            if name in each:
                each[name] -= milliseconds
    status = path.stat()
    path.write_text(json.dumps(known))
    os.utime(path, (status.st_atime, status.st_mtime))


def _rewrite(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    path.write_text("\n".join(json.dumps(change(json.loads(line))) for line in _lines(path)))


def _lines(path: Path) -> Iterator[str]:
    return (line for line in path.read_text().splitlines() if line.strip())


def _older(action: dict[str, Any], milliseconds: int) -> dict[str, Any]:
    for kind, name in _DELTA.items():
        if action.get(kind, {}).get(name):
            action[kind][name] -= milliseconds
    return action
