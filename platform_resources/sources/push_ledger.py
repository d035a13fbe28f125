"""What a push gateway remembers on disk: who may push what, and which requests it has answered.

Tokens are kept as digests; a token is shown once, when it is made. An answered request is kept for a day under its
idempotency key. One that was begun and not answered, because the gateway died, says where the topic ended before it, so
that its messages can be looked for there. Gateways of one machine may share a ledger: each request is one gateway's,
and another takes it over once that one is dead.
"""

import hashlib
import json
import secrets
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from platform_resources.brokers.locks import LockedMembership

_KEEP_SECONDS = 86_400
_SCHEMA = """
create table if not exists tokens (
    name text primary key, digest text unique not null, datasets text not null, created real not null,
    rate integer not null default 0
);
create table if not exists requests (
    dataset text not null, key text not null, content text not null, begun real not null, ends text not null,
    answer text, holder text not null default '', primary key (dataset, key)
);
"""

_LATER = (("requests", "holder", "text not null default ''"), ("tokens", "rate", "integer not null default 0"))
"""Columns that a ledger of an earlier version lacks."""


@dataclass(frozen=True)
class Token:
    """Who may push to which datasets.

    Attributes:
        name: What people call it.
        datasets: Patterns of names: `commerce/*`.
        rate: Records a second that it may send to one gateway; 0 for as many as it likes.
    """

    name: str
    datasets: tuple[str, ...]
    rate: int = 0

    def admits(self, dataset: str) -> bool:
        """Tell whether it may push to the dataset."""
        return any(fnmatchcase(dataset, pattern) for pattern in self.datasets)


@dataclass(frozen=True)
class KnownRequest:
    """A request that came before under the same key.

    Attributes:
        content: The digest of its body.
        ends: By partition, where the topic ended before it.
        answer: What was answered; None where the gateway died before, or is at work.
        is_at_work: Whether another gateway that lives has it.
    """

    content: str
    ends: Mapping[int, int]
    answer: Mapping[str, Any] | None
    is_at_work: bool = False


@dataclass
class PushLedger:
    """The ledger of the gateways of a machine, a SQLite file; every change is synced before the call returns."""

    path: Path
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _connection: sqlite3.Connection | None = field(default=None, repr=False)
    _gateways: LockedMembership | None = field(default=None, repr=False)

    def grant(self, name: str, datasets: Sequence[str], *, at: float, rate: int = 0) -> str:
        """Make a token, in the place of one of that name, and return it; it is not kept."""
        token = f"push_{secrets.token_urlsafe(32)}"
        values = (name, _digest(token.encode()), json.dumps(list(datasets)), at, rate)
        sql = "insert or replace into tokens (name, digest, datasets, created, rate) values (?, ?, ?, ?, ?)"
        self._write(sql, values)
        return token

    def revoke(self, name: str) -> bool:
        """Forget a token; whether there was one."""
        return self._write("delete from tokens where name = ?", (name,)) > 0

    def tokens(self) -> list[Token]:
        """List who may push what."""
        rows = self._read("select name, datasets, rate from tokens order by name", ())
        return [Token(name, tuple(json.loads(datasets)), rate) for name, datasets, rate in rows]

    def token_of(self, token: str) -> Token | None:
        """Find who shows a token; None for nobody."""
        rows = self._read("select name, datasets, rate from tokens where digest = ?", (_digest(token.encode()),))
        return Token(rows[0][0], tuple(json.loads(rows[0][1])), rows[0][2]) if rows else None

    def begin(self, dataset: str, key: str, body: bytes, ends: Mapping[int, int], *, at: float) -> KnownRequest | None:
        """Note that a request begins; return the earlier one of the same key, where there is one."""
        me, living = self._living()
        self._write("delete from requests where begun < ?", (at - _KEEP_SECONDS,))
        values = (dataset, key, _digest(body), at, json.dumps(ends), me)
        if self._write(
            "insert or ignore into requests (dataset, key, content, begun, ends, holder) values (?, ?, ?, ?, ?, ?)",
            values,
        ):
            return None
        sql = "select content, ends, answer, holder from requests where dataset = ? and key = ?"
        rows = self._read(sql, (dataset, key))
        if not rows:  # its gateway forgot it at this moment, because nothing of it was kept
            return KnownRequest(_digest(body), {}, None, is_at_work=True)
        ((content, begun_ends, answer, holder),) = rows
        known_ends = {int(partition): end for partition, end in json.loads(begun_ends).items()}
        known = KnownRequest(content, known_ends, None if answer is None else json.loads(answer))
        if answer is not None or holder == me:
            return known
        takes_over = "update requests set holder = ? where dataset = ? and key = ? and holder = ? and answer is null"
        is_mine = holder not in living and self._write(takes_over, (me, dataset, key, holder)) > 0
        return known if is_mine else replace(known, is_at_work=True)

    def end(self, dataset: str, key: str, answer: Mapping[str, Any]) -> None:
        """Keep the answer to a request that was begun."""
        sql = "update requests set answer = ? where dataset = ? and key = ?"
        self._write(sql, (json.dumps(answer), dataset, key))

    def forget(self, dataset: str, key: str) -> None:
        """Forget a request that was begun and of which nothing was kept."""
        self._write("delete from requests where dataset = ? and key = ?", (dataset, key))

    def is_same(self, known: KnownRequest, body: bytes) -> bool:
        """Tell whether a body is the one that came before."""
        return known.content == _digest(body)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._gateways is not None:
                self._gateways.leave()
                self._gateways = None
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.path, check_same_thread=False, timeout=10)
            self._connection.executescript(f"pragma journal_mode = wal; pragma synchronous = full; {_SCHEMA}")
            for table, column, words in _LATER:
                if column not in {row[1] for row in self._connection.execute(f"pragma table_info({table})")}:
                    self._connection.execute(f"alter table {table} add column {column} {words}")
        return self._connection

    def _living(self) -> tuple[str, tuple[str, ...]]:
        """Name this gateway and all that live."""
        with self._lock:
            if self._gateways is None:
                self._gateways = LockedMembership(self.path.with_suffix(".gateways"))
            return self._gateways.members()

    def _write(self, sql: str, values: Sequence[Any]) -> int:
        with self._lock, self._open() as connection:
            return connection.execute(sql, values).rowcount

    def _read(self, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._open().execute(sql, values).fetchall()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
