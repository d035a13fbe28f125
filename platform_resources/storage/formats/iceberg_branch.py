"""Iceberg tables lent to a branch and taken back: metadata that names the same files."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyiceberg.table import Table


def as_of(table: "Table", snapshot_id: int, *, location: str) -> dict[str, Any]:
    """Return the table's metadata as it was at a snapshot, for a table at another place.

    Properties, among them the positions of streams, are those of the time where that metadata file is still there.
    """
    metadata = _at(table, snapshot_id)
    snapshots = {snapshot["snapshot-id"]: snapshot for snapshot in metadata["snapshots"]}
    pinned = snapshots[snapshot_id]
    earlier = [snapshot for snapshot in snapshots.values() if _order(snapshot) <= _order(pinned)]
    known = {snapshot["snapshot-id"] for snapshot in earlier}
    return {
        **metadata,
        "location": location,
        "current-snapshot-id": snapshot_id,
        "current-schema-id": pinned.get("schema-id", metadata["current-schema-id"]),
        "snapshots": earlier,
        "snapshot-log": [entry for entry in metadata.get("snapshot-log", []) if entry["snapshot-id"] in known],
        "refs": {"main": {"snapshot-id": snapshot_id, "type": "branch"}},
        "metadata-log": [],
    }


def brought(table: "Table | None", theirs: "Table", *, location: str) -> dict[str, Any]:
    """Return the metadata of a branch's table for the table from which it began, or for a new one."""
    metadata = _content(theirs, theirs.metadata_location)
    if table is None:
        return {**metadata, "location": location, "metadata-log": []}
    mine = _content(table, table.metadata_location)
    log = [*mine.get("metadata-log", []),
           {"metadata-file": table.metadata_location, "timestamp-ms": mine["last-updated-ms"]}]  # fmt: skip
    others = {name: ref for name, ref in mine.get("refs", {}).items() if name != "main"}
    return {
        **metadata,
        "location": location,
        "table-uuid": mine["table-uuid"],
        "refs": {**others, **metadata["refs"]},
        "metadata-log": log,
    }


def metadata_number(location: str) -> int:
    """Read the number that the name of a metadata file begins with."""
    digits = location.rpartition("/")[2].partition("-")[0]
    return int(digits) if digits.isdigit() else 0


def _at(table: "Table", snapshot_id: int) -> dict[str, Any]:
    """Read the newest metadata whose current snapshot is the one; the latest where it is gone."""
    latest = _content(table, table.metadata_location)
    if latest.get("current-snapshot-id") == snapshot_id:
        return latest
    for entry in reversed(latest.get("metadata-log", [])):
        try:
            earlier = _content(table, entry["metadata-file"])
        except FileNotFoundError:
            break
        if earlier.get("current-snapshot-id") == snapshot_id:
            return earlier
    return latest


def _content(table: "Table", location: str) -> dict[str, Any]:
    with table.io.new_input(location).open() as file:
        content: dict[str, Any] = json.loads(file.read())
    return content


def _order(snapshot: Mapping[str, Any]) -> tuple[int, int]:
    return snapshot.get("sequence-number", 0), snapshot["timestamp-ms"]
