"""What servers of metrics and pages read last, kept over a restart: documents by kind and name, in SQLite.

A document is whole or absent. A file that cannot be read is begun anew, because all of it can be read again.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ReadingStore:
    """Documents in a file, which appears with the first of them."""

    path: Path

    def load(self, kind: str) -> dict[str, Any]:
        """Return the documents of a kind by name."""
        if not self.path.exists():
            return {}
        try:
            with self._open() as database:
                rows = database.execute("SELECT name, document FROM readings WHERE kind = ?", (kind,)).fetchall()
        except sqlite3.DatabaseError:
            self.path.unlink(missing_ok=True)
            return {}
        return {name: json.loads(document) for name, document in rows}

    def save(self, documents: Mapping[str, Mapping[str, Any]]) -> None:
        """Write documents by kind and name, all of them or none."""
        rows = [
            (kind, name, json.dumps(document)) for kind, named in documents.items() for name, document in named.items()
        ]
        if rows:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._open() as database, database:
                database.executemany("INSERT OR REPLACE INTO readings VALUES (?, ?, ?)", rows)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=30)) as database:
            database.execute("PRAGMA synchronous = OFF")  # a lost document is read again
            database.execute(
                "CREATE TABLE IF NOT EXISTS readings "
                "(kind TEXT, name TEXT, document TEXT, PRIMARY KEY (kind, name)) WITHOUT ROWID"
            )
            yield database
