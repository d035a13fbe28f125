"""The embedded store: a SQLite file below the state folder, where a document is found by its key in a moment.

The position is in one transaction with the documents.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from platform_resources.settings import Settings
from platform_resources.sinks.base import Changes, Sink, SinkContext
from platform_resources.sinks.errors import SinkUnreachable

_TABLES = """
CREATE TABLE IF NOT EXISTS documents (
    dataset TEXT NOT NULL, id TEXT NOT NULL, document BLOB NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (dataset, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS positions (dataset TEXT PRIMARY KEY, position TEXT NOT NULL) WITHOUT ROWID;
"""
_SECONDS = 30


class StoreSink(Sink):
    """Documents of one dataset in a store."""

    def __init__(self, path: Path, context: SinkContext) -> None:
        """Create the file where it is missing."""
        self._path, self._dataset = path, context.dataset
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._connected() as connection:
            connection.executescript(_TABLES)

    @property
    def keeps_position(self) -> bool:
        """It does, in one transaction with the documents."""
        return True

    def position(self) -> str | None:
        """Return the position of the last changes."""
        with self._connected() as connection:
            row = connection.execute("SELECT position FROM positions WHERE dataset = ?", (self._dataset,)).fetchone()
        return None if row is None else str(row[0])

    def last_number(self) -> int:
        """Return the highest number of a document."""
        with self._connected() as connection:
            query = "SELECT COALESCE(MAX(number), 0) FROM documents WHERE dataset = ?"
            return int(connection.execute(query, (self._dataset,)).fetchone()[0])

    def write(self, changes: Changes) -> None:
        """Put and delete documents, unless those there are newer, and keep the position, all or nothing."""
        dataset, number = self._dataset, changes.number
        with self._connected() as connection:
            connection.executemany(
                "INSERT INTO documents VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET document = excluded.document, "
                "number = excluded.number WHERE excluded.number >= documents.number",
                ((dataset, name, document, number) for name, document in changes.documents()),
            )
            connection.executemany(
                "DELETE FROM documents WHERE dataset = ? AND id = ? AND number <= ?",
                ((dataset, name, number) for name in changes.deleted_ids),
            )
            connection.execute(
                "INSERT INTO positions VALUES (?, ?) ON CONFLICT DO UPDATE SET position = excluded.position",
                (dataset, changes.position),
            )

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=_SECONDS)) as connection, connection:
                connection.execute("PRAGMA journal_mode=WAL")
                yield connection
        except sqlite3.OperationalError as error:
            raise SinkUnreachable(self._dataset, "the embedded store", str(error)) from error


def store_path(settings: Settings, store: str) -> Path:
    """Return the file of a store."""
    return Path(settings.state) / "published" / f"{store}.db"


def look_up(settings: Settings, store: str, dataset: str, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Return the documents of a dataset by id, for those that are there; none where there is no store yet."""
    path = store_path(settings, store)
    if not path.exists():
        return {}
    query = "SELECT id, document FROM documents WHERE dataset = ? AND id = ?"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=_SECONDS)) as connection:
        rows = [row for name in ids for row in connection.execute(query, (dataset, name))]
    return {name: json.loads(document) for name, document in rows}


def open_sink(options: Mapping[str, Any], context: SinkContext) -> StoreSink:
    """Open a dataset's part of a store."""
    return StoreSink(store_path(context.settings, options["store"]), context)
