"""What the cache has to know of a Delta table, and how one request tells whether it is still so."""

from typing import TYPE_CHECKING
from urllib.parse import unquote

import polars as pl

from platform_resources.storage.caches import Cache
from platform_resources.storage.caches.snapshot import FILES, Snapshot
from platform_resources.storage.formats.delta_frames import restored, scanned

if TYPE_CHECKING:
    from deltalake import DeltaTable

_READER = 1
_FEATURES = {"timestampNtz"}
_PARTITION = "partition."


def last_commit(cache: Cache, location: str, known: Snapshot | None) -> tuple[str, str] | None:
    """Return number and ETag of a table's last commit, or None where there is none: one request.

    The same pair as before means the same table: one that was dropped and made anew with as many commits has another
    ETag, for a commit names its files, and they have random names.
    """
    cache.counters.add(revalidations=1)
    since = f"{int(known.version):020}" if known is not None else ""
    commits = cache.remote.after(f"{location}/_delta_log", since)
    numbered = {name.removesuffix(".json"): etag for name, etag in commits.items() if name.endswith(".json")}
    last = max((name for name in numbered if name.isdigit()), default=None)
    if last is None:
        return None if known is None else last_commit(cache, location, None)  # made anew with fewer commits
    return str(int(last)), numbered[last]


def snapshot_of(table: "DeltaTable", location: str, etag: str) -> Snapshot | None:
    """Return the snapshot that is open, proved by the ETag of its last commit, or None.

    None is for a table whose files do not say all of its rows: one with deletion vectors or renamed columns,
    which delta-rs does not write by itself, one whose log does not count the rows of each file, and a shallow copy.
    """
    protocol = table.protocol()
    if protocol.min_reader_version > _READER and not _FEATURES.issuperset(protocol.reader_features or ["unknown"]):
        return None
    labels = table.metadata().partition_columns
    logical, stored = restored(table).collect_schema(), scanned(table).collect_schema()
    files = _files(
        pl.DataFrame(table.get_add_actions(flatten=True)), location, {name: logical[name] for name in labels}
    )
    if files["rows"].null_count() or set(files["uri"]) != set(table.file_uris()):
        return None
    return Snapshot(
        version=str(table.version()),
        proof=etag,
        schema=logical,
        stored=pl.Schema({name: kind for name, kind in stored.items() if name not in labels}),
        files=files,
    )


def _files(actions: pl.DataFrame, location: str, labels: dict[str, pl.DataType]) -> pl.DataFrame:
    count = pl.col("num_records") if "num_records" in actions.columns else pl.lit(None)
    paths = [f"{location}/{unquote(path)}" for path in actions["path"]]
    return actions.select(
        pl.Series("uri", paths, dtype=FILES["uri"]),
        pl.col("size_bytes").cast(FILES["size_bytes"]),
        pl.col("modification_time").cast(pl.String).alias("stamp"),
        count.cast(FILES["rows"]).alias("rows"),
        *(pl.col(f"{_PARTITION}{name}").cast(kind).alias(name) for name, kind in labels.items()),
    )
