"""The files that an Iceberg table names, and which of them it lacks: a list of manifests, a manifest, a data file."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from platform_resources.errors import TableDamaged
from platform_resources.storage.damage import Lost, first_lost, newest_whole, restorable
from platform_resources.storage.folder import Folder
from platform_resources.storage.table import TableSpec
from platform_resources.vendor.avro_files import is_whole

if TYPE_CHECKING:
    from pyiceberg.manifest import ManifestFile
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot


def damage(spec: TableSpec, folder: Folder, table: "Table", snapshot: "Snapshot | None") -> TableDamaged | None:
    """Find what is wrong with a snapshot that cannot be read; None where it is whole."""
    if snapshot is None:
        return None
    sizes = {folder.uri(entry.name): entry.size_bytes for entry in folder.entries()}
    lost = lost_of(table, snapshot, folder, sizes)
    if lost is None:
        return None
    others = sorted(table.snapshots(), key=lambda each: each.sequence_number or 0, reverse=True)
    known = {str(older.snapshot_id): older for older in others if older.snapshot_id != snapshot.snapshot_id}
    whole = newest_whole(known, lambda version: lost_of(table, known[version], folder, sizes))
    return restorable(spec.path, lost, whole)


def unreadable(table: "Table", folder: Folder) -> set[int]:
    """Find the snapshots whose manifests, or lists of them, are gone or cut off; none where the current is whole.

    Data files are not looked at.
    """
    sizes = {folder.uri(entry.name): entry.size_bytes for entry in folder.entries("metadata")}
    current = table.current_snapshot()
    if current is None or _of_metadata(table, current, folder, sizes) is None:
        return set()
    return {
        snapshot.snapshot_id
        for snapshot in table.snapshots()
        if _of_metadata(table, snapshot, folder, sizes) is not None
    }


def lost_of(table: "Table", snapshot: "Snapshot", folder: Folder, sizes: Mapping[str, int]) -> Lost | None:
    """Find the first file that a snapshot lacks, of those that lie in the table's folder."""
    lost = _of_metadata(table, snapshot, folder, sizes)
    if lost is not None:
        return lost
    tasks = table.scan(snapshot_id=snapshot.snapshot_id).plan_files()
    files = ((task.file.file_path, task.file.file_size_in_bytes, _partition(task.file.partition)) for task in tasks)
    return first_lost((file for file in files if _within(folder, file[0])), sizes, "data file")


def needed_files(table: "Table") -> set[str]:
    """List the addresses of all files that the metadata, or a snapshot in it, names."""
    addresses = {table.metadata_location, *(entry.metadata_file for entry in table.metadata.metadata_log)}
    addresses |= {entry.statistics_path for entry in table.metadata.statistics}
    manifests: dict[str, ManifestFile] = {}
    for snapshot in table.snapshots():
        addresses.add(snapshot.manifest_list)
        manifests |= {manifest.manifest_path: manifest for manifest in snapshot.manifests(table.io)}
    for path, manifest in manifests.items():
        addresses.add(path)
        addresses |= {
            entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
        }
    return addresses


def _of_metadata(table: "Table", snapshot: "Snapshot", folder: Folder, sizes: Mapping[str, int]) -> Lost | None:
    place = snapshot.manifest_list
    if _within(folder, place):
        if place not in sizes:
            return Lost("manifest list", place, "is gone")
        if not is_whole(folder.read(place.removeprefix(f"{folder.uri('')}/"))):
            return Lost("manifest list", place, "is empty or cut off")
    manifests = ((manifest.manifest_path, manifest.manifest_length, None) for manifest in snapshot.manifests(table.io))
    return first_lost((manifest for manifest in manifests if _within(folder, manifest[0])), sizes, "manifest")


def _within(folder: Folder, place: str) -> bool:
    return place.startswith(f"{folder.uri('')}/")


def _partition(record: object) -> str | None:
    values = list(record) if hasattr(record, "__len__") and len(record) else []  # type: ignore[call-overload]
    return None if not values or values[0] is None else str(values[0])
