"""What the router keeps: its state, how far it read, the messages that wait, and those that were sent.

State, cursor and messages are committed together, so that a router that was killed goes on as if it had not begun its
last round. A message stays until its channel took it. Where the process dies between the channel's yes and the note of
it, the message goes out again under the same id.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

_TABLES = """
CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS messages (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, channel TEXT NOT NULL, document TEXT NOT NULL,
    due_at REAL NOT NULL, sent_at REAL, attempts INTEGER NOT NULL DEFAULT 0, next_at REAL NOT NULL,
    error TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS waiting ON messages (channel, number) WHERE sent_at IS NULL;
CREATE TABLE IF NOT EXISTS silences (
    number INTEGER PRIMARY KEY AUTOINCREMENT, pattern TEXT NOT NULL, kinds TEXT NOT NULL, until REAL NOT NULL,
    reason TEXT NOT NULL);
"""


@dataclass(frozen=True, kw_only=True)
class StoredMessage:
    """A message in the outbox.

    Attributes:
        sent_at: Seconds since the epoch at which the channel took it; None while it waits.
        attempts: How often it was sent.
        error: What the channel last answered; empty without a refusal.
    """

    id: str
    channel: str
    document: Mapping[str, Any]
    due_at: float
    sent_at: float | None
    attempts: int
    error: str


@dataclass(frozen=True)
class StoredSilence:
    """A silence that somebody asked for; `until` in seconds since the epoch."""

    number: int
    pattern: str
    kinds: Sequence[str]
    until: float
    reason: str


@dataclass(frozen=True)
class Outbox:
    """The database of a router, below the state folder."""

    state: str

    @property
    def path(self) -> Path:
        """The SQLite file."""
        return Path(self.state) / "alerts" / "outbox.db"

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.path, timeout=30)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.executescript(_TABLES)
            with connection:
                yield connection

    def load(self) -> Mapping[str, Any]:
        """Return the documents that the last round kept, by name; empty before the first."""
        with self._connect() as connection:
            return {name: json.loads(text) for name, text in connection.execute("SELECT name, document FROM kept")}

    def commit(self, kept: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> None:
        """Keep the documents and put the messages into the outbox, all or nothing.

        A message has `id`, `channel`, `due_at` (seconds since the epoch) and its `document`.
        """
        with self._connect() as connection:
            connection.executemany(
                "INSERT INTO kept VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET document = excluded.document",
                [(name, json.dumps(document)) for name, document in kept.items()],
            )
            connection.executemany(
                "INSERT OR IGNORE INTO messages (id, channel, document, due_at, next_at) VALUES (?, ?, ?, ?, ?)",
                [(m["id"], m["channel"], json.dumps(m["document"]), m["due_at"], m["due_at"]) for m in messages],
            )

    def next_messages(self, now: datetime) -> list[StoredMessage]:
        """Return the oldest message of each channel that waits and may be sent now.

        A channel gets its messages in order: while the oldest may not be sent yet, none is. One that is held until the
        hours of quiet are over holds up none that came before it and none that need not wait.
        """
        query = (
            "SELECT id, channel, document, due_at, sent_at, attempts, error FROM messages WHERE number IN "
            "(SELECT min(number) FROM messages WHERE sent_at IS NULL AND due_at <= :now GROUP BY channel)"
            " AND next_at <= :now"
        )
        with self._connect() as connection:
            return [_message(row) for row in connection.execute(query, {"now": now.timestamp()})]

    def note_sent(self, id_: str, at: datetime, *, error: str = "") -> None:
        """Note that the channel took a message, and whom it could not tell."""
        with self._connect() as connection:
            connection.execute(
                "UPDATE messages SET sent_at = ?, attempts = attempts + 1, error = ? WHERE id = ?",
                (at.timestamp(), error, id_),
            )

    def hold(self, id_: str, *, until: datetime) -> None:
        """Keep a message back until an instant; it holds up no other."""
        with self._connect() as connection:
            connection.execute("UPDATE messages SET due_at = ? WHERE id = ?", (until.timestamp(), id_))

    def drop_untold(self, recovery: StoredMessage) -> bool:
        """Forget a recovery together with the openings of its incident that the channel never got.

        A recovery stays where there is none of those: the channel knows of the incident.
        """
        query = (
            "SELECT id FROM messages WHERE sent_at IS NULL AND attempts = 0 AND channel = ? AND id != ? AND "
            "json_extract(document, '$.incident') = ? AND json_extract(document, '$.event') = 'opened'"
        )
        with self._connect() as connection:
            values = (recovery.channel, recovery.id, recovery.document["incident"])
            untold = [id_ for (id_,) in connection.execute(query, values)]
            if not untold:
                return False
            connection.executemany("DELETE FROM messages WHERE id = ?", [(id_,) for id_ in [*untold, recovery.id]])
        return True

    def note_refused(self, id_: str, error: str, *, next_at: datetime) -> None:
        """Note that the channel did not take a message, and when it is tried again."""
        with self._connect() as connection:
            connection.execute(
                "UPDATE messages SET attempts = attempts + 1, error = ?, next_at = ? WHERE id = ?",
                (error, next_at.timestamp(), id_),
            )

    def refusals(self) -> dict[str, StoredMessage]:
        """Return the message that each channel last answered for, where it did not take it wholly, by channel."""
        query = (
            "SELECT id, channel, document, due_at, sent_at, attempts, error FROM messages WHERE error != '' AND number "
            "IN (SELECT max(number) FROM messages WHERE attempts > 0 GROUP BY channel)"
        )
        with self._connect() as connection:
            return {message.channel: message for message in map(_message, connection.execute(query))}

    def history(self, *, limit: int, channel: str | None = None) -> list[StoredMessage]:
        """Return the last messages, newest first."""
        query = (
            "SELECT id, channel, document, due_at, sent_at, attempts, error FROM messages "
            "WHERE channel = coalesce(?, channel) ORDER BY number DESC LIMIT ?"
        )
        with self._connect() as connection:
            return [_message(row) for row in connection.execute(query, (channel, limit))]

    def silences(self, now: datetime) -> list[StoredSilence]:
        """Return the silences that are not over."""
        query = "SELECT number, pattern, kinds, until, reason FROM silences WHERE until > ? ORDER BY number"
        with self._connect() as connection:
            return [
                StoredSilence(number, pattern, tuple(json.loads(kinds)), until, reason)
                for number, pattern, kinds, until, reason in connection.execute(query, (now.timestamp(),))
            ]

    def add_silence(self, pattern: str, kinds: Sequence[str], until: datetime, reason: str) -> int:
        """Keep a silence and return its number."""
        with self._connect() as connection:
            cursor = connection.execute(
                "INSERT INTO silences (pattern, kinds, until, reason) VALUES (?, ?, ?, ?)",
                (pattern, json.dumps(list(kinds)), until.timestamp(), reason),
            )
            return int(cursor.lastrowid or 0)

    def end_silence(self, number: int) -> bool:
        """End a silence now, and tell whether there was one of that number."""
        with self._connect() as connection:
            return connection.execute("DELETE FROM silences WHERE number = ?", (number,)).rowcount > 0

    def prune(self, before: datetime) -> int:
        """Forget messages that were sent before an instant, and return how many."""
        with self._connect() as connection:
            return connection.execute("DELETE FROM messages WHERE sent_at < ?", (before.timestamp(),)).rowcount


def _message(row: tuple[Any, ...]) -> StoredMessage:
    id_, channel, document, due_at, sent_at, attempts, error = row
    return StoredMessage(
        id=id_,
        channel=channel,
        document=json.loads(document),
        due_at=due_at,
        sent_at=sent_at,
        attempts=attempts,
        error=error,
    )
