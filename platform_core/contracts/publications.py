"""Where a dataset's rows go besides its table: one frozen record a kind; its adapter is in `platform_resources/sinks`.

A publication follows the table: what a commit changed is put on the far side under the row's key, and what it removed
is deleted there. The address is a setting, under the name that the record gives.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, ClassVar, Literal

import polars as pl

Severity = Literal["warn", "error"]
PublicationProblem = tuple[str, str, str]
"""The culprit, what is wrong with it, and the fix."""

_CONNECTION = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class Publication:
    """What publications of all kinds say.

    Attributes:
        kind: The adapter's module in `platform_resources/sinks/`; with a dot, the full name of a module elsewhere.
        columns: Those that are published, besides the key; empty for all, where none of them is personal data.
        by: The columns by which the far side finds a row, where it is not the key: of several rows the last one stands,
            and none is deleted.
    """

    kind: ClassVar[str]

    columns: Sequence[str] = ()
    by: Sequence[str] = ()

    @property
    def target(self) -> str:
        """The far side's place, which is its identity among a dataset's publications."""
        return self.kind

    @property
    def connection_name(self) -> str | None:
        """The name under which the settings know the far side's address; None where it has none."""
        return None

    @property
    def options(self) -> Mapping[str, Any]:
        """The record as plain values, for its adapter."""
        return {option.name: getattr(self, option.name) for option in fields(self)}

    def problems(self) -> Iterator[PublicationProblem]:
        """Find what is wrong with the record alone: a place for secrets is the settings."""
        name = self.connection_name
        if name is not None and not _CONNECTION.fullmatch(name):
            shown = "a URL" if "://" in name else repr(name)
            yield f"{self.kind}: connection", f"is {shown}, and no lower-case name.", (
                "name a sink of the settings: 'search' for PLATFORM_SINK_SEARCH."
            )  # fmt: skip


@dataclass(frozen=True)
class ToTopic(Publication):
    """A message a row, under the row's key, to a topic of the settings' broker; a deleted row is a tombstone.

    Attributes:
        topic: Its name at the broker, behind the environment's prefix.
        topic_partitions: Histories that the topic is created with.
    """

    kind: ClassVar[str] = "topic"

    topic: str
    topic_partitions: int = field(default=1, kw_only=True)

    @property
    def target(self) -> str:
        """The topic."""
        return f"topic {self.topic}"


@dataclass(frozen=True)
class ToRedis(Publication):
    """A JSON document a row in Redis, under `prefix:key`.

    Attributes:
        connection: The name of the address in the settings.
        prefix: Before the keys; the dataset's name by default.
        keep: How long a document stays after it was last put; None keeps it.
    """

    kind: ClassVar[str] = "redis"

    connection: str
    prefix: str | None = field(default=None, kw_only=True)
    keep: timedelta | None = field(default=None, kw_only=True)

    @property
    def target(self) -> str:
        """The connection and the prefix."""
        return f"redis {self.connection}/{self.prefix or ''}"

    @property
    def connection_name(self) -> str | None:
        """The connection."""
        return self.connection


@dataclass(frozen=True)
class ToStore(Publication):
    """A JSON document a row in the embedded store, a SQLite file below the state folder; no server.

    Attributes:
        store: The file's name.
    """

    kind: ClassVar[str] = "store"

    store: str = "online"

    @property
    def target(self) -> str:
        """The file."""
        return f"store {self.store}"


@dataclass(frozen=True)
class ToSearch(Publication):
    """A document a row in an index of OpenSearch or Elasticsearch, by its `_bulk` interface.

    Attributes:
        connection: The name of the address in the settings.
        index: The index, which is created by the first document where it is missing.
    """

    kind: ClassVar[str] = "search"

    connection: str
    index: str = field(kw_only=True)

    @property
    def target(self) -> str:
        """The connection and the index."""
        return f"search {self.connection}/{self.index}"

    @property
    def connection_name(self) -> str | None:
        """The connection."""
        return self.connection

    def problems(self) -> Iterator[PublicationProblem]:
        """Find what is wrong: an index has a lower-case name."""
        yield from super().problems()
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", self.index):
            yield f"search: index {self.index!r}", "is no name of an index.", "use a-z, 0-9, . _ and -"


@dataclass(frozen=True)
class ToWebhook(Publication):
    """Changed rows by POST, some hundred a request, each with its `id`.

    Attributes:
        connection: The name of the address in the settings.
        rows: Of one request at most.
    """

    kind: ClassVar[str] = "webhook"

    connection: str
    rows: int = field(default=500, kw_only=True)

    @property
    def target(self) -> str:
        """The connection."""
        return f"webhook {self.connection}"

    @property
    def connection_name(self) -> str | None:
        """The connection."""
        return self.connection


@dataclass(frozen=True)
class ToAlert(Publication):
    """A message a row that fulfils a condition, by the router of alerts; another one when it does no more.

    Attributes:
        channel: Of the file of alerts; `journal` is there without one.
        when: Which rows are told of, as SQL over the published columns; None for all.
        title: Of each message; the condition by default.
        severity: What a pager makes of it.
        most: Rows that are told of one by one at a time; of more, one message says how many.
    """

    kind: ClassVar[str] = "alert"

    channel: str = "journal"
    when: str | None = field(default=None, kw_only=True)
    title: str = field(default="", kw_only=True)
    severity: Severity = field(default="error", kw_only=True)
    most: int = field(default=20, kw_only=True)

    @property
    def target(self) -> str:
        """The channel."""
        return f"alert {self.channel}"

    def problems(self) -> Iterator[PublicationProblem]:
        """Find what is wrong: a condition is SQL."""
        yield from super().problems()
        if self.when is not None:
            try:
                pl.sql_expr(self.when)
            except pl.exceptions.PolarsError as error:
                problem = f"is no condition ({type(error).__name__})."
                yield f"alert: when={self.when!r}", problem, "write SQL: 'anomaly_score >= 3'."
        if self.most < 1:
            yield f"alert: most={self.most}", "tells of no row.", "give 1 or more."


@dataclass(frozen=True)
class ToDatabase(Publication):
    """A row a row in a table of PostgreSQL or SQLite, for an application to read; merged by the key.

    Attributes:
        connection: The name under which the settings know the database: `"shop"` for PLATFORM_DATABASE_SHOP.
        table: The table, `schema.table` where it is not in the usual schema; it is made where it is missing.
    """

    kind: ClassVar[str] = "database"

    connection: str
    table: str = field(kw_only=True)

    @property
    def target(self) -> str:
        """The connection and the table."""
        return f"database {self.connection}/{self.table}"

    @property
    def connection_name(self) -> str | None:
        """The connection."""
        return self.connection

    def problems(self) -> Iterator[PublicationProblem]:
        """Find what is wrong: a table has a name."""
        yield from super().problems()
        if not all(self.table.split(".")):
            yield f"database: table {self.table!r}", "is no name of a table.", "write 'daily_delays' or 'marts.delays'."
