"""Messages that must arrive: kept in SQLite until an HTTP endpoint took them, in the order in which they were put in.

What was read up to which place is kept in the same transaction as the messages made of it, so that neither a crash nor
an outage of the endpoint loses one; one that was taken while the answer got lost is sent again under the same content.
"""

import json
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TIMEOUT = 10
_REFUSALS = (400, 413, 422)
"""Answers by which an endpoint says that it will never take this message."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What a delivery did; `error` says why it stopped, and is empty where nothing is left."""

    sent: int
    refused: int
    left: int
    error: str = ""


@dataclass(frozen=True)
class Outbox:
    """Messages in a file."""

    path: Path

    def place(self, reader: str) -> Any:
        """Return up to where a reader came, as it was put; None at first."""
        with closing(self._open()) as database:
            row = database.execute("SELECT place FROM places WHERE reader = ?", (reader,)).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, messages: Iterable[Mapping[str, Any]], *, reader: str, place: Any) -> None:
        """Keep messages and how far their reader came, a value of JSON, both or neither."""
        with closing(self._open()) as database, database:
            database.executemany(
                "INSERT INTO messages(body) VALUES (?)", [(json.dumps(message, default=str),) for message in messages]
            )
            database.execute(
                "INSERT INTO places VALUES (?, ?) ON CONFLICT(reader) DO UPDATE SET place = excluded.place",
                (reader, json.dumps(place)),
            )

    def waiting(self) -> int:
        """Count the messages that are not sent."""
        with closing(self._open()) as database:
            return int(database.execute("SELECT count(*) FROM messages WHERE refusal IS NULL").fetchone()[0])

    def deliver(self, url: str) -> Delivery:
        """Send what waits, oldest first, until all is sent or the endpoint fails.

        A message that the endpoint refuses as wrong is put aside with its answer, so that it does not hold up others.
        """
        sent = refused = 0
        error = ""
        with closing(self._open()) as database:
            for number, body in database.execute(
                "SELECT id, body FROM messages WHERE refusal IS NULL ORDER BY id"
            ).fetchall():
                try:
                    _post(url, body.encode())
                except urllib.error.HTTPError as failure:
                    if failure.code not in _REFUSALS:
                        error = f"HTTP {failure.code}"
                        break
                    with database:
                        database.execute("UPDATE messages SET refusal = ? WHERE id = ?", (failure.code, number))
                    refused += 1
                    continue
                except OSError as failure:  # no answer: refused connections, time-outs, names that are not found
                    error = type(getattr(failure, "reason", failure)).__name__
                    break
                with database:
                    database.execute("DELETE FROM messages WHERE id = ?", (number,))
                sent += 1
            waiting = int(database.execute("SELECT count(*) FROM messages WHERE refusal IS NULL").fetchone()[0])
        return Delivery(sent=sent, refused=refused, left=waiting, error=error)

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self.path, timeout=_TIMEOUT)
        database.execute("CREATE TABLE IF NOT EXISTS messages(id INTEGER PRIMARY KEY, body TEXT, refusal INTEGER)")
        database.execute("CREATE TABLE IF NOT EXISTS places(reader TEXT PRIMARY KEY, place TEXT)")
        return database


def _post(url: str, body: bytes) -> None:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")  # noqa: S310 - the setting admits http and https alone
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310 - as above
        answer.read()
