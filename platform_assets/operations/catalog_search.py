"""Search over the catalog's entries: full text by SQLite's FTS5, in memory, with filters beside."""

import re
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

State = Literal["green", "red", "unknown"]


@dataclass(frozen=True, kw_only=True)
class CatalogEntry:
    """A dataset in the catalog.

    Attributes:
        state: `red` where a check of severity error fails or it is staler than promised; `unknown` where it was never
            materialised.
        score: Quality from 0 to 100; None where nothing was measured.
        sla_kept: Whether everything promised is kept; None where nothing is promised.
        red_upstream: Datasets above it that are red.
    """

    name: str
    domain: str
    owner: str
    version: str
    source: str
    description: str
    tags: Sequence[str]
    terms: Sequence[str]
    columns: Sequence[str]
    score: float | None
    state: State
    rows: int | None
    materialised_at: datetime | None
    freshness: str
    checks_passed: int
    checks_warned: int
    checks_failed: int
    quarantine_open: int
    sla_kept: bool | None
    red_upstream: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class SearchQuery:
    """What is looked for; every part that is given must hold.

    Attributes:
        text: Words, each at least as the beginning of one in name, description, columns, tags, terms or owner.
        min_score: Datasets without a score are below every one.
    """

    text: str = ""
    tag: str = ""
    owner: str = ""
    domain: str = ""
    term: str = ""
    state: str = ""
    min_score: float | None = None
    limit: int = 50
    offset: int = 0


class SearchIndex:
    """An index over entries; what is declared of them is as it was when it was built."""

    def __init__(self, entries: Iterable[CatalogEntry]) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._database.executescript(
            """
            CREATE VIRTUAL TABLE texts USING fts5(
                name, description, columns, labels, owner,
                tokenize="unicode61 tokenchars '_'", prefix='2 3'
            );
            CREATE TABLE entries(
                id INTEGER PRIMARY KEY, name TEXT UNIQUE, domain TEXT, owner TEXT, state TEXT, score REAL
            );
            CREATE TABLE labels(id INTEGER, kind TEXT, label TEXT);
            CREATE INDEX by_label ON labels(kind, label);
            """
        )
        for place, entry in enumerate(entries):
            texts = (entry.name, entry.description, " ".join(entry.columns), " ".join([*entry.tags, *entry.terms]),
                     entry.owner)  # fmt: skip
            self._database.execute("INSERT INTO texts(rowid, name, description, columns, labels, owner) "
                                   "VALUES (?, ?, ?, ?, ?, ?)", (place, *texts))  # fmt: skip
            facts = (place, entry.name, entry.domain, entry.owner, entry.state, entry.score)
            self._database.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", facts)
            labels = [("tag", tag) for tag in entry.tags] + [("term", term) for term in entry.terms]
            self._database.executemany(
                "INSERT INTO labels VALUES (?, ?, ?)", [(place, kind, label.lower()) for kind, label in labels]
            )

    def update(self, entries: Iterable[CatalogEntry]) -> None:
        """Take over state and score of entries; their words stay as they were."""
        rows = [(entry.state, entry.score, entry.name) for entry in entries]
        with self._lock:
            self._database.executemany("UPDATE entries SET state = ?, score = ? WHERE name = ?", rows)

    def search(self, query: SearchQuery) -> tuple[int, list[str]]:
        """Return how many entries match, and the names of those asked for, the best match first."""
        conditions, values = _conditions(query)
        words = re.findall(r"\w+", query.text)
        source, order = "entries", "entries.name"
        if words:
            source = "texts JOIN entries ON entries.id = texts.rowid"
            conditions.append("texts MATCH ?")
            values.append(" ".join(f'"{word}"*' for word in words))
            order = "bm25(texts, 10, 2, 3, 5, 2), entries.name"
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        with self._lock:
            total = self._database.execute(f"SELECT count(*) FROM {source}{where}", values).fetchone()[0]  # noqa: S608 - of our own words; what was asked is bound
            rows = self._database.execute(
                f"SELECT entries.name FROM {source}{where} ORDER BY {order} LIMIT ? OFFSET ?",  # noqa: S608 - as above
                [*values, query.limit, query.offset],
            ).fetchall()
        return int(total), [row[0] for row in rows]


def _conditions(query: SearchQuery) -> tuple[list[str], list[Any]]:
    conditions: list[str] = []
    values: list[Any] = []
    for kind in ("tag", "term"):
        if label := getattr(query, kind):
            conditions.append("entries.id IN (SELECT id FROM labels WHERE kind = ? AND label = ?)")
            values += [kind, label.lower()]
    for column in ("owner", "domain", "state"):
        if value := getattr(query, column):
            conditions.append(f"entries.{column} = ?")
            values.append(value)
    if query.min_score is not None:
        conditions.append("entries.score >= ?")
        values.append(query.min_score)
    return conditions, values
