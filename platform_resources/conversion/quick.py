"""CSV and JSON to Parquet within DuckDB: the fastest single library for it, with the content hash taken on the way.

The hash of each row passes through a filter that lets all of them by and adds them up, so that the file is parsed once.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from platform_resources.conversion import engine
from platform_resources.conversion.fingerprint import Fingerprint

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

_MODULUS = 1 << 64
_VECTOR = 2048


@dataclass
class _Sum:
    """Hashes that went by, from several threads."""

    progress: Callable[[int], None]
    rows: int = 0
    total: int = 0
    lock: Lock = field(default_factory=Lock)

    def add(self, hashes: "pa.Array") -> Any:
        import pyarrow as pa

        parts = hashes.chunks if isinstance(hashes, pa.ChunkedArray) else [hashes]
        total = sum(int(part.to_numpy(zero_copy_only=False).sum(dtype=np.uint64)) for part in parts)
        with self.lock:
            self.rows += len(hashes)
            self.total = (self.total + total) % _MODULUS
        self.progress(self.rows)
        return pa.array(np.ones(len(hashes), dtype=bool))


def copy_to_parquet(
    connection: "DuckDBPyConnection",
    query: str,
    names: list[str],
    path: Path,
    *,
    pages: str,
    progress: Callable[[int], None],
) -> Fingerprint:
    """Writes the query's rows to a Parquet file, in order; gives what they say.

    Raises:
        duckdb.Error: The source is not what the query says, or memory does not suffice.
    """
    from duckdb.sqltypes import BOOLEAN, UBIGINT

    passed = _Sum(progress)
    codec = "uncompressed" if pages == "none" else pages
    options: Any = {"type": "arrow", "side_effects": True}  # the stub knows enumerations alone

    def passes(hashes):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - DuckDB would look the types up
        return passed.add(hashes)

    connection.create_function("passed", passes, [UBIGINT], BOOLEAN, **options)
    try:
        connection.execute(
            f"COPY (SELECT * FROM ({query}) WHERE passed({_hash(names)})) "  # noqa: S608 - quoted
            f"TO {engine.literal(str(path))} "
            f"(FORMAT parquet, COMPRESSION {engine.literal(codec)}, PARQUET_VERSION V2)"
        )
    finally:
        connection.remove_function("passed")
    return Fingerprint(passed.rows, passed.total)


def fingerprint_of_parquet(connection: "DuckDBPyConnection", path: Path, names: list[str]) -> Fingerprint:
    """What a Parquet file says, by the same hash."""
    query = f"SELECT count(*), coalesce(sum({_hash(names)}), 0) FROM read_parquet({engine.literal(str(path))})"  # noqa: S608
    rows, total = engine.row(connection, query)
    return Fingerprint(int(rows), int(total) % _MODULUS)


def _hash(names: list[str]) -> str:
    return f"hash({', '.join(engine.quoted(name) for name in names)})"
